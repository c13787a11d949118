"""Replaying: comparing digits, files of users, and entries that a file cannot have."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.recipes.publication import find_publication, read_publication, shipped
from npnet.replays.printed_figures import compare
from npnet.replays.publication_words import words_of
from npnet.replays.replay import replay
from npnet.training.fit import examples_of

# Comparing digits


@pytest.mark.parametrize(
    ("published", "ours", "match", "edge", "digits", "shown"),
    [
        ("2.0199", 2.01987, "equal", False, None, "2.01987000"),
        ("2.0199", 2.0198521, "equal", True, None, "2.01985210"),
        ("2.0199", 2.0198494, "±1", True, None, "2.01984940"),
        ("2.0199", 2.0201, "DIFFERS", False, None, "2.02010000"),
        ("2.0199", float("nan"), "DIFFERS", False, None, "nan"),
        ("3", 2.6, "equal", False, None, "2.6000"),
        ("3", 4.4, "±1", False, None, "4.4000"),
        ("9.9999", 10.00004, "±1", False, None, "10.00004000"),
        ("0.0", 0.04, "equal", False, None, "0.04000"),
        ("2.0674145221710205", 2.0674149, "equal", False, 7, "2.0674149000"),
        ("2.0674145221710205", 2.0674158, "±1", False, 7, "2.0674158000"),
        ("2.0674145221710205", 2.0674190, "DIFFERS", False, 7, "2.0674190000"),
        ("12.345678", 12.3456801, "equal", False, 7, "12.345680100"),
        ("123456789", 123456800, "equal", False, 7, "123456800.0000"),
    ],
)
def test_figures_match_in_the_digits_that_were_printed(
    published: str, ours: float, match: str, edge: bool, digits: int | None, shown: str
) -> None:
    figure = compare("loss", 0, published, ours, "float32")
    assert (figure.match, figure.digits, figure.ours) == (match, digits, shown)
    assert figure.edge == edge


def test_float64_holds_more_digits_than_float32() -> None:
    published, ours = "2.0674145221710205", 2.0674145221710299
    assert compare("train", None, published, ours, "float32").match == "equal"
    assert compare("train", None, published, ours, "float64").match == "DIFFERS"
    assert compare("train", None, published, 2.0674145221710205, "float64").digits == 16


# Files of one's own

TOML = """
source = "A notebook of my own."

[corpus]
name = "words.txt"
sha256 = "{sha256}"

[recipe]
hidden = 4
batch = 5
steps = 120
statistics = "running-var"
draws = [
    {{ name = "C" }},
    {{ name = "W1", scale = ["/ sqrt(fan_in)"] }},
    {{ name = "W2", scale = ["* 0.1"], seed = 3 }},
    {{ name = "b2", constant = 0 }},
    {{ name = "bngain", constant = 1.0, trained = false }},
    {{ name = "bnbias", constant = 0.0 }},
]

[printed]
parameters = "{parameters}"
targets = "{targets}"
names = {names}

[printed.losses]
0 = "{first}"
110 = "{later}"

[printed.split_losses]
dev = "{dev}"
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]) -> Write:
    """``write(**figures)`` makes a publication of 60 words with true figures but for those."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_CORPORA", str(tmp_path))
    Path("words.txt").write_text("\n".join(small_words), encoding="utf-8")
    figures = {
        "sha256": hashlib.sha256(Path("words.txt").read_bytes()).hexdigest(),
        "first": "9.9",
        "later": "9.9",
        "dev": "9.9",
        "parameters": "1",
        "targets": "0 0 0 0 0",
        "names": "[]",
    }
    path = Path("mine.toml")
    path.write_text(TOML.format(**figures), encoding="utf-8")
    recipe = read_publication(path).recipe
    run = npnet.fit(recipe, small_words)
    X, Y = examples_of(recipe, small_words, run.vocab)["train"]
    generator = npnet.Generator(recipe.seed)
    npnet.draw_parameters(recipe, run.vocab.size, generator)
    targets = Y[generator.randint(0, len(X), (5,))]
    figures |= {
        "first": f"{run.losses[0]:.4f}",
        "later": str(float(run.losses[110])),
        "dev": f"{run.split_losses['dev']:.3f}",
        "parameters": str(sum(run.params[name].size for name in ("C", "W1", "W2", "b2", "bnbias"))),
        "targets": ", ".join(map(str, targets)),
        "names": json.dumps(run.sample(3)),
    }

    def make(**changes: str) -> Path:
        path.write_text(TOML.format(**{**figures, **changes}), encoding="utf-8")
        return path

    return make


def test_replay_prints_every_figure_and_ours(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write())]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "mine: A notebook of my own."
    assert printed[1].split() == ["step", "published", "ours", "match"]
    labels = [line.split()[0] for line in printed[2:-2]]
    assert labels == ["0", "110", "dev", "parameters", "targets", "name", "name", "name"]
    assert printed[3].endswith("in 7 digits")  # every number is near an edge of the 7th
    assert printed[-2] == "losses: 1 of 2 equal in every digit, 1 in the 7 that float32 holds"
    edges = sum(line.endswith("edge") for line in printed[:-2])
    assert printed[-1] == (
        "7 of 8 equal in every digit, 1 in the 7 that float32 holds, 0 within one unit of the "
        f"last, 0 differ; {edges} on a rounding edge"
    )


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"first": "9.9999"}, 1, "holds, 0 within one unit of the last, 1 differ"),
        ({"parameters": "1"}, 1, "DIFFERS"),
        ({"targets": "0 0 0 0 0"}, 1, "DIFFERS"),
        ({"names": '["zzz"]'}, 1, "DIFFERS"),
        ({"dev": "9"}, 1, "DIFFERS"),
    ],
)
def test_a_figure_that_differs_is_exit_1(
    write: Write, capsys: pytest.CaptureFixture[str], changes: dict[str, str], code: int, says: str
) -> None:
    assert main(["replay", str(write(**changes))]) == code
    assert says in capsys.readouterr().out


def test_one_unit_of_the_last_digit_is_a_match(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write()
    first = read_publication(path).printed.losses[0]
    write(first=f"{float(first) + 1e-4:.4f}")
    assert main(["replay", str(path), "--steps", "1"]) == 0
    assert "±1" in capsys.readouterr().out


def test_the_short_form_stops_at_its_last_line(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write()), "--steps", "110", "--json"]) == 0
    short = json.loads(capsys.readouterr().out)
    assert short["publication"] == "mine"
    assert [row["what"] for row in short["figures"]] == ["loss", "parameters", "targets"]
    assert main(["replay", str(write()), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"][0] == short["figures"][0]


def test_the_short_form_says_what_it_leaves_out(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write())
    for steps, more in ((110, 111), (111, 120)):
        assert main(["replay", path, "--steps", str(steps)]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        count = 3 if steps == 110 else 4
        assert last == f"the first {count} of 8 figures; more from --steps {more} on"
    assert main(["replay", path, "--steps", "120"]) == 0
    assert "more from" not in capsys.readouterr().out


def test_the_list_counts_what_a_replay_shows_and_the_steps_that_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["replay"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line.startswith(" ")) <= 60
    assert any("the first batch alone, no corpus" in line for line in lines)
    assert main(["replay", "--json"]) == 0
    for row in json.loads(capsys.readouterr().out):
        if row["rows"]:
            publication = find_publication(row["name"])
            assert row["figures"] == len(replay(publication, words_of(publication)))
            assert row["steps"] == 1


def test_rows_appear_as_their_steps_are_done(write: Write, small_words: list[str]) -> None:
    events: list[Any] = []
    replay(
        read_publication(write()),
        small_words,
        watch=lambda first, losses: events.append(first + len(losses)),
        seen=lambda figure: events.append(figure.what),
    )
    assert events == ["loss", 64, "loss", 120, "dev", "parameters", "targets", *["name"] * 3]


def test_minibatches_drawn_first_are_those_of_the_whole_run(
    write: Write, small_words: list[str]
) -> None:
    path = write()
    text = path.read_text(encoding="utf-8").replace("[recipe]", "[recipe]\nbatch_first = true")
    path.write_text(text, encoding="utf-8")
    publication = read_publication(path)
    whole, short = replay(publication, small_words), replay(publication, small_words, steps=1)
    assert short[0] == whole[0]


def test_a_terminal_shows_the_same_rows_above_a_bar(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["replay", str(write())]) == 0
    printed = capsys.readouterr().out
    assert printed.count("equal") == 10
    assert "7 of 8 equal" in printed


def test_words_may_be_named(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path("words.txt").rename(elsewhere / "w")
    assert main(["replay", str(path)]) == 2
    assert main(["replay", str(path), "--words", str(elsewhere / "w")]) == 0


def test_folded_words_are_those_of_the_lower_cased_file(
    write: Write, small_words: list[str]
) -> None:
    text = "\n".join(small_words).title().encode()
    Path("titled.txt").write_bytes(text)
    path = write(sha256=hashlib.sha256(text).hexdigest() + '"\nfold = true\n# "')
    assert words_of(read_publication(path)) == small_words


def test_replay_lists_what_can_be_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: figures" in printed for name in shipped())
    assert main(["replay", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(shipped())
    assert {row["name"] for row in rows if not row["rows"]} == {
        "part3",
        "rerun-200",
        "unseeded-101-steps",
        "unseeded-log",
    }


# Errors

ROWS = '[batch]\nchars = "ab"\nrows = "...a ..a. ...b ..b. ...z"\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("source", "sauce", "sauce: unknown key, did you mean source?"),
        ('source = "A notebook of my own."', "", "source: got nothing, wanted words on where"),
        ('"A notebook of my own."', '" "', "source: got ' '"),
        ("[corpus]", "[corpus", "no TOML"),
        (
            "[corpus]",
            "[corpus]\nurl = 3",
            "corpus.url: unknown key, wanted name, sha256, files, fold",
        ),
        ('name = "words.txt"', "", "corpus.name: got nothing, wanted a name"),
        ('sha256 = "', 'sha256 = "x', "corpus.sha256: got 'x"),
        ("[corpus]", "[corpus]\nfold = 1", "corpus.fold: got 1, wanted true or false"),
        ("[recipe]", "[recipes]", "recipes: unknown key"),
        ("hidden = 4", "hiden = 4", "[recipe]: unknown field 'hiden'"),
        ("hidden = 4", "hidden = 0", "[recipe]: hidden: got 0, wanted 1 or more"),
        ("hidden = 4", "hidden = 1979-05-27", "[recipe]: hidden: got datetime.date"),
        ('scale = ["* 0.1"]', 'scale = ["* x"]', "[recipe]: draws: W2 has the scale step '* x'"),
        (
            "seed = 3",
            "sede = 3",
            "[recipe]: draws: W2 has the unknown key 'sede', did you mean seed?",
        ),
        ("[printed]", "[printed]\nloss = 3", "printed.loss: unknown key, did you mean losses?"),
        ('parameters = "', "parameters = 3 #", "printed.parameters: got 3, wanted a number in q"),
        (
            'targets = "',
            'targets = "5, ',
            "printed.targets: got 6, wanted 5 indices as recipe.batch says",
        ),
        ('targets = "', 'targets = "-', "wanted whole numbers"),
        ("names = [", "names = [3.5, ", "printed.names: got [3.5, "),
        ("0 = ", "120 = ", "printed.losses: got '120', wanted a step from 0 to 119"),
        ("0 = ", "00 = ", "printed.losses: got '00', wanted a step"),
        ("0 = ", "zero = ", "printed.losses: got 'zero', wanted a step"),
        ("0 = ", "0 = 3.1 #", "printed.losses.0: got 3.1, wanted a figure in quotes"),
        ("0 = ", '0 = "3,1" #', "printed.losses.0: got '3,1', wanted a figure in quotes"),
        (
            "dev = ",
            "whole = ",
            "printed.split_losses.whole: unknown key, wanted train, dev, val, test",
        ),
        ("[printed.split_losses]", "[printed.split_losses]\ntest = 2.1", "split_losses.test: got"),
        ("[recipe]", f"{ROWS}[recipe]", "batch.rows: got '...z', wanted 3 characters of"),
        ("[recipe]", "[batch]\n[recipe]", "batch.rows: got nothing, wanted rows"),
        ("[recipe]", "batch = 3\n[recipe]", "corpus.batch: unknown key"),
    ],
)
def test_what_a_file_cannot_say_is_refused_by_file_and_key(
    write: Write, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    path = write()
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main(["replay", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("npnet: mine.toml: ")
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_characters_other_than_the_corpus_has_are_refused(write: Write) -> None:
    path = write()
    text = path.read_text(encoding="utf-8").replace("[recipe]", f"{ROWS}[recipe]")
    path.write_text(text.replace("..z", "..a"), encoding="utf-8")
    publication = read_publication(path)
    with pytest.raises(InputError, match=r"mine\.toml: batch\.chars: got '\.ab', wanted '\.abc"):
        replay(publication, words_of(publication))


def test_without_words_only_a_first_batch_can_be_run(write: Write) -> None:
    with pytest.raises(InputError, match=r"mine\.toml: got no words, wanted those of its \[cor"):
        replay(read_publication(write()))
