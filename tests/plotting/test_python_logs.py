"""Losses in the memory of a Python program."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from npnet.base.errors import InputError
from npnet.plotting.curves import Reading
from npnet.plotting.loss_logs import read_logs
from npnet.plotting.plots import losses


class Frame:
    """A frame with the interface that pandas and polars share."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return np.array(self._columns[name])


class Indexed(Frame):
    """A pandas frame with an index of its own."""

    index = np.array([5, 10])


class Tensor:
    """A tensor of any library."""

    def __init__(self, value: float) -> None:
        self.value = value

    def detach(self) -> "Tensor":
        return self

    def numpy(self) -> Any:
        return np.array(self.value)

    def __float__(self) -> float:
        return self.value


@pytest.mark.parametrize(
    "source",
    [
        [3.0, 2.0],
        (3, 2),
        np.array([3, 2], np.float32),
        np.array([[3.0], [2.0]]),
        np.array([[0, 3.0], [1, 2.0]]),
        [Tensor(3.0), Tensor(2.0)],
        {"loss": [3.0, 2.0]},
        {"step": [0, 1], "loss": np.array([3.0, 2.0])},
        Frame(step=[0, 1], loss=[3.0, 2.0], name=["a", "b"]),
        Frame(loss=[3.0, 2.0]),
    ],
    ids=lambda source: type(source).__name__,
)
def test_every_form_gives_the_same_curve(source: Any) -> None:
    [curve] = read_logs(source)
    assert (curve.steps.tolist(), curve.losses.tolist()) == ([0, 1], [3, 2])


def test_the_index_of_a_frame_counts_where_no_column_does() -> None:
    [curve] = read_logs(Indexed(loss=[3.0, 2.0]))
    assert curve.steps.tolist() == [5, 10]


def test_a_frame_has_nan_where_a_row_has_no_loss() -> None:
    frame = Frame(step=[0, 5, 10, 15], loss=[3, np.nan, 2, np.nan], val_loss=[np.nan, 4, np.nan, 3])
    train, validation = read_logs(frame)
    assert (train.steps.tolist(), validation.steps.tolist()) == ([0, 10], [5, 15])
    assert train.diverged is None
    [alone] = read_logs(Frame(step=[0, 1, 2], loss=[3, 2, np.nan]))
    assert alone.diverged == 2


def test_a_mapping_names_its_runs_or_its_columns() -> None:
    runs = read_logs({"rate 0.1": [3.0, 2.0], "rate 1": {"loss": [2.0], "val_loss": [4.0]}})
    assert [(c.name, c.split) for c in runs] == [
        ("rate 0.1", "train"),
        ("rate 1", "train"),
        ("rate 1", "validation"),
    ]
    columns = read_logs({"train": [3.0, 2.0], "val": [4.0, 3.0]})
    assert [(c.name, c.split) for c in columns] == [("losses", "train"), ("losses", "validation")]


def test_what_keras_returns_is_its_history() -> None:
    class History:
        def __init__(self) -> None:
            self.history = {"loss": [3.0, 2.0], "accuracy": [0.1, 0.2]}

    assert read_logs(History())[0].losses.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (3, "source 3, wanted a run's result or folder, a log"),
        (np.array(["a"]), "losses is ndarray|<U1"),
        (np.ones((2, 2, 2)), "wanted losses of one axis"),
        (np.ones((3, 2)) / 2, "wanted pairs of a whole step and a loss"),
        ({}, "an empty mapping"),
        (Frame(a=[1.0], b=[2.0]), "got a, b, wanted a column of losses"),
        ([], "no sources"),
    ],
)
def test_what_is_no_source_is_refused(source: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        losses(source)


def test_many_sources_of_all_kinds_are_one_picture() -> None:
    def several() -> Iterator[Any]:
        yield [3.0, 2.0]
        yield {"named": [2.0, 1.0]}
        yield np.array([2, 2], np.float64)

    legend = losses(several()).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["losses", "named", "losses (2)"]


def test_reading_reaches_every_log() -> None:
    axes = losses({"a": [1.0, 2.0], "b": [0.0, 1.0]}, reading=Reading(losses_are="log10"))
    assert [np.asarray(line.get_ydata())[-1] for line in axes.get_legend().get_lines()] != []  # type: ignore[union-attr]
    assert read_logs([1.0, 2.0], Reading(losses_are="log10"))[0].losses.tolist() == [10, 100]
