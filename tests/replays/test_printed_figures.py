"""The entries of a publication for corpus and figures, and their use in a replay."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import InputError
from npnet.cli import main
from npnet.recipes.publication import Publication, find_publication, read_publication
from npnet.replays import drift
from npnet.replays.drift import reversed_run, within_drift
from npnet.replays.printed_figures import DIFFERS, DRIFT, Figure
from npnet.replays.publication_words import words_of
from npnet.replays.replay import advice, replay
from npnet.training.fit import begin

HEAD = """
source = "A notebook."
[corpus]
{corpus}
[recipe]
hidden = 4
batch = 5
steps = 30
{recipe}
[printed]
{printed}
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_words: list[str]) -> Write:
    """``write(printed, recipe, corpus)`` makes a publication of 60 words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NPNET_CORPORA", str(tmp_path))
    monkeypatch.setenv("NPNET_CACHE", str(tmp_path / "none"))
    file("words.txt", "\n".join(small_words))

    def make(printed: str, recipe: str = "", corpus: str | None = None) -> Path:
        named = (
            f'name = "words.txt"\nsha256 = "{sha256("words.txt")}"' if corpus is None else corpus
        )
        path = Path("mine.toml")
        text = HEAD.format(corpus=named, recipe=recipe, printed=printed)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def file(name: str, text: str) -> None:
    Path(name).write_bytes(text.encode())


def sha256(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()


def run_of(path: Path, words: list[str]) -> npnet.Run:
    return npnet.fit(read_publication(path).recipe, words)


# Figures


def test_two_losses_of_a_step_a_sum_and_val(write: Write, small_words: list[str]) -> None:
    run = run_of(write('losses = { 0 = "1" }'), small_words)
    path = write(
        f'cross_entropy = "{float(run.losses[0])}"\n'
        f'losses = {{ 0 = "{run.losses[0]:.4f}", 9 = "{run.losses[9]:.4f}" }}\n'
        f'sums = {{ 9 = "{5 * run.losses[9]:.3f}", 29 = "{5 * run.losses[29]:.3f}" }}\n'
        f'split_losses = {{ val = "{run.split_losses["dev"]:.4f}" }}'
    )
    figures = replay(read_publication(path), small_words)
    assert [(figure.what, figure.step) for figure in figures] == [
        ("loss", 0),
        ("cross_entropy", 0),
        ("loss", 9),
        ("sum", 9),
        ("sum", 29),
        ("val", None),
    ]
    assert {figure.match for figure in figures} == {"equal"}
    assert figures[1].digits == 7
    short = replay(read_publication(path), small_words, steps=9)
    assert [figure.what for figure in short] == ["loss", "cross_entropy"]


@pytest.mark.parametrize("variance", ["unbiased", "biased"])
def test_rows_of_the_softmax_are_compared(
    write: Write, small_words: list[str], variance: str
) -> None:
    recipe = f'variance = "{variance}"'
    _, examples, params, generator = begin(
        read_publication(write('losses = { 0 = "1" }', recipe)).recipe, small_words
    )
    X, Y = examples["train"]
    rows = generator.randint(0, len(X), (5,))
    emb = params.C[X[rows]].reshape(5, -1) @ params.W1 + params.b1
    raw = (emb - emb.mean(0)) / np.sqrt(emb.var(0, ddof=int(variance == "unbiased")) + 1e-5)
    logits = np.tanh(params.bngain * raw + params.bnbias) @ params.W2 + params.b2
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    told = [" ".join(f"{p:.4f}" for p in row) for row in probs]
    path = write(f'probs_row = "{told[0]}"', recipe)
    figures = replay(read_publication(path), small_words)
    assert [(figure.what, figure.step, figure.match) for figure in figures] == [
        ("probs", 0, "equal")
    ]
    path = write(f'probs_row = {{ 3 = "{told[3]}", 1 = {json.dumps(told[0].split())} }}', recipe)
    figures = replay(read_publication(path), small_words)
    assert [(figure.step, figure.match) for figure in figures] == [(3, "equal"), (1, "DIFFERS")]
    path = write('probs_row = "0.5 0.5"', recipe)
    with pytest.raises(InputError, match=r"printed\.probs_row: got 2 figures, wanted \d+, one for"):
        replay(read_publication(path), small_words)
    loss = -np.log(probs[np.arange(5), Y[rows]]).mean()
    path = write(f'losses = {{ 0 = "{loss:.4f}" }}', recipe)
    assert replay(read_publication(path), small_words)[0].match == "equal"


def test_drawn_and_unused_numbers_count_among_the_trained(
    write: Write, small_words: list[str]
) -> None:
    draws = [
        *(f'{{ name = "{draw.name}" }}' for draw in npnet.RECIPES["lecture"].draws[:2]),
        '{ name = "b3", shape = [3, 7] }',
        '{ name = "unused", shape = [2], trained = false }',
        *(f'{{ name = "{draw.name}" }}' for draw in npnet.RECIPES["lecture"].draws[2:]),
    ]
    path = write('parameters = "1"', f"draws = [{', '.join(draws)}]")
    recipe = read_publication(path).recipe
    params = npnet.draw_parameters(recipe, 9, npnet.Generator(1))
    generator = npnet.Generator(1)
    for shape in ((9, 10), (30, 4), (3, 7), (2,)):
        generator.randn(*shape)
    np.testing.assert_array_equal(params.b1, generator.randn(4))
    figure = replay(read_publication(path), small_words)[0]
    V = npnet.Vocabulary.from_words(small_words).size
    assert int(figure.ours) == V * 10 + 30 * 4 + 4 + 4 * V + V + 8 + 21


@pytest.mark.parametrize(
    ("printed", "recipe", "says"),
    [
        ('split_losses = { val = "1", dev = "1" }', "", "split_losses: got 'dev and val', wanted"),
        ('cross_entropy = "x"', "", "printed.cross_entropy: got 'x', wanted figures in quotes"),
        ('sums = { 30 = "1" }', "", "printed.sums: got '30', wanted a step from 0 to 29"),
        ('probs_row = { 5 = "1" }', "", "printed.probs_row: got '5', wanted a row from 0 to 4"),
        ('probs_row = "0.5 x"', "", "printed.probs_row: got 'x', wanted the figures of a row"),
        ('losses = { 0 = "1" }', "lr = 3", "unknown field 'lr', did you mean rates?"),
        ('losses = { 0 = "1" }', "draw = []", "unknown field 'draw', did you mean draws?"),
        ('losses = { 0 = "1" }', "n_hidden = 3", "did you mean hidden?"),
        ('losses = { 0 = "1" }', "batch_size = 3", "did you mean batch"),
        (
            'losses = { 0 = "1" }',
            "momentum = 0.1",
            "recipe.momentum: got 0.1, wanted none, or stat",
        ),
        (
            'losses = { 0 = "1" }',
            'draws = [{ name = "C" }]',
            "draws: W1 and W2 and b2 and bngain a",
        ),
        ('losses = { 0 = "1" }', 'draws = [{ name = "w1" }]', "'w1' is no parameter, did you mean"),
        (
            'losses = { 0 = "1" }',
            'sampler = "cuda"',
            "sampler: got 'cuda', wanted one of torch, mkl",
        ),
    ],
)
def test_messages_name_the_key_and_the_way_out(
    write: Write, capsys: pytest.CaptureFixture[str], printed: str, recipe: str, says: str
) -> None:
    assert main(["replay", str(write(printed, recipe))]) == 2
    error = capsys.readouterr().err
    assert error.startswith("npnet: mine.toml: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_bound_above_the_examples_names_file_and_key(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write('losses = { 0 = "1" }', "batch_over = 100_000"))]) == 2
    said = capsys.readouterr().err
    assert said.startswith("npnet: mine.toml: [recipe]: batch_over: got 100000, wanted at most ")


def test_a_lost_seed_is_sent_to_recover(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    names = [draw.name for draw in npnet.RECIPES["lecture"].draws]
    seeds = {"bngain": ', seed = "lost"'}
    draws = [f'{{ name = "{name}"{seeds.get(name, "")} }}' for name in names]
    path = write('losses = { 0 = "1" }', f"draws = [{', '.join(draws)}]")
    assert main(["replay", str(path)]) == 2
    assert "the seed of bngain is lost: npnet recover mine.toml" in capsys.readouterr().err
    with pytest.raises(InputError, match="the seed of bngain is lost"):
        npnet.fit(read_publication(path).recipe, npnet.default_words()[:100])


# Verdicts


def test_what_differs_from_the_first_step_on_gets_advice(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(write('losses = { 0 = "9.1", 9 = "9.2" }'))]) == 1
    assert "every loss differs, from step 0 on" in capsys.readouterr().out
    assert main(["replay", str(write('losses = { 9 = "9.1" }'))]) == 1
    assert "every loss" not in capsys.readouterr().out


def test_advice_is_for_other_draws_alone() -> None:
    first, later = Figure("loss", 0, "3", "4", DIFFERS), Figure("loss", 9, "3", "3", "equal")
    assert advice([first]) is not None
    assert advice([first, later]) is None
    assert advice([Figure("loss", 9, "3", "4", DIFFERS)]) is None
    assert advice([Figure("name", None, "a", "b", DIFFERS)]) is None


@pytest.fixture(scope="module")
def drifting(small_words: list[str]) -> npnet.Run:
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=32, steps=400)
    return npnet.fit(recipe, small_words)


def test_the_reversed_run_is_the_same_but_for_rounding(drifting: npnet.Run) -> None:
    other = reversed_run(drifting)
    apart = np.abs(drifting.losses - other.losses)
    assert 0 < apart.max() < 1e-4
    assert not np.array_equal(drifting.losses, other.losses)
    np.testing.assert_array_equal(drifting.params.W1.shape, other.params.W1[..., ::-1].shape)


def judged(run: npnet.Run, step: int, away: float) -> Figure:
    """The verdict on the figure of a loss that is this much away from ours."""
    publication = dataclasses.replace(find_publication("part3"), recipe=run.recipe)
    ours = float(run.losses[step])
    figure = Figure("loss", step, f"{ours + away:.9f}", f"{ours:.9f}", DIFFERS)
    return within_drift(publication, run, [figure])[0]


def test_within_drift_is_what_another_order_of_summation_gives(drifting: npnet.Run) -> None:
    bound = float(np.abs(drifting.losses - reversed_run(drifting).losses)[:301].max())
    assert judged(drifting, 300, 0.9 * bound).match == DRIFT
    assert judged(drifting, 300, 0.9 * bound).reproduced
    assert judged(drifting, 300, 1.2 * bound).match == DIFFERS
    assert judged(drifting, 0, 1e-7).match == DIFFERS  # nothing has drifted yet
    assert judged(drifting, 300, 0.1).match == DIFFERS


def test_a_figure_too_far_away_costs_no_second_run(
    drifting: npnet.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[npnet.Run] = []
    other = reversed_run(drifting)

    def again(run: npnet.Run) -> npnet.Run:
        runs.append(run)
        return other

    monkeypatch.setattr(drift, "reversed_run", again)
    ours = float(drifting.losses[300])
    assert judged(drifting, 300, 1.1e-3 * ours).match == DIFFERS
    assert runs == []
    judged(drifting, 300, 0.9e-3 * ours)
    assert runs == [drifting]


# Corpora


def listed(publication: Publication) -> list[str]:
    words = words_of(publication)
    assert words is not None
    return words


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("words", ["b", "a"]),
        ("splitlines", ["b ", "", "a"]),
        ("split", ["b ", "", "a", ""]),
    ],
)
def test_an_empty_line_may_be_a_word(write: Write, lines: str, words: list[str]) -> None:
    more = [f"w{letter}" for letter in "abcdefghij"]
    file("w", "\n".join([*more, "b ", "", "a", ""]))
    path = write(
        'losses = { 0 = "1" }', corpus=f'name = "w"\nsha256 = "{sha256("w")}"\nlines = "{lines}"'
    )
    assert listed(read_publication(path)) == more + words


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", ["Zoe", "Ann", "zoe", "Ann"]),
        ("fold = true", ["zoe", "ann", "zoe", "ann"]),
        ("unique = true", ["Zoe", "Ann", "zoe"]),
        ("fold = true\nunique = true", ["zoe", "ann"]),
        ("fold = true\nunique = true\nsort = true", ["ann", "zoe"]),
    ],
)
def test_a_corpus_may_be_several_files(write: Write, flags: str, expected: list[str]) -> None:
    more = [f"m{letter}" for letter in "abcdefghij"]
    file("one", "\n".join(["Zoe", "Ann", *more]))
    file("two", "\n".join(["zoe", "Ann", *more]))
    files = ", ".join(
        f'{{ name = "{name}", sha256 = "{sha256(name)}" }}' for name in ("one", "two")
    )
    path = write('losses = { 0 = "1" }', corpus=f"files = [{files}]\n{flags}")
    words = listed(read_publication(path))
    assert [word for word in words if word not in more] == expected
    assert len(words) == len(expected) + len(more) * (1 if "unique" in flags else 2)
    Path("two").unlink()
    with pytest.raises(InputError, match=r"no file with SHA-256 .*\(two\) was found"):
        words_of(read_publication(path))
    with pytest.raises(InputError, match=r"corpus\.files: 2 files, wanted no --words"):
        words_of(read_publication(path), "one")


@pytest.mark.parametrize(
    ("corpus", "says"),
    [
        ('lines = "all"', "corpus.lines: got 'all', wanted one of words, splitlines, split"),
        ("unique = 1", "corpus.unique: got 1, wanted true or false"),
        ("files = []", "corpus.files: got [], wanted a list of files such as"),
        ('files = ["a"]', "corpus.files: got ['a'], wanted a list"),
        ('files = [{ name = "a" }]', "corpus.files[0].sha256: got nothing, wanted the 64 digits"),
        ('name = "a"\nfiles = [{ name = "a" }]', "in place of them"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused(write: Write, corpus: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_publication(write('losses = { 0 = "1" }', corpus=corpus))
    assert says in str(caught.value)


@pytest.mark.parametrize("lists", ["['a', 'b']", '"a b"', '"a, b,"'])
def test_lists_have_one_notation_everywhere(write: Write, lists: str) -> None:
    publication = read_publication(write(f"names = {lists}\ntargets = [1, 2, 3, 4, 5]"))
    assert publication.printed.names == ("a", "b")
    assert publication.printed.targets == (1, 2, 3, 4, 5)


def test_names_without_batch_normalisation(small_words: list[str]) -> None:
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=8, steps=20, sampling="plain")
    run: Any = npnet.fit(recipe, small_words)
    g = npnet.Generator(recipe.sample_seed)
    p, context, name = run.params, [0, 0, 0], []
    while True:
        h = np.tanh(p.C[context].reshape(1, -1) @ p.W1 + p.b1)
        logits = h @ p.W2 + p.b2
        probs = np.exp(logits - logits.max())
        index = g.multinomial((probs / probs.sum())[0])
        if index == 0:
            break
        context = [*context[1:], index]
        name.append(index)
    assert run.sample(1) == [run.vocab.decode(name)]
