"""A network of your own as a table: named lines, their inputs, hand-written gradients.

``Lines`` runs the table; other modules of this package use it: ``line_check``
(are the gradients right?), ``planted`` (does the check find mistakes?), ``line_golden`` (files).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arguments import MAPPING, NAMES, SEED, Kind, checked
from npnet.base.arrays import Array, Floats, Named
from npnet.base.errors import InputError, shown
from npnet.checks import line_table
from npnet.checks.called_functions import Handed, call, read_result
from npnet.checks.line_table import WHO, Functions

if TYPE_CHECKING:
    from npnet.checks.line_check import LinesCheck
    from npnet.checks.planted import Planted

DTYPES = ("float32", "float64")


class Lines:
    """A network written as lines that run one after the other.

    A line is a function of ``v``, which has the inputs, the constants and the results of the lines
    above as attributes (``v.x``) and by name (``v["x"]``). A gradient is a function of ``v`` and
    ``d``: ``v`` has all values, ``d`` the gradients with respect to the results of lines. Gradients
    run in their own order, the last line's first. The functions get read-only arrays. npnet finds
    what a line reads by running it.

    An output is a line that no other line reads. The backward pass begins there: with 1 if the
    output is one number, otherwise with random numbers, so that outputs of any shape are checked.
    Lines whose results are integers or bools, such as masks, have no gradient. Lines that read no
    value with a gradient have none either.

    Args:
        lines: name -> function of ``v``, in the order in which they run; or functions with names,
            or pairs of both.
        inputs: name -> array; or name -> shape, a tuple of whole numbers, for which standard normal
            numbers are drawn. Inputs of floats are differentiated.
        gradients: name -> function of ``v`` and ``d``; or functions, by their own names. Names may
            have a d: ``dq`` for ``q``. Give all of them or none: one for each input of floats and
            for each line except the outputs.
        integers: the inputs that are integers. A mapping gives the upper bound for drawn ones:
            ``{"Y": 27}`` draws numbers below 27.
        constants: name -> number, such as ``{"eps": 1e-5}``. They are not differentiated.
        zero: the gradients that are mathematically zero, end to end: name -> (the gradient that it
            sums, the axis). End to end, only their rounding error is judged; alone, they are judged
            like the others.
        skip: lines without a hand-written gradient, because one formula computes the gradient
            through them and the line before (cross-entropy is often written like this).
        shapes: name -> the shape that a line's result must have.
        seed: the seed of everything that is drawn.

    Attributes:
        lines, gradients, inputs, integers, constants, zero, skip, seed: as given, checked.
        values: the results of the forward pass in float64, with the inputs and constants.
        reads: line -> the names that it reads.
        outputs: the lines of floats that no line reads.
        active: the inputs and lines that have a gradient, including the outputs.

    Raises:
        InputError: a name cannot be used or is used twice; a gradient is missing, or belongs to an
            unknown name; or a line reads a later value, changes its arrays, raises an error, does
            not return numbers, or gives other numbers when it runs again.
    """

    @checked(
        gradients=Kind(
            "a mapping from names to functions",
            lambda got: isinstance(got, Iterable) and not isinstance(got, np.ndarray),
        ),
        integers=NAMES,
        zero=MAPPING,
        skip=NAMES,
        shapes=MAPPING,
        seed=SEED,
    )
    def __init__(
        self,
        lines: Functions,
        inputs: Mapping[str, Any],
        *,
        gradients: Functions | None = None,
        integers: Iterable[str] | Mapping[str, int] = (),
        constants: Mapping[str, Any] | None = None,
        zero: Mapping[str, tuple[str, int | tuple[int, ...]]] | None = None,
        skip: Iterable[str] = (),
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        seed: int = 0,
    ) -> None:
        self.lines = line_table.read_functions("line", lines)
        if not self.lines:
            raise InputError(f"{WHO}: no lines, wanted one or more")
        arrays, self.integers = line_table.read_inputs(inputs, integers, seed)
        self.inputs = Named(arrays)
        self.constants = line_table.read_constants(constants)
        line_table.one_meaning(line=self.lines, input=self.inputs, constant=self.constants)
        self._shapes = line_table.check_shapes(shapes, self.lines)
        self.skip = tuple(skip)
        self.seed = seed
        self.values, self.reads = self._run({**self.inputs, **self.constants})
        self._refuse_other_numbers()
        self.active = self._with_gradients()
        self.outputs = self._outputs()
        self.gradients = line_table.read_gradients(gradients, self.named, self._without())
        self._refuse_missing_gradients()
        self.zero = line_table.read_zero(zero, self.named)

    @property
    def kept(self) -> tuple[str, ...]:
        """The active lines that are not skipped: those with an upstream gradient."""
        return tuple(name for name in self.lines if name in self.active and name not in self.skip)

    @property
    def named(self) -> tuple[str, ...]:
        """The names that need a hand-written gradient, beginning with the last line."""
        lines = [name for name in reversed(self.kept) if name not in self.outputs]
        return (*lines, *(name for name in self.inputs if name in self.active))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs and of the results of all lines."""
        return {name: np.shape(self.values[name]) for name in (*self.inputs, *self.lines)}

    def at(self, **entries: Any) -> Lines:
        """The same table with other inputs or constants.

        Raises:
                InputError: a name is neither an input nor a constant; or as for the class.
        """
        for name in entries:
            if name not in self.inputs and name not in self.constants:
                raise InputError(
                    f"{WHO}: at has {name}, wanted inputs or constants: "
                    f"{', '.join((*self.inputs, *self.constants))}"
                )
        return Lines(
            self.lines,
            {name: entries.get(name, array) for name, array in self.inputs.items()},
            gradients=self.gradients,
            integers=self.integers,
            constants={key: entries.get(key, entry) for key, entry in self.constants.items()},
            zero=self.zero,
            skip=self.skip,
            shapes=self._shapes if entries.keys() <= self.constants.keys() else None,
            seed=self.seed,
        )

    def forward(self, dtype: str = "float64") -> Named:
        """Run the lines, with inputs of floats in ``dtype``.

        Returns:
            Inputs, constants and the results of the lines, by name.

        Raises:
            InputError: the dtype is neither float32 nor float64, or a line fails in it.
        """
        if dtype not in DTYPES:
            raise InputError(f"{WHO}: dtype is {shown(dtype)}, wanted {' or '.join(DTYPES)}")
        if dtype == "float64":
            return self.values
        values = self._run(
            {
                name: entry.astype(dtype) if _is_floats(entry) else entry
                for name, entry in (*self.inputs.items(), *self.constants.items())
            }
        )[0]
        for name in self.lines:
            if values[name].dtype == np.float64:
                raise InputError(
                    f"{WHO}: line {name} is float64 where all inputs are float32, wanted float32: "
                    "a number of NumPy's, such as np.sqrt(2), widens it; float(...) does not"
                )
        self._refuse_not_finite(values)
        return values

    def upstream(self, values: Mapping[str, Any] | None = None, seed: int = 0) -> dict[str, Floats]:
        """A random upstream gradient for each of ``kept``, in its shape and dtype.

        The numbers are normal, divided by the size of the value, because real gradients are small
        where values are large. All paths of a value then have about the same weight, so that a
        mistake in any of them is seen. For masked values (-inf) the numbers are 0.
        """
        values = self.values if values is None else values
        return draw_upstream({name: values[name] for name in self.kept}, seed)

    def start(self, values: Mapping[str, Any] | None = None) -> dict[str, Floats]:
        """The gradients of the outputs, where a backward pass begins: 1 for a single number."""
        values = self.values if values is None else values
        if len(self.outputs) == 1 and np.shape(values[self.outputs[0]]) == ():
            return {self.outputs[0]: np.ones((), values[self.outputs[0]].dtype)}
        drawn = self.upstream(values, self.seed)
        return {name: drawn[name] for name in self.outputs}

    def backward(self, dtype: str = "float64") -> Named:
        """Run the hand-written gradients in their order.

        Returns:
            The gradients by name.

        Raises:
            InputError: there are no gradients; or one raises an error, reads a value that does not
                exist yet, changes an array that it is given, or does not return numbers.
        """
        self.refuse_no_gradients("backward")
        values = self.forward(dtype)
        made: dict[str, Any] = {**self.start(values)}
        for name, function in self.gradients.items():
            who = f"{WHO}: gradient {name}"
            result = read_result(who, call(who, function, *self.views(values, made, name)))
            result.flags.writeable = False
            made[name] = result
        return Named({name: made[name] for name in self.gradients})

    def views(
        self, values: Mapping[str, Any], made: Mapping[str, Any], name: str = ""
    ) -> tuple[Handed, Handed]:
        """``v`` and ``d`` for the gradient of ``name``, if the gradients ``made`` exist already."""
        later = dict.fromkeys(self.gradients, "is made later: move that gradient up")
        later[name] = "is what this function makes"
        for line in (*self.skip, *(line for line in self.lines if line not in self.active)):
            later[line] = "has no gradient"
        later = {key: why for key, why in later.items() if key not in made}
        return Handed("v", values, {}, set()), Handed("d", made, later, set())

    def refuse_no_gradients(self, what: str) -> None:
        """Raise InputError if there are no hand-written gradients."""
        if not self.gradients:
            raise InputError(
                f"{WHO}: no gradients for {what}, wanted one for each of {', '.join(self.named)}: "
                "give them as gradients="
            )

    def check(self, dtype: str = "float64", seed: int = 0) -> LinesCheck:
        """Compare the hand-written gradients with numerical ones: ``line_check.check``."""
        from npnet.checks.line_check import check

        return check(self, dtype, seed)

    def numerical(self) -> Named:
        """The numerical gradients of a whole backward pass; hand-written ones are not used.

        They are computed by the complex step, or by differences for lines that do not work with
        complex numbers.
        """
        from npnet.checks.line_numerical import whole

        found = whole(self, self.values, self.start())
        return Named({name: derivative.gradient for name, derivative in found.items()})

    def planted(self, seed: int = 0) -> Planted:
        """Put mistakes into right gradients, and see which are found: ``planted.planted``."""
        from npnet.checks.planted import planted

        return planted(self, seed)

    def _run(self, given: Mapping[str, Any]) -> tuple[Named, dict[str, frozenset[str]]]:
        """The values of a forward pass, and the names that each line reads."""
        entries = dict(Named(given))
        later = dict.fromkeys(self.lines, "is made later: move that line up")
        reads = {}
        for name, function in self.lines.items():
            who = f"{WHO}: line {name}"
            later[name] = "is the result of this line itself"
            read: set[str] = set()
            result = read_result(who, call(who, function, Handed("v", entries, later, read)))
            if name in self._shapes and result.shape != self._shapes[name]:
                raise InputError(f"{who} has shape {result.shape}, wanted {self._shapes[name]}")
            if not result.size:
                raise InputError(f"{who} has shape {result.shape}, wanted some entries")
            result.flags.writeable = False
            entries[name] = result
            del later[name]
            reads[name] = frozenset(read)
        return Named(entries), reads

    def _refuse_other_numbers(self) -> None:
        again, _ = self._run({**self.inputs, **self.constants})
        for name in self.lines:
            if not np.array_equal(self.values[name], again[name], equal_nan=True):
                raise InputError(
                    f"{WHO}: line {name} gives other numbers when it runs again, wanted the same: "
                    "draw random numbers once, and make them an input"
                )
        self._refuse_not_finite(self.values)
        unread = self.inputs.keys() - frozenset().union(*self.reads.values())
        if unread:
            raise InputError(
                f"{WHO}: no line reads {', '.join(sorted(unread))}, wanted inputs that are read"
            )

    def _refuse_not_finite(self, values: Named) -> None:
        for name in self.lines:
            if values[name].dtype.kind == "f" and not (values[name] < np.inf).all():
                raise InputError(
                    f"{WHO}: line {name} holds nan or inf in {values[name].dtype}, wanted numbers "
                    "that can be differentiated (or -inf, where they are masked): take other inputs"
                )

    def _with_gradients(self) -> frozenset[str]:
        active = {name for name in self.inputs if name not in self.integers}
        for name, read in self.reads.items():
            if read & active and self.values[name].dtype.kind == "f":
                active.add(name)
        return frozenset(active)

    def _without(self) -> dict[str, str]:
        """The names without a hand-written gradient -> why."""
        why = dict.fromkeys(self.lines, "depends on no input that has a gradient, or is no float")
        why |= dict.fromkeys(self.skip, "is among skip")
        why |= dict.fromkeys(
            self.outputs,
            "is an output, where the backward pass begins: d has its upstream gradient",
        )
        why |= dict.fromkeys(self.integers, "is an integer, which is not differentiated")
        why |= dict.fromkeys(self.constants, "is a constant, which is not differentiated")
        return {name: reason for name, reason in why.items() if name not in self.named}

    def _outputs(self) -> tuple[str, ...]:
        read = frozenset().union(*self.reads.values())
        outputs = tuple(name for name in self.lines if name in self.active and name not in read)
        for name in self.skip:
            if name not in self.lines or name in outputs:
                raise InputError(
                    f"{WHO}: skip has {shown(name)}, wanted lines that other lines read"
                )
        if not outputs:
            raise InputError(
                f"{WHO}: no line of floats depends on an input of floats, wanted an output that "
                "can be differentiated"
            )
        return outputs

    def _refuse_missing_gradients(self) -> None:
        missing = [name for name in self.named if name not in self.gradients]
        if self.gradients and missing:
            raise InputError(
                f"{WHO}: no gradient for {', '.join(missing)}, wanted one for each line but the "
                'outputs and for each input of floats: write it; or skip=["NAME"] for a line whose '
                "gradient another one does without"
            )


def draw_upstream(values: Mapping[str, Any], seed: int) -> dict[str, Array]:
    """A random gradient for each value, in its shape and dtype: see ``Lines.upstream``."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, entry in values.items():
        value = np.asarray(entry)
        finite = value[np.isfinite(value)]  # masked entries are -inf
        normal = np.where(np.isfinite(value), rng.standard_normal(value.shape), 0)
        drawn[name] = np.asarray(normal / _size(finite), value.dtype)
    return drawn


def _size(values: Floats) -> float:
    """The root mean square; 1 for zeros. The inverse of it is a number of their dtype."""
    most = float(np.abs(values).max(initial=0))
    if not most:
        return 1.0
    # The squares of very large and very small numbers are none.
    size = most * float(np.sqrt(np.square(values / most, dtype=np.float64).mean()))
    return max(size, 1e3 * float(np.finfo(values.dtype).tiny))


def _is_floats(entry: Any) -> bool:
    return isinstance(entry, np.ndarray) and entry.dtype == np.float64
