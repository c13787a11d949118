"""Three hints for each exercise: a question, the rules for its line, the formula in index form.

The second and the third end with an example in numbers, so that a formula can be tried on paper.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from npnet.base.errors import InputError
from npnet.learn.exercises import Exercise
from npnet.learn.explain import WIDTH, commented, question
from npnet.learn.notation import docstring, forward_lines
from npnet.learn.worked_examples import in_numbers
from npnet.network.graph import readers
from npnet.network.names import NAMES

LEVELS = (1, 2, 3)

# What each step of a forward line does to a gradient in the backward pass. `g` is the upstream
# gradient, which is the gradient of the step's result.
RULES = {
    ast.Add: "a sum passes g to each of its terms",
    ast.Sub: "a difference passes g to the first term and -g to the second",
    ast.Mult: "a product passes to each factor g times the other factor",
    ast.Div: "a division by a constant divides g by it",
    ast.Pow: "the derivative of x**p is p * x**(p - 1)",
    ast.MatMult: "a @ b passes to a a matrix product of g and b, and to b one of a and g; with a "
    "transpose in the right place, only one way fits the shapes",
    ast.USub: "a minus sign changes the sign of g",
    ast.Subscript: "indexing passes g to the entries that were picked; an entry that was never "
    "picked gets 0, and one that was picked several times gets the sum",
    "sum": "a sum over an axis passes the same g to every entry of that axis",
    "mean": "a mean over k entries passes g / k to each of them",
    "max": "a maximum passes g to the largest entry and 0 to the others",
    "reshape": "a reshape moves no number: g goes back into the old shape",
    "exp": "the derivative of exp(x) is exp(x), which the forward pass has computed",
    "log": "the derivative of log(x) is 1 / x",
    "tanh": "the derivative of tanh(x) is 1 - tanh(x)**2, and the forward pass has computed tanh",
}

# The fused exercises have several steps at once, and hints of their own.
AT_ONCE = {
    "dlogits_at_once": """
With p the softmax of a row and y its target, the loss of the row is -log p[y]. Write it with the
logits alone. What is its derivative with respect to logits[y], and to another logit?

-log p[y] = log(sum of exp(logits)) - logits[y]. The derivative of the first part for
each logit is its probability;
the second concerns the target alone. The loss is a mean over n rows.

dlogits[i,j] = (softmax(logits)[i,j] - (1 if j is Y[i] else 0)) / n
""",
    "dhprebn_at_once": """
Three paths lead from one entry of hprebn to hpreact: directly, through the mean, and through the
variance. What is the gradient of each path, written with bnraw and bnvar_inv?

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
    """A hint: 1 asks a question, 2 gives the rules for such a line, 3 gives the formula.

    Hints 2 and 3 end with the same example in numbers. Prose is wrapped to ``width``; code is not.

    Raises:
        InputError: there is no such level.
    """
    if level not in LEVELS:
        raise InputError(f"hint: level {level}, wanted 1, 2 or 3")
    words = _words(exercise, level, width)
    return words if level == 1 else f"{words}\n\n{in_numbers(exercise, width)}"


def _words(exercise: Exercise, level: int, width: int) -> str:
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
    lines = readers(name)
    for reader in lines:
        yield f"    {commented(forward_lines()[reader], reader)}"
    yield textwrap.fill(question(name), width)


def _rules(name: str, width: int) -> Iterator[str]:
    lines = readers(name)
    for reader in lines:
        line = forward_lines()[reader]
        yield f"    {commented(line, reader)}"
        steps = [RULES[step] for step in steps_to(name, line)]
        text = f"The upstream gradient g is d{reader} {NAMES[reader].shape}. From the outside in: "
        yield textwrap.fill(text + "; ".join(steps) + "." + _summed(name, reader), width)
    if len(lines) > 1:
        yield "The gradients of the two paths are added."


def _summed(name: str, reader: str) -> str:
    """A sentence on the axis over which a gradient is summed, because the value was broadcast."""
    own, other = NAMES[name].axes, NAMES[reader].axes
    padded = ("1",) * (len(other) - len(own)) + own
    repeated = [axis for mine, axis in zip(padded, other, strict=False) if mine == "1" != axis]
    broadcast = all(mine in ("1", axis) for mine, axis in zip(padded, other, strict=False))
    if not repeated or not broadcast:
        return ""
    kept = ", which is kept with length 1" if len(own) == len(other) else ""
    axis = repeated[0]
    return f" {name} is broadcast over {axis}, so its gradient is summed over that axis{kept}."


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
    """The names that a piece of code is computed from; names used only for a shape do not count."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.Call) and ast.unparse(child.func) == "len"):
            yield child


def _reads(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name
    return any(_reads(child, name) for child in _parts(node))
