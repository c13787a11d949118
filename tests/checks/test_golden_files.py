"""Golden sets as files: the origin of the committed one, finding damage, and writing."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import GOLDEN, copied, judge, solved
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet import InputError
from npnet.base.arrays import Named
from npnet.base.npz import read_npz
from npnet.checks import golden as golden_files
from npnet.checks.array_files import read_gradients
from npnet.checks.golden import read_golden, write
from npnet.checks.reference import KINDS, PRECISIONS, Problem
from npnet.network.names import PARAMETER_NAMES
from npnet.training.fit import examples_of

RECIPE = {"name": "lecture", "hidden": 8}  # what was committed: oracle golden DIR --hidden 8 --npz


# The committed set.


def test_the_problem_is_the_first_batch_of_a_run_on_the_shipped_words(golden: Problem) -> None:
    recipe = npnet.Recipe.from_entries(golden.about["recipe"])
    assert recipe == npnet.Recipe.from_entries(RECIPE)
    words = npnet.default_words()
    vocab = npnet.Vocabulary.from_words(words)
    generator = npnet.Generator(recipe.seed)
    drawn = npnet.draw_parameters(recipe, vocab.size, generator)
    X, Y = examples_of(recipe, words, vocab)["train"]
    rows = generator.randint(0, len(X), (recipe.batch,))
    assert np.array_equal(golden.batch.X, X[rows])
    assert np.array_equal(golden.batch.Y, Y[rows])
    for name in PARAMETER_NAMES:
        assert np.array_equal(golden.arrays["parameter", "float32"][name], drawn[name]), name


def test_the_committed_set_is_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 500_000


# A set that cannot be believed.


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return copied(GOLDEN, tmp_path / "set")


def manifest_with(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        change(manifest)
        path.write_text(json.dumps(manifest), encoding="utf-8")

    return damage


def npz_with(file: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        arrays: dict[str, Any] = read_npz(folder / file)
        change(arrays)
        np.savez(folder / file, **arrays)

    return damage


def truncated(file: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[: len(content) // 2])

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "manifest.json: No such file"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: No such file"),
        (truncated("manifest.json"), "manifest.json: no JSON"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "manifest.json: no JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[" * 10**5), "no JSON"),
        (lambda folder: (folder / "manifest.json").write_text("[1]"), "format None"),
        (manifest_with(lambda m: m.update(format="chrome")), "format 'chrome'"),
        (manifest_with(lambda m: m.update(version=1)), "version 1, wanted 'npnet golden', 2"),
        (manifest_with(lambda m: m.pop("sizes")), "sizes None"),
        (manifest_with(lambda m: m["sizes"].update(H=9)), "parameter W1 float32"),
        (manifest_with(lambda m: m.update(containers=["zip"])), "containers ['zip']"),
        (manifest_with(lambda m: m.pop("arrays")), "batch X int64"),
        (manifest_with(lambda m: m["arrays"].pop(5)), "parameter b1 float32"),
        (manifest_with(lambda m: m["arrays"].append({})), "lists 202 arrays"),
        (
            manifest_with(lambda m: m["arrays"][0].update(npz="../batch.npz")),
            "manifest.json: has no entry, or another one",
        ),
        (manifest_with(lambda m: m["arrays"][9].update(sha256=0)), "bnbias is damaged"),
        (lambda folder: (folder / "value.f64.npz").unlink(), "value.f64.npz: "),
        (truncated("line.f32.npz"), "line.f32.npz: "),
        (npz_with("gradient.f32.npz", lambda a: a.pop("bnvar")), "bnvar is missing"),
        (npz_with("gradient.f32.npz", lambda a: a.update(foo=a["C"])), "has 27 arrays, wanted 26"),
        (
            npz_with("gradient.f32.npz", lambda a: a.update(W2=a["W2"].T)),
            "gradient.f32.npz: W2 is float32 of shape (27, 8), wanted float32 of shape (8, 27)",
        ),
        (
            npz_with("gradient.f64.npz", lambda a: a.update(b2=a["b2"].astype("f4"))),
            "b2 is float32 of shape (27,), wanted float64",
        ),
        (
            npz_with("gradient.f64.npz", lambda a: a.update(C=np.nextafter(a["C"], 1))),
            "gradient.f64.npz: gradient C is damaged",
        ),
        (
            npz_with("batch.npz", lambda a: a.update(X=np.array([None]))),
            "batch.npz: cannot be read",
        ),
    ],
)
def test_a_damaged_or_foreign_set_is_refused_with_the_command_that_writes_one(
    copy: Path, damage: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(copy)
    assert judge(copy, reference=copy) == 2
    line = capsys.readouterr().err
    assert said in line
    assert f"npnet: {copy}" in line
    assert "; to write one: oracle golden " in line
    assert line.count("\n") == 1


def test_the_command_is_the_one_that_wrote_the_set(copy: Path) -> None:
    (copy / "value.f64.npz").unlink()
    with pytest.raises(InputError, match=r"oracle golden .*set --hidden 8 --npz$"):
        read_golden(copy)
    manifest_with(lambda m: m.update(options=["\x1b[2J"]))(copy)
    with pytest.raises(InputError, match=r"oracle golden .*set$"):
        read_golden(copy)


@given(data=st.data())
def test_a_flipped_bit_is_refused_or_changes_no_array(
    golden: Problem, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(sorted(path.name for path in GOLDEN.iterdir())))
    content = bytearray((GOLDEN / file).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    folder = tmp_path_factory.mktemp("flipped") / "set"
    folder.mkdir()
    for path in GOLDEN.iterdir():
        if path.name != file:
            (folder / path.name).symlink_to(path)
    (folder / file).write_bytes(content)
    try:
        read = read_golden(folder)
    except InputError:
        return
    assert same(read, golden)


def same(one: Problem, other: Problem) -> bool:
    return (
        one.sizes == other.sizes
        and all(np.array_equal(one.batch[name], other.batch[name]) for name in other.batch)
        and one.arrays.keys() == other.arrays.keys()
        and all(
            np.array_equal(array, one.arrays[key][name])
            for key, arrays in other.arrays.items()
            for name, array in arrays.items()
        )
    )


# Writing.


@pytest.fixture
def writing() -> Any:
    """oracle.golden, if torch is installed."""
    pytest.importorskip("torch")
    import oracle.golden

    return oracle.golden


@pytest.fixture
def oracle_main() -> Callable[[list[str]], int]:
    pytest.importorskip("torch")
    from oracle.cli import main

    return main


def test_the_committed_set_is_what_oracle_golden_writes_now(golden: Problem, writing: Any) -> None:
    now = writing.first_batch(npnet.Recipe.from_entries(RECIPE), npnet.default_words())
    assert now.about.keys() == golden.about.keys()
    assert now.about["words"] == golden.about["words"]
    assert now.about["seeds"] == golden.about["seeds"]
    assert now.sizes == golden.sizes
    assert {key: tuple(now.arrays[key]) for key in now.arrays} == {
        (kind, precision): names for precision in PRECISIONS for kind, names in KINDS.items()
    }
    if now.about["cpu_capability"] not in ("AVX2", "AVX512"):
        pytest.skip("another CPU path draws normals that differ in the last bits")
    for kind in ("parameter", "upstream"):
        for precision in PRECISIONS:
            for name, array in now.arrays[kind, precision].items():
                assert np.array_equal(array, golden.arrays[kind, precision][name]), name
    for precision in PRECISIONS:
        assert now.whole(precision).judge(golden.arrays["gradient", precision])
        assert now.lines(precision).judge(golden.arrays["line", precision])


def test_what_is_written_is_read_again_bit_for_bit(golden: Problem, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "set"
    write(golden, folder)
    assert same(read_golden(folder), golden)

    gradients = folder / "raw" / "gradient"
    for precision, read in read_gradients(gradients, golden.sizes).items():
        assert all(row.exact for row in golden.whole(precision).judge(read).rows)
    C = np.fromfile(gradients / "C.f32", "<f4").reshape(27, 10)
    assert np.array_equal(C, golden.arrays["gradient", "float32"].C)

    (gradients / "C.f32").write_bytes((C + 1).tobytes())
    with pytest.raises(InputError, match=r"C\.f32: gradient C is damaged"):
        read_golden(folder)
    (gradients / "C.f32").write_bytes(C.tobytes()[:-1])
    with pytest.raises(InputError, match=r"C\.f32: 1079 bytes, wanted 1080"):
        read_golden(folder)
    (gradients / "C.f32").unlink()
    with pytest.raises(InputError, match=r"C\.f32: No such file"):
        read_golden(folder)


def test_an_older_set_is_replaced_and_other_things_are_not(golden: Problem, copy: Path) -> None:
    (copy / "value.f64.npz").unlink()
    write(golden, copy, ["npz"])
    assert same(read_golden(copy), golden)
    (copy / "notes.txt").touch()
    before = sorted(copy.iterdir())
    with pytest.raises(InputError, match="set: holds other things"):
        write(golden, copy, ["npz"])
    assert sorted(copy.iterdir()) == before


def test_a_set_appears_whole_or_not_at_all(
    golden: Problem, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, kept: Callable[..., None] = golden_files._write) -> None:
        if path.name == "manifest.json":
            raise OSError(28, "No space left on device")
        kept(path, data)

    monkeypatch.setattr(golden_files, "_write", full)
    for folder in (copy, copy.with_name("new")):
        with pytest.raises(InputError, match="No space left"):
            write(golden, folder, ["npz"])
    assert same(read_golden(copy), golden)
    assert list(copy.parent.iterdir()) == [copy]


def own_problem(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(5)
    sizes = {"V": 5, "E": 2, "T": 2, "H": 3}
    arrays: dict[str, Any] = {
        name: rng.standard_normal(npnet.network.names.shape_of(name, sizes))
        for name in PARAMETER_NAMES
    }
    arrays |= {"X": rng.integers(0, 5, (9, 2)), "Y": rng.integers(0, 5, 9), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_users_problem_is_solved_and_judges_in_both_precisions(
    tmp_path: Path, oracle_main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    mine = own_problem(tmp_path / "mine.npz", eps=np.float64(0.25))
    folder = tmp_path / "set"
    assert oracle_main(["golden", str(folder), "--problem", str(mine), "--npz"]) == 0
    golden = read_golden(folder)
    assert golden.sizes == {"n": 9, "T": 2, "E": 2, "H": 3, "V": 5}
    assert golden.batch.eps == 0.25
    for precision in PRECISIONS:
        arrays: dict[str, Any] = dict(solved(golden, precision)[1])
        np.savez(tmp_path / "theirs.npz", **arrays)
        assert judge(tmp_path / "theirs.npz", reference=folder) == 0
    capsys.readouterr()
    command = ["judge", str(tmp_path / "theirs.npz"), "--reference", str(folder)]
    assert oracle_main(command) == 0
    assert "gives the same bits for 104 of its 104 gradients" in capsys.readouterr().out


def test_a_problem_may_be_json(tmp_path: Path, writing: Any) -> None:
    arrays = read_npz(own_problem(tmp_path / "mine.npz"))
    lists = {name: array.tolist() for name, array in arrays.items()}
    (tmp_path / "mine.json").write_text(json.dumps({**lists, "eps": 0.25}))
    problem = writing.from_file(tmp_path / "mine.json")
    assert problem.batch.eps == 0.25
    assert np.array_equal(problem.batch.X, arrays["X"])
    assert np.array_equal(problem.values().W1, arrays["W1"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"X": None}, "missing X, unknown none"),
        ({"Eps": np.ones(())}, "missing none, unknown Eps"),
        ({"eps": np.ones(2)}, "eps is [1. 1.], wanted one number"),
        ({"b1": np.ones((1, 3))}, "b1 has shape (1, 3), wanted (3,)"),
        ({"Y": np.full(9, 5)}, "Y holds indices from 5 to 5, wanted 0 to 4"),
        ({"W2": np.full((3, 5), 1e300)}, "is not finite in float32"),
    ],
)
def test_a_problem_that_does_not_fit_is_refused(
    tmp_path: Path,
    oracle_main: Callable[[list[str]], int],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    said: str,
) -> None:
    mine = own_problem(tmp_path / "mine.npz", **changes)
    assert oracle_main(["golden", str(tmp_path / "set"), "--problem", str(mine)]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"oracle: {mine}: ")
    assert said in line
    assert not (tmp_path / "set").exists()


def test_options_that_exclude_each_other_are_refused(
    tmp_path: Path, oracle_main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "set")
    assert oracle_main(["golden", folder, "--problem", "mine.npz", "--hidden", "3"]) == 2
    assert "--problem with --hidden" in capsys.readouterr().err
    assert oracle_main(["golden", folder, "--recipe", "lectur"]) == 2
    assert "did you mean lecture?" in capsys.readouterr().err


def test_oracle_judge_refuses_a_set_that_torch_would_not_write(
    golden: Problem,
    tmp_path: Path,
    oracle_main: Callable[[list[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    forged = dict(golden.arrays)
    gradients = golden.arrays["gradient", "float64"]
    forged["gradient", "float64"] = Named({**gradients, "h": gradients.h * (1 + 1e-9)})
    write(Problem(golden.about, golden.sizes, golden.batch, forged), tmp_path / "set", ["npz"])
    theirs = str(tmp_path / "set" / "gradient.f64.npz")
    assert judge(Path(theirs), reference=tmp_path / "set") == 0
    capsys.readouterr()
    assert oracle_main(["judge", theirs, "--reference", str(tmp_path / "set")]) == 2
    assert "gradient h in float64 is not what torch" in capsys.readouterr().err


def test_a_golden_set_takes_only_what_its_batch_needs(
    monkeypatch: pytest.MonkeyPatch, small_words: list[str]
) -> None:
    pytest.importorskip("torch")
    from oracle.golden import first_batch

    def unneeded(*_: object, **__: object) -> None:
        raise AssertionError("the whole training set was used")

    for name in ("replay", "train", "calibrate", "split_loss"):
        monkeypatch.setattr(sys.modules["oracle.replay"], name, unneeded)
    problem = first_batch(npnet.Recipe("small", hidden=4), small_words)
    assert problem.sizes["n"] == 32
