"""A problem with torch's answers, and the rules that compare any program's gradients with them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from npnet.base.arrays import Named
from npnet.base.equality import EqualFields
from npnet.base.errors import InputError, kind_of
from npnet.checks.array_names import plain_name
from npnet.checks.judging import judge
from npnet.checks.report import Report
from npnet.network.forward import Values
from npnet.network.gradients import GRADIENTS, Gradients
from npnet.network.names import PARAMETER_NAMES, VALUE_NAMES

T = TypeVar("T")

PRECISIONS = ("float32", "float64")

# The kinds of arrays that a problem has, in both precisions. `line`: each gradient computed alone,
# from the values of the forward pass and the random `upstream`.
KINDS = {
    "parameter": PARAMETER_NAMES,
    "value": VALUE_NAMES,
    "gradient": tuple(GRADIENTS),
    "upstream": VALUE_NAMES,
    "line": tuple(GRADIENTS),
}


@dataclass(frozen=True, eq=False)
class Reference(EqualFields):
    """Torch's 26 gradients, and the rule for comparing others with them.

    Attributes:
        gradients: torch's gradients in the precision in which ours are compared.
        truth: the same in float64; None if ``gradients`` are float64 themselves.
        lines: whether each line is taken alone, with random upstream gradients. If not, the
            gradients are those of a whole backward pass, in which two are mathematically zero.
        values: the float64 values of the forward pass, from which the size of the rounding errors
            is computed.
        given: the float64 gradients that each function gets: for single lines the random upstream
            gradients, otherwise the gradients themselves.
    """

    gradients: Named
    truth: Named | None
    lines: bool
    values: Mapping[str, Any]
    given: Mapping[str, Any]

    def judge(
        self,
        ours: Mapping[str, object],
        only: str | Iterable[str] | None = None,
        labels: tuple[str, str] = ("ours", "torch"),
        *,
        precision: str | None = None,
    ) -> Report:
        """Compare by the rules of ``npnet.compare``: with a truth in float32, without in float64.

        If all arrays are float64, they are compared with the float64 truth itself. If only some
        are float64, these are wrong. If all are float16 or bfloat16, the eps of this precision is
        used. If a simple cause explains the numbers of a wrong row, the row names it.

        Args:
            ours: name -> gradient: exactly the 26, or only those of the seven parameters. Names
                may begin with the lecture's d, or be like ``grad_W1`` and ``W1.grad``.
            only: one name or several of the 26, to compare only these; ``parameters`` stands for
                the seven.
            labels: the names of the two sides in the report.
            precision: one of ``npnet.checks.stored.PRECISION_EPS``, by whose eps the gradients
                are judged, even if the numbers are stored in another dtype.

        Raises:
            InputError: ``ours`` is not a mapping or has a name twice, ``only`` is empty or has an
                unknown name, ``precision`` is unknown.
        """
        ours = plain_names(ours)
        if only is None and ours.keys() == {*PARAMETER_NAMES}:
            only = PARAMETER_NAMES
        names = (*GRADIENTS,) if only is None else gradient_names(only)
        if only is not None:
            ours = {name: ours[name] for name in names if name in ours}
        return judge(self, ours, names, labels, precision)


@dataclass(frozen=True, eq=False)
class Problem(EqualFields):
    """Parameters and a batch, with the values and gradients that torch computes for them.

    Attributes:
        about: how the problem was made, and the versions of npnet and torch.
        sizes: the sizes of the axes n, T, E, H, V.
        batch: X (n, T) and Y (n,) in int64, eps as a float.
        arrays: the arrays by kind and precision, such as ``arrays["gradient", "float32"].logits``;
            ``KINDS`` lists kinds and names.
    """

    about: Mapping[str, Any]
    sizes: Mapping[str, int]
    batch: Named
    arrays: Mapping[tuple[str, str], Named]

    def values(self, precision: str = "float64") -> Values:
        """Parameters, batch and the twenty values, in the form that ``npnet.forward`` returns."""
        parameters, values = self.arrays["parameter", precision], self.arrays["value", precision]
        return Values({**parameters, **self.batch, **values})

    def upstream(self, precision: str = "float64") -> Gradients:
        """The random upstream gradients of the twenty values, for computing each line alone."""
        return Gradients(self.arrays["upstream", precision])

    def whole(self, precision: str = "float64") -> Reference:
        """The reference for a whole backward pass in ``precision``."""
        return self._reference("gradient", precision)

    def lines(self, precision: str = "float64") -> Reference:
        """The reference for each gradient alone, from ``values`` and ``upstream``."""
        return self._reference("line", precision)

    def _reference(self, kind: str, precision: str) -> Reference:
        lines, truth = kind == "line", self.arrays[kind, "float64"]
        return Reference(
            self.arrays[kind, precision],
            truth if precision == "float32" else None,
            lines,
            self.values(),
            self.upstream() if lines else truth,
        )


def plain_names(arrays: Mapping[str, T]) -> Mapping[str, T]:
    """``arrays`` under our names: the lecture's d and other texts around the names are removed.

    Raises:
        InputError: ``arrays`` is not a mapping from names, or two entries are the same gradient.
    """
    if not isinstance(arrays, Mapping) or not all(isinstance(name, str) for name in arrays):
        raise InputError(f"gradients are {kind_of(arrays)}, wanted a mapping name -> array")
    plain: dict[str, str] = {}
    for name in arrays:
        ours = plain_name(name)
        if ours in plain:
            raise InputError(
                f"{plain[ours]} and {name} are the same gradient, wanted one of the two"
            )
        plain[ours] = name
    return {ours: arrays[name] for ours, name in plain.items()}


def gradient_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """One or several of the 26, without the lecture's d, in the order in which they are computed.

    The name ``parameters`` stands for the seven parameters.

    Raises:
        InputError: there is no name, or one is unknown.
    """
    plain = {plain_name(name) for name in ([names] if isinstance(names, str) else names)}
    if "parameters" in plain:
        plain = plain - {"parameters"} | {*PARAMETER_NAMES}
    unknown = plain - GRADIENTS.keys()
    if unknown or not plain:
        raise InputError(
            f"{', '.join(sorted(unknown)) or 'no name'}: none of the 26 gradients, wanted some of "
            f"{', '.join(GRADIENTS)}"
        )
    return tuple(name for name in GRADIENTS if name in plain)


def next_step(report: Report) -> str:
    """Two lines for a failed comparison: the first wrong name, and the command that helps."""
    wrong = {row.name: row for row in report.failures}
    first = next((name for name in GRADIENTS if name in wrong), None)
    if first is None:
        name = next(iter(wrong), "all")
        return f"first wrong: {name}, none of the 26 gradients\nnext: npnet explain"
    return f"first wrong in the order of computation: {first}\nnext: npnet explain {first}"
