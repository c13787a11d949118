"""A cell's last expression, as IPython's own printer shows it."""

from collections import Counter, defaultdict, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.notebooks.display import shown

pretty: Any = pytest.importorskip("IPython.lib.pretty", reason="needs IPython: pip install ipython")


class Lines:
    """Like a tensor: its text has several lines."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def __repr__(self) -> str:
        return "\n".join(self.lines)


def named(first: int, second: float = 0.5) -> None:
    """A function to be shown."""


TENSORS = st.lists(st.text("tensor([1., ]", min_size=1, max_size=60), min_size=1, max_size=3)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=30)
    | st.sampled_from([named, Lines, int, len, "x" * 70, range(3), {}, [], (), 1.5])
    | TENSORS.map(Lines)
)
NAMES = st.text(max_size=12)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.tuples(inner, inner)
        | st.tuples(inner)
        | st.dictionaries(NAMES | st.tuples(st.integers()), inner, max_size=6)
        | st.dictionaries(NAMES, st.integers(), max_size=6).map(Counter)
        | st.lists(inner, max_size=4).map(deque)
        | st.dictionaries(NAMES, inner, max_size=4).map(lambda some: defaultdict(list, some))
    ),
    max_leaves=40,
)


@given(VALUES)
def test_lists_tuples_and_dicts_break_where_ipythons_do(value: object) -> None:
    assert shown(value) == pretty.pretty(value)


@given(st.frozensets(st.integers() | st.text(max_size=3), max_size=60), st.booleans())
def test_sets_are_sorted_as_ipythons_are(numbers: frozenset[int], frozen: bool) -> None:
    value = numbers if frozen else set(numbers)
    assert shown(value) == pretty.pretty(value)


@pytest.mark.parametrize("count", [999, 1000, 1001, 1500])
@pytest.mark.parametrize("kind", [list, tuple, set, lambda numbers: dict.fromkeys(numbers, 0)])
def test_long_ones_end_in_dots_as_ipythons_do(kind: Any, count: int) -> None:
    value = kind(range(count))
    assert shown(value) == pretty.pretty(value)


def test_a_list_that_holds_itself_is_said() -> None:
    value: list[Any] = [1]
    value.append(value)
    assert shown(value).startswith("[1, <Recursion on list")
