"""A user's own network in torch: the reference for its values and its hand-written gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from npnet.base.arrays import Floats, Named
from npnet.base.errors import InputError, kind_of, shown
from npnet.checks.called_functions import made
from npnet.checks.differentiate import Derivative
from npnet.checks.isolation import isolate
from npnet.checks.line_check import LinesCheck, rules_in_order, widened, zero_scales
from npnet.checks.line_rounding import rounding_alone, rounding_whole
from npnet.checks.line_rules import K_WHOLE, Rule, default_K, growth, judge_all, rule_for
from npnet.checks.lines import DTYPES, Lines
from npnet.checks.report import Report, Row
from npnet.tensors.torch_words import TorchWords, rebound
from oracle.lines import array_of, tensor_of
from oracle.tables import each_alone, run

WHO = "oracle.lines_of"

THERE = {
    **dict.fromkeys(("torch", "npnet.tensors"), torch),
    "torch.nn": torch.nn,
    **dict.fromkeys(("torch.nn.functional", "npnet.tensors.functional"), torch.nn.functional),
}


class TorchLines:
    """A table of lines in torch, and the same table in NumPy.

    Attributes:
        table: the table in NumPy, with the inputs and the hand-written gradients.
        lines: name -> function of ``v``, whose entries are tensors.
    """

    def __init__(self, table: Lines, lines: Mapping[str, Callable[[Any], Tensor]]) -> None:
        self.table = table
        self.lines = lines

    def forward(self, dtype: str = "float64") -> dict[str, Any]:
        """The values of the lines, computed by torch.

        Raises:
            InputError: a line raises an error, or does not return a tensor.
        """
        return self._read(self._run(self.table.inputs, dtype))

    def whole(self, dtype: str = "float64") -> dict[str, Floats]:
        """The gradients of a whole backward pass by autograd.

        Raises:
            InputError: as ``forward``.
        """
        return self._whole(self.table.inputs, self.table.start(self.table.forward(dtype)), dtype)

    def cut(self, values: Mapping[str, Any], upstream: Mapping[str, Floats]) -> dict[str, Floats]:
        """Each gradient alone, for values and upstream gradients as in ``Lines``."""
        table = self.table
        v = SimpleNamespace()
        for name, entry in values.items():
            setattr(v, name, _leaf(entry, name in table.named))
        weights = {name: tensor_of(upstream[name]) for name in table.kept}
        alone = _in_words(lambda: each_alone(self.lines, v, table.named, weights, table.skip))
        return {name: array_of(gradient) for name, gradient in alone.items()}

    def check(self, dtype: str = "float32", seed: int = 0) -> LinesCheck:
        """Compare the table's values and hand-written gradients with torch's.

        In float32 the truth is torch's result in float64, and our error may be a few times the
        error of torch's float32. In float64 they are compared by the rule of ``npnet.compare``.

        Raises:
            InputError: there are no hand-written gradients, the dtype is another one, or a line
                raises an error or returns another shape than the line in NumPy.
        """
        self.table.refuse_no_gradients("check")
        if dtype not in DTYPES:
            raise InputError(f"{WHO}: dtype is {shown(dtype)}, wanted {' or '.join(DTYPES)}")
        values = self.table.forward(dtype)
        report = self._values(values, dtype)
        alone = self._alone(values, seed)
        whole = self._in_order(values, dtype)
        differ = tuple(row.name for row in report.failures)
        isolation = isolate(whole, alone, self.table.reads)._replace(forward=differ)
        return LinesCheck(dtype, alone, whole, isolation, {}, "torch's autograd", report)

    def _values(self, values: Named, dtype: str) -> Report:
        reference = self.forward(dtype)
        truth = self.forward("float64") if dtype == "float32" else None
        rules, ours = {}, {}
        for name in self.table.lines:
            if name in self.table.active:
                # Entries that both sides mask are equal, and are not compared as numbers.
                masked = np.isneginf(values[name]) & np.isneginf(reference[name])
                for side in (reference, *([truth] if truth else [])):
                    side[name] = np.where(masked, 0, side[name]).astype(side[name].dtype)
                ours[name] = np.where(masked, 0, values[name]).astype(values[name].dtype)
                rules[name] = self._rule(name, reference, truth, values, whole=True)
        return judge_all(ours, rules, lambda name, row: ())

    def _alone(self, values: Named, seed: int) -> Report:
        table = self.table
        upstream = table.upstream(values, seed)
        reference = self.cut(values, upstream)
        wide = str(upstream[table.outputs[0]].dtype) == "float32"
        truth = self.cut(widened(values), widened(upstream)) if wide else None
        rules = {
            name: self._rule(name, reference, truth, values, whole=False) for name in table.named
        }
        ours = {
            name: made(name, function, *table.views(values, upstream, name))
            for name, function in table.gradients.items()
        }

        def look(name: str, row: Row) -> Iterable[Rule]:
            function = table.gradients[name]
            return rounding_alone(table, name, rules[name], function, values, upstream, row)

        return judge_all(ours, rules_in_order(table, rules), look)

    def _in_order(self, values: Named, dtype: str) -> Report:
        table = self.table
        start = table.start(values)
        ours: dict[str, Any] = dict(start)
        for name, function in table.gradients.items():
            ours[name] = made(name, function, *table.views(values, ours, name))
        reference, truth = self._whole(table.inputs, start, dtype), None
        if dtype == "float32":
            inputs = {name: values[name] for name in table.inputs}
            truth = self._whole(inputs, widened(start), "float64")
        exact = {
            name: Derivative(array, np.zeros(()), "")
            for name, array in (truth or reference).items()
        }
        scales = zero_scales(table, exact)
        rules = {
            name: self._rule(name, reference, truth, values, whole=True)._replace(
                zero_scale=scales.get(name)
            )
            for name in table.named
        }

        def look(name: str, row: Row) -> Iterable[Rule]:
            return rounding_whole(
                table, name, rules[name], table.gradients, values, start, row, branches=False
            )

        return judge_all(ours, rules_in_order(table, rules), look)

    def _rule(
        self,
        name: str,
        reference: Mapping[str, Any],
        truth: Mapping[str, Any] | None,
        values: Named,
        *,
        whole: bool,
    ) -> Rule:
        narrow = Derivative(reference[name], np.zeros(np.shape(reference[name])), "")
        if truth is None:
            return rule_for([narrow], None, default_K(False))
        wide = Derivative(truth[name], narrow.error, "")
        K = K_WHOLE if whole else default_K(True)
        return rule_for([narrow], [wide], K * growth(values))

    def _run(self, inputs: Mapping[str, Any], dtype: str) -> SimpleNamespace:
        v = SimpleNamespace()
        for name, entry in (*inputs.items(), *self.table.constants.items()):
            floats = isinstance(entry, np.ndarray) and entry.dtype.kind == "f"
            setattr(v, name, _leaf(entry.astype(dtype) if floats else entry, name in inputs))
        _in_words(lambda: run(self.lines, v))
        return v

    def _read(self, v: SimpleNamespace) -> dict[str, Any]:
        read = {}
        for name in self.lines:
            read[name] = array_of(getattr(v, name))
            if read[name].shape != self.table.shapes[name]:
                raise InputError(
                    f"{WHO}: line {name} has shape {read[name].shape} in torch, wanted "
                    f"{self.table.shapes[name]} as in NumPy"
                )
        return read

    def _whole(
        self, inputs: Mapping[str, Any], start: Mapping[str, Floats], dtype: str
    ) -> dict[str, Floats]:
        v = self._run(inputs, dtype)
        self._read(v)
        outputs = [getattr(v, name) for name in start]
        torch.autograd.backward(outputs, [tensor_of(start[name].astype(dtype)) for name in start])
        gradients = {name: getattr(v, name).grad for name in self.table.named}
        return {
            name: np.zeros(self.table.shapes[name], dtype) if grad is None else array_of(grad)
            for name, grad in gradients.items()
        }


def lines_of(
    table: Lines, lines: Mapping[str, Callable[[Any], Tensor]] | None = None
) -> TorchLines:
    """A table of lines in torch, for checking the same table in NumPy.

    Args:
        table: the table in NumPy, with hand-written gradients.
        lines: the same lines as functions of tensors, by the same names. By default the lines of
            ``table``, if they are written with torch's functions
            (``npnet.tensors.torch_words.in_torch_words``): the same functions then run in torch.

    Raises:
        InputError: a line is missing, is unknown, or does not use torch's functions.
    """
    if not isinstance(table, Lines):
        raise InputError(f"{WHO}: table is a {type(table).__name__}, wanted npnet.Lines")
    if lines is None:
        plain = [name for name, line in table.lines.items() if not isinstance(line, TorchWords)]
        if plain:
            raise InputError(
                f"{WHO}: {', '.join(plain)} are not in torch's words, wanted the lines in torch: "
                "lines_of(table, {...}), or a table made with npnet.tensors.torch_words."
                "in_torch_words"
            )
        lines = {
            name: line.function
            for name, line in table.lines.items()
            if isinstance(line, TorchWords)
        }
    if not isinstance(lines, Mapping):
        raise InputError(
            f"{WHO}: lines is {kind_of(lines)}, wanted a mapping from names to functions"
        )
    missing = [name for name in table.lines if name not in lines]
    unknown = [name for name in lines if name not in table.lines]
    if missing or unknown:
        raise InputError(
            f"{WHO}: missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}"
            f", wanted a line in torch for each of {', '.join(table.lines)}"
        )
    for name, line in lines.items():
        if not callable(line):
            raise InputError(f"{WHO}: line {name} is {kind_of(line)}, wanted a function of v")
    return TorchLines(
        table, {name: _named(name, rebound(lines[name], THERE)) for name in table.lines}
    )


def _named(name: str, line: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    """A line whose errors name it."""

    def run_line(v: Any) -> Tensor:
        result = _in_words(lambda: line(v), f"line {name}")
        if not isinstance(result, Tensor):
            raise InputError(f"{WHO}: line {name} returned {kind_of(result)}, wanted a tensor")
        return result

    return run_line


def _leaf(entry: Any, differentiated: bool) -> Any:
    """An array of floats as a tensor that requires its gradient; other objects unchanged."""
    if not isinstance(entry, np.ndarray | np.generic):
        return entry
    tensor = tensor_of(entry)
    return tensor.requires_grad_() if differentiated and tensor.is_floating_point() else tensor


def _in_words(compute: Callable[[], Any], who: str = "a line") -> Any:
    """The result of ``compute``.

    Raises:
        InputError: ``compute`` raises an error, for example in a line that a user wrote.
    """
    try:
        return compute()
    except InputError:
        raise
    except Exception as error:  # the lines can raise any error
        said = str(error).partition("\n")[0]
        raise InputError(f"{WHO}: {who} in torch raised {type(error).__name__}: {said}") from error
