"""The exercises of the lecture, and the sheet that contains them."""

import ast
import re
import shlex
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.base.files import unwritable
from npnet.base.suggestions import unknown
from npnet.learn.explain import commented, read_by
from npnet.learn.notation import backward_lines, code_of, forward_lines, statements
from npnet.network.forward import Values
from npnet.network.fused import BatchNormSaved, batch_norm_backward, cross_entropy
from npnet.network.gradients import GRADIENTS, Gradients, backward
from npnet.network.names import NAMES, PARAMETER_NAMES


@dataclass(frozen=True)
class Exercise:
    """One function that the learner is to write.

    Attributes:
        name: the name of the function, such as ``dprobs``.
        part: which of the lecture's four exercises it belongs to.
        task: the task, which is the docstring of the stub.
        gradients: the names whose gradients the function returns; most functions return one.
        reads: the names that ``v`` has for it.
        upstream: the names that ``d`` has for it, in addition to ``loss``.
        solution: our function of ``v`` and ``d``; it returns a tuple with one array for each
            gradient.
        code: our solution in the lecture's notation, one entry for each statement.
    """

    name: str
    part: int
    task: str
    gradients: tuple[str, ...]
    reads: tuple[str, ...]
    upstream: tuple[str, ...]
    solution: Callable[[Values, Gradients], tuple[Array, ...]]
    code: tuple[str, ...]


PARTS = (
    "the 26 lines, one at a time",
    "softmax and cross-entropy at once",
    "batch normalisation at once",
    "training with a backward pass of your own",
)

BATCH = ("X", "Y", "eps")
BATCH_NORM = (
    *("hprebn", "bnmeani", "bndiff", "bndiff2", "bnvar", "bnvar_inv", "bnraw", "hpreact"),
    *("bngain", "bnbias", "eps"),
)


def _line(name: str) -> Exercise:
    order = tuple(GRADIENTS)
    return Exercise(
        name=f"d{name}",
        part=1,
        task=f"{name} {NAMES[name].shape}, read by:\n\n    "
        + "\n    ".join(read_by(name))
        + "\n    ",
        gradients=(name,),
        reads=(*NAMES, *BATCH),
        upstream=order[: order.index(name)],
        solution=lambda v, d: (GRADIENTS[name](v, d),),
        code=backward_lines()[name],
    )


def _from_n(function: Callable[..., object]) -> tuple[str, ...]:
    """The statements of a fused function, without those that read its arguments."""
    code = statements(function)
    first = next(place for place, line in enumerate(code) if line.startswith("n"))
    return code[first:]


def _batch_norm(v: Values, d: Gradients) -> tuple[Array]:
    saved = BatchNormSaved(v.bnraw, v.bnvar_inv, v.bngain)
    return (batch_norm_backward(d.hpreact, saved)[0],)


def _seven(v: Values, d: Gradients) -> tuple[Array, ...]:
    gradients = backward(v)
    return tuple(gradients[name] for name in PARAMETER_NAMES)


EXERCISES: Mapping[str, Exercise] = MappingProxyType(
    {
        exercise.name: exercise
        for exercise in (
            *map(_line, GRADIENTS),
            Exercise(
                name="dlogits_at_once",
                part=2,
                task=f"dlogits {NAMES['logits'].shape} from v.logits and v.Y alone",
                gradients=("logits",),
                reads=("logits", "Y"),
                upstream=(),
                solution=lambda v, d: (cross_entropy(v.logits, v.Y)[1],),
                code=_from_n(cross_entropy),
            ),
            Exercise(
                name="dhprebn_at_once",
                part=3,
                task=f"dhprebn {NAMES['hprebn'].shape} from d.hpreact and the values of the "
                "normalisation alone",
                gradients=("hprebn",),
                reads=BATCH_NORM,
                upstream=("hpreact",),
                solution=_batch_norm,
                code=_from_n(batch_norm_backward),
            ),
            Exercise(
                name="backward",
                part=4,
                task=f"the gradients of {', '.join(PARAMETER_NAMES)}, in this order",
                gradients=PARAMETER_NAMES,
                reads=(*NAMES, *BATCH),
                upstream=(),
                solution=_seven,
                code=tuple(line for lines in backward_lines().values() for line in lines),
            ),
        )
    }
)


def find(name: str, who: str) -> Exercise:
    """The exercise with this name, which may or may not begin with the lecture's d.

    Raises:
        InputError: there is none; the message begins with ``who``.
    """
    exercise = EXERCISES.get(name) or EXERCISES.get(f"d{name}")
    if exercise is None:
        raise unknown(who, name, EXERCISES)
    return exercise


HEAD = '''"""The backward pass by hand: {count} functions to write, in any order.

Judge them, each alone:     npnet exercise check {file}
Ask for a hint:             npnet exercise hint dcounts

Every function gets v, the values of the forward pass below (v.probs, v.W2, v.X), and d, the
gradients that are computed before it (d.logprobs, d.probs); d.loss is 1. It returns the gradient of
the loss with respect to its value: a new array in the shape and dtype of that value. Every line
that reads a value begins a path from it to the loss. What a function prints is shown with its
verdict; what is printed outside the functions is not.

{network}
"""

import numpy as np
'''

NETWORK = """\
n rows of the batch, T characters of context, E numbers for each character, H hidden units,
V characters in all; X (n, T) and Y (n,) hold character indices, eps is a number:

    {parameters}

{forward}"""

STUB = '''

def {name}(v, d):
    """{task}"""
    ...
'''


def network_in_words() -> str:
    """The axis letters, the parameters and the forward lines, with their shapes."""
    parameters = ", ".join(f"{name} {NAMES[name].shape}" for name in PARAMETER_NAMES)
    width = max(map(len, forward_lines().values()))
    forward = "\n".join(
        f"    {commented(line, name, width)}" for name, line in forward_lines().items()
    )
    return NETWORK.format(parameters=parameters, forward=forward)


def sheet(file: str = "exercises.py") -> str:
    """The text of a new sheet, to be saved under the name ``file``."""
    name = shlex.quote(file)
    parts = [HEAD.format(count=len(EXERCISES), file=name, network=network_in_words())]
    for number, title in enumerate(PARTS, 1):
        parts.append(f"\n\n# Exercise {number}: {title}.\n")
        parts += [
            STUB.format(name=exercise.name, task=exercise.task)
            for exercise in EXERCISES.values()
            if exercise.part == number
        ]
    return "".join(parts)


def write_sheet(path: Path) -> None:
    """Write a new sheet to ``path``.

    Raises:
        InputError: ``path`` exists already (it is not changed), or the file cannot be written.
    """
    write_new(path, sheet(path.name))


def write_new(path: Path, text: str) -> None:
    """Write a text to a new file.

    Raises:
        InputError: ``path`` exists already (it is not changed), or the file cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(
            f"{path}: exists already, wanted a new name: no sheet is ever overwritten"
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error


def shown_solution(exercise: Exercise) -> str:
    """Our own code for an exercise: a function of ``v`` and ``d`` to paste into a sheet."""
    if exercise.part == 1:
        return code_of(GRADIENTS[exercise.gradients[0]])
    code = "\n".join(line for line in exercise.code if not line.startswith("loss ="))
    read = [node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    made = re.findall(r"^(\w+) =", code, re.MULTILINE)
    names = [name for name in dict.fromkeys(read) if name not in made]
    first = [f"{name} = v.{name}" for name in names if name in exercise.reads]
    first += [f"d{name} = d.{name}" for name in ("loss", *exercise.upstream) if f"d{name}" in names]
    results = ", ".join(f"d{name}" for name in exercise.gradients)
    result = f"return [{results}]" if len(exercise.gradients) > 1 else f"return {results}"
    body = textwrap.indent("\n".join([*first, code, result]), "    ")
    return f"def {exercise.name}(v, d):\n{body}"
