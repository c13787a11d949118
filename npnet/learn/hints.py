"""Three hints for each exercise, from a question to the formula in index form."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from npnet.base.errors import InputError
from npnet.learn.exercises import Exercise
from npnet.learn.explain import WIDTH, commented
from npnet.learn.notation import docstring, forward_lines
from npnet.network.graph import readers
from npnet.network.names import NAMES

LEVELS = (1, 2, 3)

# How a step of a forward line is undone, by the step. `up` is what comes from above, the gradient
# of the step's result.
RULES = {
    ast.Add: "a sum hands up to each of its terms",
    ast.Sub: "a difference hands up to the first term and -up to the second",
    ast.Mult: "a product hands each factor up times the other factor",
    ast.Div: "a division by a constant divides up by it",
    ast.Pow: "x**p hands down up * p * x**(p - 1)",
    ast.MatMult: "a @ b hands a something of up and b, and b something of a and up: matrix "
    "products again, and with a transpose in the right place the shapes leave one way",
    ast.USub: "a minus sign turns the sign of up",
    ast.Subscript: "picking by index hands up to the entries that were picked; what was never "
    "picked gets 0, and what was picked several times gets the sum",
    "sum": "a sum over an axis hands every entry of that axis the same up",
    "mean": "a mean over k entries hands each of them up / k",
    "max": "a maximum hands up to the entry that won and 0 to the others",
    "reshape": "a reshape moves no number: up goes back into the old shape",
    "exp": "the derivative of exp is exp itself, which is at hand",
    "log": "the derivative of log x is 1/x",
    "tanh": "the derivative of tanh is 1 - tanh**2, and tanh is at hand",
}

# For what is undone at once there is no single step to ask about.
AT_ONCE = {
    "dlogits_at_once": """
With p the softmax of a row and y its target, the loss of the row is -log p[y]. Write it with the
logits alone. What is its derivative for logits[y], and for another logit?

-log p[y] = log(sum of exp(logits)) - logits[y]. The first part hands each logit its probability;
the second concerns the target alone. The loss is a mean over n rows.

dlogits[i,j] = (softmax(logits)[i,j] - (1 if j is Y[i] else 0)) / n
""",
    "dhprebn_at_once": """
One entry of hprebn reaches hpreact by three roads: itself, through the mean, through the variance.
What does each of them owe, if it is written with bnraw and bnvar_inv?

Put the lines for dbnraw, dbnvar_inv, dbnvar, dbndiff2, dbndiff, dbnmeani and dhprebn into each
other. bndiff * bnvar_inv is bnraw, and each column of bndiff sums to 0, which makes one of the
terms vanish.

dhprebn[i,k] = bngain[k] · bnvar_inv[k] / n · (n · dhpreact[i,k] - Σ_i dhpreact[i,k] - n/(n-1) ·
bnraw[i,k] · Σ_i dhpreact[i,k] · bnraw[i,k])
""",
    "backward": """
Which of the gradients do you need on the way from the loss to the seven parameters, and in which
order?

dlogits at once; then dh, dW2, db2; dhpreact; dbngain, dbnbias and dhprebn at once; then dembcat,
dW1, db1; demb and dC.

Your own functions of the exercises before will do: call them in that order, and return seven of
their results.
""",
}


def hint(exercise: Exercise, level: int, width: int = WIDTH) -> str:
    """A hint: 1 asks a question, 2 says how such a line is undone, 3 gives the formula.

    Its prose is wrapped to ``width``; code is left as it is.

    Raises:
        InputError: no such level.
    """
    if level not in LEVELS:
        raise InputError(f"hint: level {level}, wanted 1, 2 or 3")
    if exercise.name in AT_ONCE:
        return textwrap.fill(AT_ONCE[exercise.name].strip().split("\n\n")[level - 1], width)
    name = exercise.gradients[0]
    if level == 1:
        return "\n".join(_question(name, width))
    if level == 2:
        return "\n".join(_rules(name, width))
    parts = docstring(name)
    formula = [parts.derivation, *(f"Sum: {text}" for text in [parts.remarks.get("Sum")] if text)]
    return "\n".join(textwrap.fill(text, width) for text in formula)


def _question(name: str, width: int) -> Iterator[str]:
    roads = readers(name)
    for road in roads:
        yield f"    {commented(forward_lines()[road], road)}"
    shapes = " and of ".join(f"{road} {NAMES[road].shape}" for road in roads)
    question = (
        f"One entry of {name} {NAMES[name].shape} moves by a little. Which entries of {shapes} "
        f"move with it, and how far each?"
    )
    if len(roads) > 1:
        question += f" {name} is read {len(roads)} times: what becomes of the answers?"
    yield textwrap.fill(question, width)


def _rules(name: str, width: int) -> Iterator[str]:
    roads = readers(name)
    for road in roads:
        line = forward_lines()[road]
        yield f"    {commented(line, road)}"
        steps = [RULES[step] for step in steps_to(name, line)]
        text = f"up is d{road} {NAMES[road].shape}. From the outside in: " + "; ".join(steps)
        yield textwrap.fill(text + "." + _collected(name, road), width)
    if len(roads) > 1:
        yield "What comes by the roads adds up."


def _collected(name: str, road: str) -> str:
    """What is due where one number served many, as the shapes tell."""
    own, other = NAMES[name].axes, NAMES[road].axes
    padded = ("1",) * (len(other) - len(own)) + own
    served = [axis for mine, axis in zip(padded, other, strict=False) if mine == "1" != axis]
    broadcast = all(mine in ("1", axis) for mine, axis in zip(padded, other, strict=False))
    if not served or not broadcast:
        return ""
    kept = ", and keeps that axis" if len(own) == len(other) else ""
    return f" One number of {name} served all of {served[0]}: it collects their sum{kept}."


def steps_to(name: str, line: str) -> list[type[ast.AST] | str]:
    """The steps of a forward line that ``name`` goes through, the last one first."""
    tree = ast.parse(line).body[0]
    assert isinstance(tree, ast.Assign)
    node: ast.AST = tree.value
    steps: list[type[ast.AST] | str] = []
    while not (isinstance(node, ast.Name) and node.id == name):
        match node:
            case ast.BinOp() | ast.UnaryOp():
                steps.append(type(node.op))
            case ast.Call(func=ast.Attribute(attr=called)):
                steps.append(called)
            case ast.Subscript():
                steps.append(ast.Subscript)
        node = next(child for child in _parts(node) if _reads(child, name))
    return steps


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """What a piece of code is computed from; shapes that it asks for are no part."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.Call) and ast.unparse(child.func) == "len"):
            yield child


def _reads(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name
    return any(_reads(child, name) for child in _parts(node))
