"""Runs: fitting, saving, loading, and the commands around them."""

import csv
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.base.files import replacing
from npnet.cli import main

RATES = ((0, 0.1), (150, 0.02))
RECIPE = dataclasses.replace(npnet.RECIPES["lecture"], hidden=16, steps=200, rates=RATES)


@pytest.fixture(scope="module")
def run(small_words: list[str]) -> npnet.Run:
    return npnet.fit(RECIPE, small_words)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_file(folder: Path, words: list[str]) -> Path:
    path = folder / "words.txt"
    path.write_text("\n".join(words), encoding="utf-8")
    return path


def same(ours: npnet.Run, theirs: npnet.Run) -> bool:
    return (
        ours.recipe == theirs.recipe
        and ours.words == theirs.words
        and ours.vocab == theirs.vocab
        and ours.split_losses == theirs.split_losses
        and np.array_equal(ours.losses, theirs.losses)
        and all(np.array_equal(ours.params[name], theirs.params[name]) for name in ours.params)
        and np.array_equal(ours.stats.mean, theirs.stats.mean)
        and np.array_equal(ours.stats.var, theirs.stats.var)
    )


def test_fit_learns(run: npnet.Run) -> None:
    assert run.losses.shape == (200,)
    assert run.losses[-50:].mean() < run.losses[:50].mean() - 0.2
    assert set(run.split_losses) == {"train", "dev", "test"}


def test_fit_is_the_same_every_time(run: npnet.Run, small_words: list[str]) -> None:
    assert same(npnet.fit(RECIPE, small_words), run)


@pytest.mark.parametrize("statistics", ["whole-set", "running-var", "running-std", "last-batch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_comes_back_from_its_folder_bit_for_bit(
    tmp_path: Path, small_words: list[str], statistics: str, dtype: str
) -> None:
    recipe = dataclasses.replace(RECIPE, statistics=statistics, dtype=dtype, steps=70)
    run = npnet.fit(recipe, [f"é{word}" for word in small_words])
    folder = run.save(tmp_path / "run", plot=False)
    assert same(npnet.load_run(folder), run)
    assert npnet.load_run(folder).sample() == run.sample()


def test_a_run_folder_holds_what_the_readme_lists(run: npnet.Run, tmp_path: Path) -> None:
    folder = run.save(tmp_path / "run")
    listed = {"recipe.json", "words.txt", "model.npz", "history.csv", "losses.json", "samples.txt"}
    assert {path.name for path in folder.iterdir()} == {*listed, "times.csv", "loss.png"}
    recipe = json.loads((folder / "recipe.json").read_text())
    assert set(recipe["made_with"]) == {"npnet", "numpy", "blas"}
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [np.float32(row["loss"]) for row in rows] == run.losses.tolist()
    assert [row["step"] for row in rows] == [str(step) for step in range(200)]
    assert [float(row["lr"]) for row in rows] == [0.1] * 150 + [0.02] * 50
    assert (folder / "samples.txt").read_text().splitlines() == run.sample()


def test_saving_never_overwrites(run: npnet.Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        run.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failed_write_keeps_only_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "model.npz"
    target.write_text("old")

    def write() -> None:
        with replacing(target) as path:
            path.write_text("half")
            raise RuntimeError("the writer dies")

    with pytest.raises(RuntimeError):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]
    assert target.read_text() == "old"
    with pytest.raises(InputError, match="cannot be written"), replacing(tmp_path / "no" / "x"):
        pass


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.json", "{"),
        ("recipe.json", "[]"),
        ("recipe.json", '{"hidden": 0}'),
        ("model.npz", "no zip"),
        ("model.npz", None),
        ("history.csv", "a,b\n1,2\n"),
        ("history.csv", "step,loss,lr\n0,x,1\n"),
        ("losses.json", "[1]"),
        ("words.txt", None),
    ],
)
def test_a_damaged_run_is_refused_by_file(
    run: npnet.Run, tmp_path: Path, name: str, content: str | None
) -> None:
    folder = run.save(tmp_path / "run", plot=False)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=name):
        npnet.load_run(folder)


def test_train_writes_a_numbered_run_and_prints_the_lectures_lines(
    here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--words", str(words_file(here, small_words)), "--hidden", "8"]
    assert main([*arguments, "--steps", "120"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("      0/    120: ")
    assert sum("/    120: " in line for line in printed) == 1
    assert printed[-1].startswith("runs/lecture-001: ")
    assert main([*arguments, "--steps", "5", "--quiet"]) == 0
    assert capsys.readouterr().out == "runs/lecture-002\n"
    assert (here / "runs/lecture-001/loss.png").read_bytes().startswith(b"\x89PNG")
    assert len((here / "runs/lecture-001/samples.txt").read_text().splitlines()) == 20


@pytest.mark.slow
def test_the_lines_in_a_pipe_come_every_ten_thousand_steps(
    here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = str(words_file(here, small_words))
    main(["train", "--words", words, "--hidden", "2", "--batch", "2", "--steps", "20001"])
    printed = [line for line in capsys.readouterr().out.splitlines() if "/  20001: " in line]
    assert [line[:7] for line in printed] == ["      0", "  10000", "  20000"]
    run = npnet.load_run("runs/lecture-001")
    assert printed[1] == f"  10000/  20001: {run.losses[10000]:.4f}"


def test_set_and_recipe_files_reach_every_field(here: Path, small_words: list[str]) -> None:
    words = str(words_file(here, small_words))
    settings = ["--set", "dtype=float64", "--set", "rates=[[0, 0.2], [3, 0.1]]", "--set", "eps=0"]
    assert main(["train", "--words", words, "--steps", "6", "--quiet", *settings]) == 0
    made = npnet.load_run("runs/lecture-001").recipe
    assert (made.dtype, made.rates, made.eps) == ("float64", ((0, 0.2), (3, 0.1)), 0.0)
    again = ["train", "--words", words, "--recipe", "runs/lecture-001/recipe.json", "--out", "two"]
    assert main([*again, "--quiet"]) == 0
    assert same(npnet.load_run("two"), npnet.load_run("runs/lecture-001"))


def test_json_reports_the_figures(
    here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = str(words_file(here, small_words))
    assert main(["train", "--words", words, "--steps", "20", "--hidden", "4", "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert main(["eval", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert evaluated["losses"] == pytest.approx(trained["split_losses"])
    assert main(["sample", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == trained["samples"]


def test_eval_takes_other_words(
    here: Path, run: npnet.Run, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run.save(here / "runs" / "x-001", plot=False)
    words = words_file(here, [word.upper() for word in small_words])
    assert main(["eval", "--words", str(words), "--fold", "--json"]) == 0
    loss = json.loads(capsys.readouterr().out)["losses"]["words"]
    X, Y = npnet.build_dataset(small_words, run.vocab, 3)
    assert loss == npnet.evaluate(run.params, run.stats, X, Y)
    assert main(["eval", "--words", str(words)]) == 2
    assert "fold the words" in capsys.readouterr().err


def test_sample_takes_its_options(
    here: Path, run: npnet.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.save(here / "runs" / "x-001", plot=False)
    assert main(["sample", "--count", "5", "--start", "ma", "--seed", "1"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert len(names) == 5
    assert all(name.startswith("ma") for name in names)


def test_plot_draws_runs_and_csv_files_together(
    here: Path, run: npnet.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.save(here / "runs" / "x-001", plot=False)
    (here / "torch.csv").write_text("step,loss\n0,3.3\n100,2.5\n")
    assert main(["plot", "runs/x-001", "torch.csv", "--out", "both.svg", "--log"]) == 0
    assert "<svg" in (here / "both.svg").read_text()
    assert main(["plot"]) == 0
    assert (here / "loss.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--recipe", "lectur"], "wanted one of lecture"),
        (["train", "--set", "eps"], "KEY=VALUE"),
        (["train", "--set", "width=3"], "unknown field 'width'"),
        (["train", "--batch", "1"], "Bessel"),
        (["train", "--words", "nowhere.txt"], "nowhere.txt"),
        (["train", "--out", "."], "exists already"),
        (["sample"], "npnet train"),
        (["sample", "nowhere"], "recipe.json"),
        (["eval", "nowhere"], "recipe.json"),
        (["plot", "nowhere.csv"], "nowhere.csv"),
        (["plot"], "npnet train"),
        (["data", "--show", "a.b"], "end"),
        (["data", "--download", "mine.txt"], "no known corpus"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.startswith("npnet: ")
    assert printed.err.count("\n") == 1
    assert not list(here.iterdir())


@pytest.mark.parametrize("command", ["train", "sample", "eval", "plot", "data"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: npnet" in capsys.readouterr().out


def test_a_diverging_run_names_its_step_and_keeps_its_history(
    here: Path, small_words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = str(words_file(here, small_words))
    rates = "rates=[[0, 0.1], [30, 1e30]]"
    assert main(["train", "--words", words, "--steps", "99", "--quiet", "--set", rates]) == 1
    step = int(capsys.readouterr().err.split("the loss of step ")[1].split()[0])
    rows = (here / "runs/lecture-001/history.csv").read_text().splitlines()
    assert len(rows) == step + 2  # the titles, and the loss that is not finite
    assert (here / "runs/lecture-001/recipe.json").is_file()
    assert not (here / "runs/lecture-001/model.npz").exists()


def test_dropped_blank_lines_are_counted(
    here: Path,
    small_words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = words_file(here, ["", " ann ", *small_words, "", ""])
    assert main(["data", "--show", "ann", "--words", str(words)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == ["... ---> a", "..a ---> n"]
    dropped = "dropped 2 blank lines, trimmed blanks around 1 word"
    assert printed.err == f"{words}: {dropped}\n"
    content = words.read_text(encoding="utf-8").replace("\n\n", "\n").replace(" ", "")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert main(["data", "--show", "ann", "--words", "-"]) == 0
    assert capsys.readouterr().err == "standard input: dropped 1 blank line\n"


def test_zero_names_print_no_line(
    here: Path, run: npnet.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.save("runs/none")
    assert main(["sample", "--count", "0"]) == 0
    assert capsys.readouterr().out == ""


def test_contexts_can_be_had_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--show", "Al", "--fold", "--block-size", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [".. ---> a", ".a ---> l", "al ---> ."]


@pytest.mark.parametrize(
    ("corpus", "words"), [("default_words", []), ("known_words", ["--words", "names.txt"])]
)
def test_fold_lower_cases_the_words_of_any_corpus(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus: str,
    words: list[str],
) -> None:
    monkeypatch.setattr(f"npnet.cli.word_options.{corpus}", lambda *name: ["ANNA", "Bob"])
    assert main(["data", "--show", "ba", *words]) == 2
    assert main(["data", "--show", "ba", *words, "--fold"]) == 0
    assert capsys.readouterr().out == "... ---> b\n..b ---> a\n.ba ---> .\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--words w.txt --fold", "got --words, --fold for the list of corpora, wanted --in, --j"),
        ("--block-size 3", "got --block-size for the list"),
        ("--column name", "got --column for the list"),
        ("--show anna --in .", "got --in for --show, wanted --block-size"),
        ("--download names.txt --fold", "got --fold for --download, wanted --json with it"),
    ],
)
def test_data_ignores_no_option(
    arguments: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments.split()]) == 2
    assert says in capsys.readouterr().err


def test_data_lists_the_corpora(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    printed = capsys.readouterr().out
    assert "names.csv" in printed
    assert "names.txt" in printed
    assert main(["data", "--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert rows[0]["found"].endswith("names.csv")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m npnet data --show anna | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == "... ---> a\n"
    assert done.stderr == ""


def test_a_known_corpus_is_named_without_its_path(
    here: Path, names_txt: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "--show", "emma", "--words", "names.txt"]) == 0
    assert capsys.readouterr().out.startswith("... ---> e\n")


def test_a_known_corpus_that_is_not_at_hand_says_how_to_get_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    monkeypatch.setenv("NPNET_CACHE", str(here / "cache"))
    assert main(["train", "--words", "names.txt"]) == 2
    assert "download" in capsys.readouterr().err


def test_words_come_from_standard_input(small_words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npnet", "data", "--show", "ma", "--words", "-"],
        input="\r\n".join([*small_words, "ma"]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "... ---> m\n..m ---> a\n.ma ---> .\n"
