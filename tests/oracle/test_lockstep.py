"""NumPy and torch side by side: the losses of both, the first gap, the picture, the command."""

import csv
import hashlib
import json
import sys
import tracemalloc
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

import npnet
from npnet import InputError, Recipe
from npnet.base.arrays import Array, Floats
from npnet.network.names import PARAMETER_NAMES
from npnet.plotting.plots import gaps, save
from npnet.training.fit import begin as npnet_begin
from npnet.training.sgd import draw_rows

pytest.importorskip("torch")

import torch

import oracle
from oracle.cli import main
from oracle.lockstep import lockstep

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Recipe("small", hidden=16, batch=8, steps=60, rates=((0, 0.1), (40, 0.01)))
VARIANTS: list[dict[str, Any]] = [
    {},
    {"dtype": "float64"},
    {"batch_once": True},
    {"batch_first": True, "split": "examples"},
    {"statistics": "running-var", "training_statistics": "running"},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(changes) or "plain")
def test_the_two_sides_are_fit_and_replay(small_words: list[str], changes: dict[str, Any]) -> None:
    recipe = replace(SMALL, **changes)
    both = lockstep(recipe, small_words)
    np.testing.assert_array_equal(both.npnet, npnet.fit(recipe, small_words).losses, strict=True)
    np.testing.assert_array_equal(
        both.torch, oracle.replay(recipe, small_words).losses, strict=True
    )
    assert (both.unlike, both.strays, both.crossing, both.diverged) == ((), None, None, ())
    np.testing.assert_array_equal(
        both.gaps, [abs(float(a) - float(b)) for a, b in zip(both.npnet, both.torch, strict=True)]
    )


def test_it_stops_where_it_is_told(small_words: list[str]) -> None:
    seen: list[int] = []
    some = lockstep(SMALL, small_words, steps=7, watch=lambda step, ours, theirs: seen.append(step))
    np.testing.assert_array_equal(some.npnet, lockstep(SMALL, small_words).npnet[:7])
    assert seen == list(range(7))


def test_the_first_gap_comes_with_both_sides_gradients_of_its_minibatch(
    small_words: list[str],
) -> None:
    apart = lockstep(SMALL, small_words).gaps
    both = lockstep(SMALL, small_words, limit=apart.max() * 0.99)
    assert both.crossing is not None
    step, report = both.crossing
    assert step == apart.argmax() > 0

    start = npnet_begin(SMALL, small_words)
    X, Y = start.examples["train"]
    rows = draw_rows(SMALL, len(X), start.generator, step + 1)[-1]
    ours = npnet.fit(replace(SMALL, steps=step), small_words).params
    theirs = oracle.replay(SMALL, small_words, steps=step).trained
    gradients = npnet.backward(npnet.forward(ours, X[rows], Y[rows], SMALL.eps))
    _, reference = oracle.whole(theirs, X[rows], Y[rows], SMALL.eps)
    assert report == npnet.compare(gradients, reference, labels=("npnet", "torch"))
    assert len(report.rows) == 26


@pytest.mark.parametrize(
    ("fault", "unlike", "strays", "step"),
    [
        ({"rates": ((0, 0.1), (5, 0.2))}, (), None, 6),
        ({"seed": 1}, PARAMETER_NAMES, 0, 0),
        ({"shuffle_seed": 1}, ("X", "Y"), 0, 0),
        ({"batch_over": 30}, (), 0, 0),
        ({"draws": tuple(d for d in SMALL.draws if d.name != "b1")}, PARAMETER_NAMES[2:], 0, 0),
    ],
    ids=["rates", "seed", "shuffle", "minibatches", "draws"],
)
def test_a_side_that_does_something_else_is_found_out(
    small_words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    unlike: tuple[str, ...],
    strays: int | None,
    step: int,
) -> None:
    import oracle.lockstep as module

    torchs = module._torch_side
    monkeypatch.setattr(
        module, "_torch_side", lambda recipe, w: torchs(replace(recipe, **fault), w)
    )
    both = lockstep(SMALL, small_words)
    assert (both.unlike, both.strays) == (unlike, strays)
    assert both.crossing is not None
    assert both.crossing.step == step
    assert both.crossing.report is not None
    assert not both.crossing.report.passed


def test_no_table_where_training_normalises_by_running_averages(small_words: list[str]) -> None:
    both = lockstep(replace(SMALL, **VARIANTS[-1]), small_words, limit=0)
    assert both.crossing is not None
    assert both.crossing.report is None


@pytest.mark.parametrize("sides", [("npnet", "torch"), ("torch",)])
def test_losses_that_are_not_finite_end_it(
    small_words: list[str], monkeypatch: pytest.MonkeyPatch, sides: tuple[str, ...]
) -> None:
    import oracle.lockstep as module

    wild = {"rates": ((0, 0.1), (7, 1e38))}
    ours, torchs = module._npnet_side, module._torch_side
    if "npnet" in sides:
        monkeypatch.setattr(
            module, "_npnet_side", lambda recipe, w: ours(replace(recipe, **wild), w)
        )
    monkeypatch.setattr(module, "_torch_side", lambda recipe, w: torchs(replace(recipe, **wild), w))
    both = lockstep(SMALL, small_words)
    assert both.diverged == sides
    assert len(both.npnet) == len(both.torch) == 8


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "lockstep: steps 0, wanted 1 to 60"),
        ({"steps": 61}, "lockstep: steps 61, wanted 1 to 60"),
        ({"limit": -1e-9}, "lockstep: limit -1e-09, wanted a number of 0 or more"),
        ({"limit": float("nan")}, "lockstep: limit nan"),
        ({"words": ["emma"]}, "split_words: parts of 0, 0, 1"),
    ],
)
def test_what_cannot_be_run_is_refused(
    small_words: list[str], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        lockstep(SMALL, **{"words": small_words, **given})


def test_nothing_is_kept_but_the_losses(small_words: list[str]) -> None:
    recipe = replace(SMALL, hidden=4, batch=64, steps=200)

    def peak(steps: int) -> int:
        tracemalloc.start()
        lockstep(recipe, small_words, steps=steps)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(20)  # what is imported and cached at the first run
    # Bytes: losses take 8 a step, rows would take 512 and parameters 2,000.
    assert peak(200) - peak(100) < 100 * 300


def test_the_csv_file_gives_every_loss_back(small_words: list[str], tmp_path: Path) -> None:
    both = lockstep(SMALL, small_words)
    both.write_csv(tmp_path / "both.csv")
    with (tmp_path / "both.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(60))
    np.testing.assert_array_equal(np.array([row["npnet"] for row in rows], "f"), both.npnet)
    np.testing.assert_array_equal(np.array([row["torch"] for row in rows], "f"), both.torch)
    np.testing.assert_allclose([float(row["gap"]) for row in rows], both.gaps, rtol=1e-8)


# The picture


@dataclass(frozen=True)
class Result:
    losses: Floats
    recipe: Recipe = SMALL
    split_losses: dict[str, float] = field(default_factory=dict)


def pair(steps: int, apart: float) -> tuple[Result, Result]:
    """Losses like a run's, and others that lie up to ``apart`` away, every third one not."""
    rng = np.random.default_rng(0)
    ours = 2.1 + np.exp(-np.arange(steps) / 3000) + 0.2 * rng.standard_normal(steps)
    gap = apart * rng.uniform(-1, 1, steps) * (np.arange(steps) % 3 > 0)
    return Result(ours), Result(ours + gap)


def captions(figure: Figure) -> list[list[str]]:
    legends = (ax.get_legend() for ax in figure.axes)
    return [[text.get_text() for text in legend.get_texts()] for legend in legends if legend]


def ys(figure: Figure, line: int) -> Array:
    return np.asarray(figure.axes[1].lines[line].get_ydata())


def test_both_curves_stand_above_their_gap_on_a_logarithmic_axis(tmp_path: Path) -> None:
    ours, theirs = pair(5000, 1e-6)
    figure = gaps((ours, theirs), limit=1e-5, window=100, labels=("npnet", "torch"))
    top, bottom = figure.axes
    apart = np.abs(ours.losses - theirs.losses)
    name = f"largest: {apart.max():.2g} at step {apart.argmax():,}"
    none = f"gap 0, not drawn: {(apart == 0).sum():,} of {apart.size:,} steps"
    legends = [["npnet", "torch"], ["largest of 100 steps", name, none, "limit: 1e-05"]]
    assert captions(figure) == legends
    assert bottom.get_yscale() == "log"
    assert top.get_xlim() == bottom.get_xlim()
    np.testing.assert_array_equal(ys(figure, 1), apart.reshape(-1, 100).max(1))
    assert ys(figure, 2) == [apart.max()]
    low, high = bottom.get_ylim()
    assert low < np.nanmin(ys(figure, 0)) < apart.max() < 1e-5 < high
    save(figure, tmp_path / "gaps.svg")
    assert ElementTree.parse(tmp_path / "gaps.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "gaps.svg").stat().st_size < 400_000


def test_equal_losses_are_left_out_of_the_gap() -> None:
    figure = gaps(pair(30, 1e-6), window=1)
    np.testing.assert_array_equal(np.isnan(ys(figure, 0)), np.arange(30) % 3 == 0)
    assert captions(figure)[1][0] == "every step"


@pytest.mark.parametrize(
    ("steps", "apart", "limit"),
    [(1, 1e-6, 1e-5), (1, 0, 0), (2, 0, 1e-5), (50, 1e-6, 0)],
)
def test_strange_pairs_still_give_a_picture(
    tmp_path: Path, steps: int, apart: float, limit: float
) -> None:
    save(gaps(pair(steps, apart), limit=limit), tmp_path / "gaps.png")


def test_runs_of_other_steps_have_no_gap() -> None:
    with pytest.raises(InputError, match="gaps: 5 steps and 6 that are not the same"):
        gaps((pair(5, 0)[0], pair(6, 0)[0]))


# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]) -> Path:
    """The working folder: words.txt, a recipe small.json, a publication small.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_CORPORA", str(tmp_path))
    monkeypatch.setenv("NPNET_CACHE", str(tmp_path / "cache"))
    Path("words.txt").write_text("\n".join(small_words), encoding="utf-8")
    Path("small.json").write_text(SMALL.to_json(), encoding="utf-8")
    sha256 = hashlib.sha256(Path("words.txt").read_bytes()).hexdigest()
    corpus = f'[corpus]\nname = "words.txt"\nsha256 = "{sha256}"\n'
    run = "[recipe]\nhidden = 16\nbatch = 8\nsteps = 60\nrates = [[0, 0.1], [40, 0.01]]\n"
    text = f'source = "x"\n{corpus}{run}[printed.losses]\n0 = "3.3"\n'
    Path("small.toml").write_text(text, encoding="utf-8")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def test_the_command_prints_both_losses_on_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    assert main(["lockstep", "small.toml"]) == 0
    assert torch.get_num_threads() == threads
    lines = printed(capsys)
    assert lines[0] == "small: 60 words, 60 steps of 8 examples, 16 hidden units, float32"
    assert lines[2].split() == ["step", "npnet", "torch", "gap"]
    assert [int(line.split()[0]) for line in lines[3:-2]] == list(range(0, 60, 3))
    assert lines[-2].startswith("largest gap ")
    assert lines[-1] == "no gap over 1e-05"


def test_a_terminal_sees_the_same_lines(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lockstep", "small.toml"]) == 0
    piped = printed(capsys)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["lockstep", "small.toml"]) == 0
    shown = printed(capsys)
    assert set(piped) <= set(shown)


def test_a_gap_over_the_limit_is_exit_1_with_the_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--words", "words.txt"]
    assert main(["lockstep", "small.json", *words, "--limit", "0", "--steps", "30"]) == 1
    lines = printed(capsys)
    first = lines.index("first gap over 0:")
    step = int(lines[first + 1].split()[0])
    assert lines[first + 3].split()[:2] == ["name", "exact"]
    assert sum(line.split()[0] in npnet.GRADIENTS for line in lines[first + 4 :]) == 26

    assert main(["lockstep", "small.toml", "--limit", "0", "--steps", "30", "--json"]) == 1
    figures = json.loads("\n".join(printed(capsys)))
    assert figures["first_over"]["step"] == step
    assert [row["name"] for row in figures["gradients"]["rows"]] == list(npnet.GRADIENTS)
    assert (figures["steps"], figures["limit"], figures["diverged"]) == (30, 0, [])


def test_files_hold_what_was_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--plot", "both.svg", "--csv", "both.csv"]
    assert main(["lockstep", "small.toml", "--json", *files]) == 0
    figures = json.loads("\n".join(printed(capsys)))
    with open("both.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    largest = figures["largest"]
    assert float(rows[largest["step"]]["gap"]) == pytest.approx(largest["gap"])
    assert max(float(row["gap"]) for row in rows) == pytest.approx(largest["gap"])
    assert len(rows) == figures["steps"] == 60
    assert ElementTree.parse("both.svg").getroot().tag.endswith("svg")


def test_a_run_that_diverges_is_exit_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = replace(SMALL, rates=((0, 0.1), (7, 1e38)))
    Path("wild.json").write_text(wild.to_json(), encoding="utf-8")
    arguments = ["lockstep", "wild.json", "--words", "words.txt", "--plot", "wild.png"]
    assert main(arguments) == 1
    lines = printed(capsys)
    assert "the loss of step 8 is not finite in npnet and torch: stopped there" in lines
    assert Path("wild.png").stat().st_size > 0


def test_what_differs_before_the_first_step_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import oracle.lockstep as module

    torchs = module._torch_side
    monkeypatch.setattr(module, "_torch_side", lambda recipe, w: torchs(replace(recipe, seed=1), w))
    assert main(["lockstep", "small.toml"]) == 1
    lines = printed(capsys)
    assert f"not the same in every bit before the first step: {', '.join(PARAMETER_NAMES)}" in lines
    assert "other rows in the minibatch from step 0 on" in lines


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "lockstep: got 'nowhere', wanted one of lecture, lecture-64"),
        (["words.txt"], "words.txt: no JSON"),
        (["small.json", "--words", "nowhere"], "nowhere"),
        ([], "lockstep: got none, wanted one recipe: lecture, lecture-64"),
        (["small.toml", "--recipe", "part3"], "got small.toml and --recipe part3, wanted one"),
        (["lecture", "--column", "name"], "--column: got 'name', wanted --words with a CSV file"),
        (["part3"], "corpus.sha256: no file with SHA-256 0a30b5557f19… (names.txt) was found"),
        (["constant-gain"], "wanted words: name a file with --words"),
        (["small.toml", "--steps", "0"], "steps: got 0, wanted 1 or more"),
        (["small.toml", "--limit", "inf"], "lockstep: limit inf, wanted a number of 0 or more"),
        (["small.toml", "--plot", "both.gif"], "--plot: both.gif, wanted a name that ends in .png"),
        (["small.toml", "--plot", "no/both.png"], "--plot: no folder no for no/both.png"),
        (["small.toml", "--csv", "no/both.csv"], "--csv: no folder no for no/both.csv"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["lockstep", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.slow
def test_part3_stays_in_step_with_torch_on_the_lectures_corpus(names_txt: list[str]) -> None:
    both = lockstep(npnet.RECIPES["part3"], names_txt, steps=1000, limit=2e-6)
    assert (both.unlike, both.strays, both.crossing) == ((), None, None)
