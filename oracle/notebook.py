"""Running a notebook with torch and with npnet.tensors, cell by cell: which tensor differs first?

Both processes begin with the same seed of torch's default generator. The generators of Python and
NumPy get no seed, so a cell that draws from them without a seed differs for this reason.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.notebooks.cells import Notebook
from npnet.notebooks.run import Options, Ran, Session

SEED = 2147483647  # the seed of the default generator, if the caller gives none
# A difference that another order of summation can give, in units of the last place of the scale.
# The scale is the largest entry of the tensor; for gradients, the largest entry of all gradients,
# because gradients whose true value is zero (the bias before a batch normalisation, the maximum in
# a softmax) are nothing but rounding errors of the others.
LIMIT = 64.0


@dataclass(frozen=True)
class TensorDifference:
    """A tensor that is not the same on both sides.

    Attributes:
        name: the name of the tensor, or ``name.grad``.
        difference: the largest absolute difference; None if it cannot be computed.
        steps: the same in units of the last place of the scale; None if shapes or types differ, and
            for whole numbers.
        text: the difference in words.
    """

    name: str
    difference: float | None
    steps: float | None
    text: str

    @property
    def is_rounding(self) -> bool:
        """Whether another order of summation explains it."""
        return self.steps is not None and self.steps <= LIMIT


@dataclass(frozen=True)
class CellPair:
    """One cell under the stand-in and under torch.

    Attributes:
        ours, theirs: the runs of the cell under the stand-in and under torch.
        tensors: the number of compared tensors, of which ``equal`` are equal bit for bit.
        differences: the tensors that differ, in the order in which the notebook made them.
    """

    ours: Ran
    theirs: Ran
    tensors: int
    equal: int
    differences: tuple[TensorDifference, ...]

    @property
    def errors(self) -> tuple[str | None, str | None]:
        """The classes of the exceptions that ended the cell, ours and theirs."""
        both = (self.ours.error, self.theirs.error)
        ours, theirs = (error.exception if error else None for error in both)
        return ours, theirs

    @property
    def agrees(self) -> bool:
        """Whether every tensor is equal or within rounding, and both ended in the same way."""
        alike = self.errors[0] == self.errors[1] and not (self.ours.stopped or self.theirs.stopped)
        return alike and all(each.is_rounding for each in self.differences)


def compare_notebook(notebook: Notebook, options: Options) -> Iterator[CellPair]:
    """Run each cell under both, and compare every tensor that has a name after the cell.

    Raises:
        InputError: a process cannot be started.
    """
    seed = SEED if options.default_seed is None else options.default_seed
    sides = [replace(options, torch=torch, default_seed=seed) for torch in ("numpy", "torch")]
    with (
        Session(notebook, sides[0]) as ours,
        Session(notebook, sides[1]) as theirs,
        tempfile.TemporaryDirectory() as folder,
    ):
        for cell in notebook.cells:
            ran = ours.run(cell), theirs.run(cell)
            tensors = [
                _tensors(session, Path(folder, f"{side}.npz"))
                for side, session in (("numpy", ours), ("torch", theirs))
            ]
            yield _pair(*ran, *tensors)


def _tensors(session: Session, path: Path) -> dict[str, Array]:
    if session.ended is not None:
        return {}
    with np.load(session.tensors(path)) as file:
        return {name: file[name] for name in file.files}


def _pair(
    ours: Ran, theirs: Ran, our_tensors: Mapping[str, Array], their_tensors: Mapping[str, Array]
) -> CellPair:
    differences = []
    gradients = (array for name, array in their_tensors.items() if name.endswith(".grad"))
    scale = max((_largest(array) for array in gradients), default=0.0)
    names = list(dict.fromkeys((*their_tensors, *our_tensors)))
    for name in names:
        found = tensor_difference(name, our_tensors.get(name), their_tensors.get(name), scale)
        if found is not None:
            differences.append(found)
    equal = len(names) - len(differences)
    return CellPair(ours, theirs, len(names), equal, tuple(differences))


def tensor_difference(
    name: str, ours: Array | None, theirs: Array | None, scale: float = 0.0
) -> TensorDifference | None:
    """How a tensor differs; None if it is equal bit for bit (any nan equals any other).

    ``scale`` is the largest entry of all gradients.
    """
    if ours is None or theirs is None:
        where = "torch" if ours is None else "the stand-in"
        return TensorDifference(name, None, None, f"only {where} has it")
    for what, one, other in (
        ("shape", ours.shape, theirs.shape),
        ("dtype", ours.dtype, theirs.dtype),
    ):
        if one != other:
            return TensorDifference(name, None, None, f"{what} {one}, torch's is {other}")
    floats = ours.dtype.kind in "fc"
    if np.array_equal(ours, theirs, equal_nan=floats):
        return None
    if not floats:
        count = int((ours != theirs).sum())
        return TensorDifference(name, None, None, f"{count} of {ours.size} entries differ")
    finite = np.isfinite(theirs)
    if (
        not np.array_equal(ours[~finite], theirs[~finite], equal_nan=True)
        or not np.isfinite(ours[finite]).all()
    ):
        return TensorDifference(name, None, None, "infinite or nan in other places")
    difference: Any = np.abs(ours[finite] - theirs[finite]).max()
    largest = theirs.dtype.type(max(_largest(theirs), scale))
    steps = float(difference / np.spacing(largest))
    text = f"by {float(difference):.2g}, {steps:.3g} units of the last place"
    return TensorDifference(name, float(difference), steps, text)


def _largest(array: Array) -> float:
    """The largest finite absolute value; 0 if there is none."""
    if array.dtype.kind != "f":
        return 0.0
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))
