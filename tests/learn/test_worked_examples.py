"""The examples in numbers at the end of hints show what the network computes."""

import re
from itertools import zip_longest
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from npnet.base.arrays import Array
from npnet.cli import main
from npnet.learn.exercises import EXERCISES
from npnet.learn.hints import hint
from npnet.learn.worked_examples import WorkedExample, in_numbers, worked_example
from npnet.network.forward import LINES, Values
from npnet.network.names import NAMES, shape_of

STEP = 1e-20


def tables(text: str) -> list[tuple[str, Array]]:
    """The tables of an example, read back from its text: names with their numbers."""
    found = []
    for part in text.split("\n\n"):
        heading, *rows = part.splitlines()
        heads = [*re.finditer(r"(\w+) (?:\(([\d, ]+)\)|= (\S+))", heading)]
        ends = [head.start() for head in heads[1:]]
        for head, end in zip_longest(heads, ends):
            if head[3]:
                found.append((head[1], np.array(float(head[3]))))
                continue
            shape = [int(size) for size in head[2].split(",") if size.strip()]
            cut = " ".join(row[head.start() : end] for row in rows)
            found.append((head[1], np.array(cut.split(), float).reshape(shape)))
    return found


def by_complex_step(example: WorkedExample, name: str) -> Array:
    """The gradient of ⟨upstream, what the lines make⟩, through all paths, without a formula."""
    start: dict[str, Any] = {**example.given, **example.made}
    gradient = np.empty(np.shape(start[name]))
    for place in np.ndindex(gradient.shape):
        moved = np.array(start[name], complex)
        moved[place] += STEP * 1j
        v: Any = SimpleNamespace(**{**start, name: moved})
        total = 0.0
        for line in example.lines:
            value = LINES[line](cast(Values, v))
            # Lines that stand alone read what is shown; a whole pass reads what it has just made.
            if len(example.lines) > 2:
                setattr(v, line, value)
            upstream = 1.0 if line == "loss" else example.upstream.get(line, 0.0)
            total += (value * upstream).sum().imag
        gradient[place] = total / STEP
    return gradient


@pytest.mark.parametrize("name", EXERCISES)
def test_the_gradient_shown_is_that_of_the_lines_shown(name: str) -> None:
    example = worked_example(EXERCISES[name])
    assert [*example.results] == [*EXERCISES[name].gradients]
    for value, gradient in example.results.items():
        wanted = by_complex_step(example, value)
        assert gradient.shape == wanted.shape
        np.testing.assert_allclose(gradient, wanted, rtol=1e-11, atol=1e-15, err_msg=value)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_text_shows_every_number_to_three_digits(name: str) -> None:
    example = worked_example(EXERCISES[name])
    shown = tables(in_numbers(EXERCISES[name]))
    wanted: dict[str, Array] = {**example.given}
    if EXERCISES[name].part == 1:
        wanted |= example.made
    wanted |= {f"d{line}": array for line, array in example.upstream.items()}
    wanted |= {"dloss": np.array(1.0)} if "loss" in example.made else {}
    wanted |= {f"d{value}": array for value, array in example.results.items()}
    assert [title for title, _ in shown] == [*wanted]
    for title, array in shown:
        digits = 0 if title in example.given else 5.001e-3
        np.testing.assert_allclose(array, wanted[title], digits, 1e-12, err_msg=title)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_rule_and_the_formula_end_with_the_example(name: str) -> None:
    example = in_numbers(EXERCISES[name])
    question, rule, formula = (hint(EXERCISES[name], level) for level in (1, 2, 3))
    assert "An example" not in question
    assert rule.endswith(f"\n\n{example}")
    assert formula.endswith(f"\n\n{example}")
    assert not re.search(r"[@*]| \+ |\.sum", example), "numbers, and no formula"


@pytest.mark.parametrize("name", EXERCISES)
def test_an_example_fits_sixty_columns(name: str) -> None:
    assert max(map(len, in_numbers(EXERCISES[name], 200).splitlines())) <= 60


SIZES = {"n": 2, "T": 3, "E": 1, "H": 3, "V": 3}


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].part < 3])
def test_an_example_has_two_rows_and_three_columns(name: str) -> None:
    example = worked_example(EXERCISES[name])
    arrays = {**example.given, **example.made, **example.results}
    shapes = {one: array.shape for one, array in arrays.items() if one in NAMES}
    assert shapes == {one: shape_of(one, SIZES) for one in shapes}


def test_no_example_gives_a_gradient_of_zeros() -> None:
    for name, exercise in EXERCISES.items():
        for value, gradient in worked_example(exercise).results.items():
            # A bias that batch normalisation removes has no gradient, whatever the batch is.
            removed = name == "backward" and value == "b1"
            assert (np.abs(gradient).max() > 1e-3) is not removed, (name, value)


def test_the_command_prints_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exercise", "hint", "dcounts", "--level", "2"]) == 0
    assert capsys.readouterr().out.endswith(f"{in_numbers(EXERCISES['dcounts'])}\n")
