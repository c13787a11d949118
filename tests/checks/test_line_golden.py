"""Golden sets of users' networks: writing, reading, and judging the gradients of any program."""

import json
from pathlib import Path

import numpy as np
import pytest
from own_networks import networks

from npnet import InputError
from npnet.base.arrays import Array
from npnet.checks.containers import encode
from npnet.checks.line_check import network
from npnet.checks.line_golden import is_lines_golden, read_lines_golden, write_golden
from npnet.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden") / "set"
    write_golden(networks()["attention_head"], folder, seed=1)
    return folder


@pytest.mark.parametrize("name", ["attention_head", "two_layers", "rms_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_by_hand_pass_by_the_set(name: str, dtype: str, tmp_path: Path) -> None:
    table = networks()[name]
    golden = write_golden(table, tmp_path / "set")
    assert read_lines_golden(tmp_path / "set") == golden
    inputs = golden.arrays["input", dtype]
    here = table.at(**inputs)
    made = here.backward(dtype)
    if here.start(here.forward(dtype))[here.outputs[0]].ndim == 0:
        assert golden.judge(made), golden.judge(made)
        wrong = {**made, "x": made["x"] * np.float32(1.001)}
        assert [row.name for row in golden.judge(wrong).failures] == ["x"]
    values = {**here.forward(dtype), **golden.arrays["value", dtype]}
    upstream = golden.arrays["upstream", dtype]
    alone = {
        f"d{name}": function(*here.views(values, upstream))
        for name, function in here.gradients.items()
    }
    assert golden.judge(alone, lines=True), golden.judge(alone, lines=True)


def test_zero_by_mathematics_is_in_the_set(tmp_path: Path) -> None:
    golden = write_golden(network(), tmp_path / "set")
    read = read_lines_golden(tmp_path / "set")
    assert read.zero == {"b1": ["hprebn", 0], "logit_maxes": ["norm_logits", 1]}
    made = network().at(**golden.arrays["input", "float64"]).backward()
    report = read.judge(made)
    assert report, report
    assert set(report.blind) == {"b1", "logit_maxes"}


def test_the_files_are_listed_with_shapes_and_read_as_raw_numbers(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert is_lines_golden(folder)
    assert manifest["numbers"] == {"scale": 3**-0.5}
    for entry in manifest["arrays"]:
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        raw = np.fromfile(folder / entry["raw"], dtype).reshape(entry["shape"])
        with np.load(folder / entry["npz"]) as arrays:
            assert np.array_equal(raw, arrays[entry["name"]])


@pytest.mark.parametrize("way", ["npz", "raw", "json"])
def test_the_judge_takes_gradients_from_files(
    way: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(folder / "line.f32.npz") as arrays:
        right = dict(arrays)
    theirs = tmp_path / f"theirs.{way}"

    def judged(arrays: dict[str, Array], *options: str) -> tuple[int, str]:
        if way == "raw":
            theirs.mkdir(exist_ok=True)
            for name, array in arrays.items():
                (theirs / f"d{name}.f32").write_bytes(array.tobytes())
        else:
            theirs.write_bytes(encode(way, {f"grad_{name}": arrays[name] for name in arrays}))
        code = main(["judge", str(theirs), "--reference", str(folder), "--lines", *options])
        return code, "".join(capsys.readouterr())

    assert judged(right)[0] == 0
    code, printed = judged({**right, "q": right["q"] * np.float32(1.001)})
    assert code == 1
    assert "first wrong in the order of computation: q" in printed
    assert judged({"val": right["val"]}, "--only", "val", "--json")[0] == 0
    assert judged({"val": right["val"]}, "--only", "val,other")[0] == 2
    code, printed = judged(right, "--big-endian")
    assert code == 2
    assert "--big-endian: got it and a set of your own network" in printed


def test_a_folder_without_a_gradient_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["judge", str(tmp_path), "--reference", str(folder)]) == 2
    assert "holds no raw file of a gradient, wanted NAME.f32" in capsys.readouterr().err
    np.savez(tmp_path / "q.npz", other=np.ones(3))
    assert main(["judge", str(tmp_path / "q.npz"), "--reference", str(folder)]) == 2
    assert "golden set: got other, wanted some of att" in capsys.readouterr().err


def test_a_set_is_never_written_over_another(folder: Path) -> None:
    with pytest.raises(InputError, match="exists already, wanted a new name"):
        write_golden(networks()["attention_head"], folder)


def test_gradients_of_no_known_name_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="golden set: got other, wanted some of att, e, scores"):
        read_lines_golden(folder).judge({"other": np.ones(3)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('"version": 1', '"version": 7'), "version 7, wanted"),
        (lambda text: text.replace('"kind": "line"', '"kind": "../x"'), "wanted a known kind"),
        (lambda text: text.replace('"sha256": "', '"sha256": "0'), "is missing or damaged"),
        (lambda text: text[:100], "its manifest is damaged"),
        (lambda text: "[]", "its manifest is damaged"),
    ],
)
def test_a_damaged_set_is_refused(
    folder: Path, tmp_path: Path, damage: object, message: str
) -> None:
    assert callable(damage)
    for file in folder.glob("*.npz"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_text(damage((folder / "manifest.json").read_text()))
    with pytest.raises(InputError, match=message):
        read_lines_golden(tmp_path)
    with pytest.raises(InputError, match="wanted a golden set"):
        read_lines_golden(tmp_path / "nowhere")
    assert not is_lines_golden(tmp_path / "nowhere")
