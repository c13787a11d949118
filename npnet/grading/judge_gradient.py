"""Judging one hand-written gradient alone, with true and with random upstream gradients."""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.array_error import largest, shape_hint
from npnet.grading.effects import effects, shares
from npnet.grading.gradient_numbers import fits, passes_cmp, worst
from npnet.grading.pairs import tensor_by_name
from npnet.grading.segments import Segment, Target
from npnet.grading.slice_runs import Inputs, Outcome, replaced, run_slice
from npnet.grading.slices import Slice
from npnet.grading.truth import Backend, drawn_upstream
from npnet.grading.verdicts import (
    ALIAS,
    COPIED,
    IGNORED,
    NOT_RUN,
    ONLY_HERE,
    RIGHT,
    SHAPE,
    UNFINISHED,
    WRONG,
    WRONG_TENSOR,
)

NOISE = 1e-10  # gradients below this part of a random gradient's size are mathematically zero


@dataclass
class Judged:
    """The result of judging a gradient.

    Attributes:
        verdict, reason, remark: as in ``GradientVerdict``.
        tensor: the tensor whose gradient it should be.
        passes_cmp: whether the lecture's check accepts it.
        part: its statements.
        upstream: the tensors whose gradients it reads.
    """

    verdict: str
    tensor: str
    part: Slice
    reason: str = ""
    remark: str = ""
    passes_cmp: bool | None = None
    upstream: tuple[str, ...] = ()


Lookup = Callable[[str, int], Any]


class Judge:
    """Judges the gradients of one segment.

    Args:
        segment: the segment with the gradients.
        backend: the tensor library.
        lookup: a function of a place and a name: the value of the name when the statement at this
            place began; it raises KeyError if there is none.
        ran: a function of a place: whether the statement there ran to its end.
    """

    def __init__(
        self, segment: Segment, backend: Backend, lookup: Lookup, ran: Callable[[int], bool]
    ) -> None:
        self.segment, self.graph, self.backend = segment, segment.graph, backend
        self.lookup, self.ran = lookup, ran
        self.true = self.graph.gradients(self.graph.values, {})
        self._rounded = {
            name: self.backend.array(self.graph.tensor(name))
            for name in self.graph.values
            if name not in self.graph.leaves
        }
        for name, tensors in segment.ambiguous().items():
            self._decide(name, tensors)

    def judge(self, target: Target) -> Judged:
        """The verdict on one gradient."""
        part = self.segment.slice(target)
        tensor = target.pairs[0].tensor
        last = self._last_value(target)
        if isinstance(last, ast.Constant) and last.value in (None, Ellipsis):
            return Judged(UNFINISHED, tensor, part, "it is None: its lines are still to be written")
        if not np.isfinite(self.true[tensor]).all():
            reason = f"the forward pass itself makes gradients of {tensor} that are not finite"
            return Judged(NOT_RUN, tensor, part, reason)
        if not part.statements:
            return Judged(NOT_RUN, tensor, part, "no statement makes it")
        read = sorted(
            {self.segment.tensor_of[one] for one in part.inputs if one in self.segment.tensor_of}
            | (part.reads_grad_of & self.graph.values.keys())
        )
        if tensor in part.reads_grad_of:
            found = self._run(target, part, self.true, "float64")
            if found.value is None or fits(
                found.value, self.true[tensor], largest(self.true[tensor]), "float64"
            ):
                reason = f"it reads {tensor}.grad, the answer itself"
                return Judged(COPIED, tensor, part, reason)
        read = [one for one in read if one != tensor]
        judged = self._against(target, part, tensor, read)
        judged.upstream = tuple(read)
        if (
            judged.verdict in (WRONG, SHAPE, IGNORED)
            and tensor_by_name(target.name, self.graph.values) != tensor
        ):
            other = self._other_tensor(target, part, tensor, read)
            if other is not None:
                again = self._against(target, part, other, read)
                if again.verdict == RIGHT:
                    judged.verdict = WRONG_TENSOR
                    judged.reason = (
                        f"it is the right gradient of {other}, and it is compared with {tensor}: "
                        f"write {other} in the call"
                    )
        elif len(target.pairs) > 1:
            self._other_pairs(target, tensor, judged)
        not_run = [unit for unit in part.units if not self.ran(unit.place)]
        if not_run and judged.verdict not in (UNFINISHED, NOT_RUN):
            first = not_run[0]
            alone = judged.verdict + (f": {judged.reason}" if judged.reason else "")
            judged.reason = (
                f"line {first.line} of cell {first.cell} did not run to its end; "
                f"its lines alone are {alone}"
            )
            judged.verdict, judged.passes_cmp = NOT_RUN, None
        return judged

    def _decide(self, name: str, tensors: list[str]) -> None:
        """Find the tensor of a gradient that is compared with one but named after another."""
        value = None
        for target in self.segment.targets():
            if target.name == name:
                part = self.segment.slice(target)
                value = self._run(target, part, self.true, "float64").value if part.units else value
        if value is not None:
            fitting = [one for one in tensors if self.true[one].shape == value.shape]
            off = {one: float(np.abs(self.true[one] - value).max(initial=0)) for one in fitting}
            if off:
                self.segment.tensor_of[name] = min(off, key=lambda one: off[one])

    # --- one tensor -------------------------------------------------------------------------------

    def _against(self, target: Target, part: Slice, tensor: str, read: list[str]) -> Judged:
        """The verdict if it should be the gradient of this tensor."""
        wanted = self.true[tensor]
        dtype = "float64"
        real = self._run(target, part, self.true, dtype)
        if real.value is None and real.problem != "None" and not real.ended:
            narrow = self._run(target, part, self.true, self.graph.dtype)
            if narrow.value is not None:
                real, dtype = narrow, self.graph.dtype
        if real.value is None:
            return self._without_value(part, tensor, real)
        scale = self._scale(tensor, read)
        random = self._random(target, part, tensor, read, dtype)
        judged = Judged(RIGHT, tensor, part)
        judged.passes_cmp = passes_cmp(real.value, wanted)
        right = fits(real.value, wanted, scale, dtype)
        if real.value.shape != wanted.shape:
            self._shape(judged, real.value, wanted, scale, dtype)
        elif not right:
            judged.verdict = WRONG
            judged.reason = worst(real.value, wanted, scale)
            if self._ignores(part, tensor, read):
                judged.verdict = IGNORED
                names = " and ".join(self._upstream_names(tensor))
                judged.reason = f"it reads no gradient of {names}. {judged.reason}"
        elif random:
            judged.verdict = ONLY_HERE
            judged.reason = f"with random upstream gradients: {random}"
        if real.changed:
            judged.remark, reason = judged.reason, self._alias(part, target.name, real.changed)
            judged.reason = reason + (f". Also {judged.verdict}" if judged.verdict != RIGHT else "")
            judged.verdict = ALIAS
        if judged.verdict == RIGHT:
            judged.remark = self._precision(target, part, wanted, scale)
        return judged

    def _run(
        self, target: Target, part: Slice, upstream: Mapping[str, Array], dtype: str
    ) -> Outcome:
        """Run the slice with these upstream gradients."""
        values = dict(self.graph.values)
        for name in part.inputs:
            if name in self.segment.tensor_of:
                values[name] = upstream[self.segment.tensor_of[name]]
        needed = part.inputs | part.reads_grad_of | self._called(part)
        others = {}
        done: dict[int, Any] = {}
        for name in sorted(needed - values.keys()):
            try:
                value = self.lookup(name, part.place(name))
            except KeyError:
                continue
            others[name] = replaced(value, self.backend, self._exact, done)
        grads = {name: upstream[name] for name in part.reads_grad_of if name in upstream}
        arrays = self._by_numpy(part, values)
        values = {name: array for name, array in values.items() if name in needed | {target.name}}
        values.pop(target.name, None)
        inputs = Inputs(values, grads, others, arrays)
        return run_slice(part, target.name, inputs, self.backend, dtype)

    def _by_numpy(self, part: Slice, values: Mapping[str, Array]) -> set[str]:
        """The inputs that are NumPy arrays in the notebook."""
        found = set()
        for name in values.keys() & self.segment.tensor_of.keys():
            with contextlib.suppress(KeyError):
                if isinstance(self.lookup(name, part.place(name)), np.ndarray):
                    found.add(name)
        return found

    def _exact(self, array: Array) -> Array:
        """A value of the forward pass before rounding, for numbers that equal it, as in a cache."""
        if array.dtype.kind != "f" or not array.ndim:
            return array
        for name, rounded in self._rounded.items():
            if rounded.size == array.size and rounded.dtype == array.dtype:
                for same in (rounded, rounded.T) if rounded.ndim == 2 else (rounded,):
                    if np.array_equal(same.reshape(array.shape), array):
                        exact = self.graph.values[name]
                        exact = exact if same is rounded else exact.T
                        return exact.reshape(array.shape)
        return array

    def _called(self, part: Slice) -> set[str]:
        """The names that the notebook's functions read when the slice calls them."""
        found: set[str] = set()
        waiting = list(part.inputs)
        while waiting:
            try:
                name = waiting.pop()
                function = self.lookup(name, part.place(name))
            except KeyError:
                continue
            code = getattr(function, "__code__", None)
            if code is not None and getattr(function, "__module__", "") in (None, "__main__"):
                new = set(code.co_names) - found
                found |= new
                waiting += new
        return found

    def _random(self, target: Target, part: Slice, tensor: str, read: list[str], dtype: str) -> str:
        """What is wrong with random upstream gradients; "" if nothing is."""
        rng = np.random.default_rng(2147483647)
        if not read:
            return self._constant(target, part, tensor, dtype, rng)
        problem = ""
        # The gradient of logprobs is zero except at the targets. Code that reads the targets may
        # rely
        # on it.
        sparse = (False, True) if self._reads_targets(part) else (False,)
        for zeros, independent in itertools.product(sparse, (True, False)):
            problem = ""
            for _ in range(2):
                drawn = drawn_upstream(self.graph, tensor, read, self.true, rng, independent, zeros)
                if drawn is None:
                    return self._constant(target, part, tensor, dtype, rng)
                upstream = {**self.true, **drawn}
                wanted = self.graph.gradients([tensor], drawn)[tensor]
                found = self._run(target, part, upstream, dtype)
                if found.value is None:
                    problem = found.problem
                elif found.value.shape == wanted.shape and not fits(
                    found.value, wanted, largest(wanted), dtype
                ):
                    problem = worst(found.value, wanted, largest(wanted))
            if not problem:
                return ""
        return problem

    def _constant(
        self, target: Target, part: Slice, tensor: str, dtype: str, rng: np.random.Generator
    ) -> str:
        """Whether code that reads no gradient is right only because the true gradient is zero."""
        readers = sorted(self.graph.readers[tensor] - {self.graph.root})
        drawn = drawn_upstream(self.graph, tensor, readers, self.true, rng, False, entries=True)
        if drawn is None:
            return ""
        wanted = self.graph.gradients([tensor], drawn)[tensor]
        if largest(self.true[tensor]) > NOISE * largest(wanted):
            return ""  # a fused form, which contains the whole path to the loss
        found = self._run(target, part, {**self.true, **drawn}, dtype)
        if found.value is None or found.value.shape != wanted.shape:
            return ""
        if fits(found.value, wanted, largest(wanted), dtype):
            return ""
        return worst(found.value, wanted, largest(wanted))

    def _scale(self, tensor: str, read: list[str]) -> float:
        """The size for measuring a difference: the largest entry, or that of random gradients."""
        true = largest(self.true[tensor])
        rng = np.random.default_rng(5)
        readers = sorted(self.graph.readers[tensor] - {self.graph.root}) or read
        drawn = drawn_upstream(self.graph, tensor, readers, self.true, rng, True, entries=True)
        if drawn is None:
            return true
        random = largest(self.graph.gradients([tensor], drawn)[tensor])
        return random if true <= NOISE * random else true

    # --- words ------------------------------------------------------------------------------------

    def _without_value(self, part: Slice, tensor: str, found: Outcome) -> Judged:
        if found.problem == "None":
            return Judged(UNFINISHED, tensor, part, "it is None: its lines are still to be written")
        cell = part.units[-1].cell
        for unit in part.units:
            if unit.line <= found.line:
                cell = unit.cell
        where = f"line {found.line} of cell {cell}: " if found.line else ""
        text = f"{where}{found.problem}"
        if found.missing:
            text = f"{where}it needs {found.missing}, which nothing makes before"
        return Judged(NOT_RUN, tensor, part, text)

    def _shape(self, judged: Judged, got: Array, wanted: Array, scale: float, dtype: str) -> None:
        hint = shape_hint(got.shape, wanted.shape)
        judged.reason = f"shape {got.shape}, wanted {wanted.shape} like {judged.tensor}{hint}"
        judged.verdict = WRONG
        try:
            together = np.broadcast_shapes(got.shape, wanted.shape)
        except ValueError:
            return
        same = fits(
            np.broadcast_to(got, together), np.broadcast_to(wanted, together), scale, dtype
        ) or (got.size == wanted.size and fits(got.reshape(wanted.shape), wanted, scale, dtype))
        if same:
            judged.verdict = SHAPE
            judged.reason += "; the numbers are right, and a comparison broadcasts them"

    def _ignores(self, part: Slice, tensor: str, read: list[str]) -> bool:
        """Whether the code reads neither a gradient nor the targets, which a fused form needs."""
        if read or self.graph.root in self.graph.readers[tensor]:
            return False
        return not self._reads_targets(part)

    def _reads_targets(self, part: Slice) -> bool:
        """Whether the code reads a vector of whole numbers."""
        for name in part.inputs:
            try:
                value = self.lookup(name, part.place(name))
            except KeyError:
                continue
            if self.backend.is_tensor(value):
                array = self.backend.array(value)
                if array.dtype.kind in "iu" and array.ndim and array.size == max(array.shape):
                    return True
        return False

    def _upstream_names(self, tensor: str) -> list[str]:
        return sorted(self.graph.readers[tensor])

    def _alias(self, part: Slice, name: str, changed: list[str]) -> str:
        """How an input was changed: both names and their lines, in words."""
        other = changed[0]
        alias, linked = None, {other}
        for unit in part.units:
            for node in ast.walk(unit.node):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    root = shares(node.value)
                    if root in linked:
                        linked.add(node.targets[0].id)
                        alias = alias or unit
        change = next(
            (unit for unit in part.units if effects(unit.node).changes & linked), part.units[-1]
        )
        where = f"line {change.line} of cell {change.cell}"
        if alias is None:
            return f"{where} changes {other} in place: write {other}.clone() first"
        return (
            f"{ast.unparse(alias.node)} (line {alias.line} of cell {alias.cell}) makes {name} and "
            f"{other} one tensor, so that {where} changes both: write {other}.clone()"
        )

    def _precision(self, target: Target, part: Slice, wanted: Array, scale: float) -> str:
        """A remark on the run in the notebook's own dtype."""
        found = self._run(target, part, self.true, self.graph.dtype)
        if found.value is None:
            return ""
        if str(found.value.dtype) != self.graph.dtype and found.value.dtype.kind == "f":
            return (
                f"{found.value.dtype} where {self.graph.dtype} came in: right but for its precision"
            )
        return ""

    # --- which tensor -----------------------------------------------------------------------------

    def _other_tensor(
        self, target: Target, part: Slice, tensor: str, read: list[str]
    ) -> str | None:
        """Another tensor of which this is the true gradient."""
        found = self._run(target, part, self.true, "float64")
        if found.value is None:
            return None
        candidates = [
            name
            for name, array in self.true.items()
            if name != tensor
            and name not in read
            and largest(array)
            and fits(found.value, array, largest(array), "float64")
        ]
        named = self.segment.tensor_of.get(target.name)
        return named if named in candidates else next(iter(candidates), None)

    def _other_pairs(self, target: Target, tensor: str, judged: Judged) -> None:
        wrong = [pair for pair in target.pairs if pair.tensor != tensor]
        for pair in wrong:
            if self.true[pair.tensor].shape != self.true[tensor].shape or not fits(
                self.true[tensor], self.true[pair.tensor], largest(self.true[tensor]), "float64"
            ):
                judged.remark = f"line {pair.line} compares it with {pair.tensor} as well"

    def _last_value(self, target: Target) -> ast.expr | None:
        """The value of the variable's last statement, if that is a plain assignment."""
        for place in range(target.end - 1, target.first - 1, -1):
            node = self.segment.units[place].node
            if target.name in effects(node).makes | effects(node).changes:
                return node.value if isinstance(node, ast.Assign) else None
        return None
