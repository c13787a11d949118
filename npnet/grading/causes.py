"""Finding out why a gradient of a notebook is wrong, with the diagnosis of the exercise sheet.

The learner's lines run on the inputs of the exercise sheet, in which all axes differ in size. Then
``npnet.learn.diagnose`` gets their results.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.judge_gradient import Judged
from npnet.grading.recognise import Recognised
from npnet.grading.segments import Segment, Target
from npnet.grading.slice_runs import Inputs, run_slice
from npnet.grading.slices import Slice
from npnet.grading.truth import Backend
from npnet.learn.calls import Attempt
from npnet.learn.diagnose import Cause, diagnose
from npnet.learn.exercises import EXERCISES, Exercise
from npnet.learn.grading_inputs import TELLING, TIED, Case, cases
from npnet.learn.remarks import Tie, judge_ties
from npnet.network.graph import readers

SMALLEST = 10  # a smaller number in the code is not taken for a size
SECONDS = 10.0  # seconds of processor time for all causes of a forward pass


class Causes:
    """Finds causes, until its time is over.

    Args:
        segment: the segment with the gradients.
        known: the lecture's tensors in it.
        backend: the tensor library.
        lookup: the value of a name when the statement of a place began; raises KeyError.
    """

    def __init__(
        self,
        segment: Segment,
        known: Recognised,
        backend: Backend,
        lookup: Callable[[str, int], Any],
    ) -> None:
        self.segment, self.known, self.backend, self.lookup = segment, known, backend, lookup
        self.roles = known.roles
        self._left = SECONDS

    def exercise(self, judged: Judged) -> Exercise | None:
        """The exercise of the sheet to which a gradient belongs."""
        role = self.roles.get(judged.tensor)
        if role is None or f"d{role}" not in EXERCISES:
            return None
        read = {self.roles.get(one) for one in judged.upstream}
        if role == "logits" and not read:
            return EXERCISES["dlogits_at_once"]
        if role == "hprebn" and "hpreact" in read and not read & set(readers("hprebn")):
            return EXERCISES["dhprebn_at_once"]
        return EXERCISES[f"d{role}"]

    def tie(self, target: Target, judged: Judged) -> Tie | None:
        """How the code shares the maximum's gradient if logits are equal; None if it makes none."""
        read = {self.roles.get(one) for one in judged.upstream}
        if self.roles.get(judged.tensor) != "logits" or read != {"norm_logits", "logit_maxes"}:
            return None
        case = cases()[TIED]
        try:
            value = self._run(case, target, judged.part)
        except Exception:  # its lines do not run on other sizes: no statement is possible
            return None
        return None if value is None else judge_ties(value, case)

    def cause(self, target: Target, judged: Judged) -> Cause | None:
        """The likeliest cause, or None."""
        exercise = self.exercise(judged)
        if exercise is None or self._left <= 0:
            return None
        began = time.process_time()
        try:
            return self._diagnosed(exercise, target, judged)
        except Exception:  # an error here is not an error of the notebook: there is just no cause
            return None
        finally:
            self._left -= time.process_time() - began

    def _diagnosed(self, exercise: Exercise, target: Target, judged: Judged) -> Cause | None:
        results: dict[str, dict[str, Array]] = {}
        for label in TELLING:
            value = self._run(cases()[label], target, judged.part)
            if value is not None:
                results[label] = {exercise.gradients[0]: value}
        if not results:
            return None
        seen = {f"d.{self.roles.get(one, one)}" for one in judged.upstream}
        return diagnose(exercise, Attempt(results=results, seen=seen))

    def _run(self, case: Case, target: Target, part: Slice) -> Array | None:
        """Run the learner's lines with the inputs of the sheet."""
        values: dict[str, Array] = {}
        others: dict[str, Any] = {}
        for name in part.inputs | part.reads_grad_of:
            tensor = self.segment.tensor_of.get(name)
            if tensor is not None and tensor in self.roles:
                values[name] = np.asarray(case.gradients[self.roles[tensor]])
            elif name in self.roles:
                values[name] = np.asarray(case.values[self.roles[name]])
            elif name in self.segment.graph.values:
                return None
            else:
                others[name] = self._other(name, case, part)
        grads = {
            name: np.asarray(case.gradients[self.roles[name]])
            for name in part.reads_grad_of
            if name in self.roles
        }
        sized = Slice([_Sized(self._sizes(case)).visit(copy.deepcopy(s)) for s in part.statements])
        ran = run_slice(sized, target.name, Inputs(values, grads, others), self.backend, "float64")
        return ran.value

    def _other(self, name: str, case: Case, part: Slice) -> Any:
        for letter, known in self.known.inputs.items():
            if name == known:
                return self.backend.tensor(np.array(case.values[letter]))
        value = self.lookup(name, part.place(name))
        if isinstance(value, int) and not isinstance(value, bool):
            return self._sizes(case).get(value, value)
        return value

    def _sizes(self, case: Case) -> Mapping[int, int]:
        """The notebook's sizes -> the case's sizes that replace them."""
        pairs = [(size, case.sizes[letter]) for letter, size in self.known.sizes.items()]
        T, E = self.known.sizes["T"], self.known.sizes["E"]
        return {T * E: case.sizes["T"] * case.sizes["E"], **dict(pairs)}


class _Sized(ast.NodeTransformer):
    """Replaces numbers in the code that are sizes of the notebook by the sizes of a case."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self.sizes = sizes

    def visit_Constant(self, node: ast.Constant) -> Any:
        """Replace a number that is a size."""
        number = node.value
        if isinstance(number, int | float) and number >= SMALLEST and number == int(number):
            size = self.sizes.get(int(number))
            if size is not None:
                return ast.copy_location(ast.Constant(size), node)
        return node
