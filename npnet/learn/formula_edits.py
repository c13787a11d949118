"""Single edits that make a formula wrong: each replaces a piece of code."""

from __future__ import annotations

import ast
from itertools import product
from typing import cast

from npnet.learn.bracket_edits import brackets
from npnet.learn.exercises import Exercise
from npnet.learn.grading_inputs import RECIPE
from npnet.network.names import NAMES

# Exponents that people confuse with each other.
POWERS = (1, 2, 3, -1, -2, -3, 0.5, -0.5, 1.5, -1.5, -2.5)

# Wrong things that people do with an upstream gradient before they use it, and the words for them.
REDUCED = {
    ".mean()": "the mean of all {0} stands where {0} belongs",
    ".sum()": "the sum of all {0} stands where {0} belongs",
    ".mean(0)": "the mean of {0} over the rows stands where {0} belongs",
    ".sum(0)": "the sum of {0} over the rows stands where {0} belongs",
    "[:1]": "only the first row of {0} is used, for all rows",
    "[-1:]": "only the last row of {0} is used, for all rows",
    ".T": "{0} is transposed",
}

# The kind of mistake, the mistake in words, and the code that replaces a piece.
Change = tuple[str, str, ast.expr]


def called(node: ast.Call) -> str:
    """The name of the called function, without everything before its last dot."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)


def changes(node: ast.expr, exercise: Exercise) -> list[Change]:
    """The wrong edits that people make in a piece of an exercise's solution."""
    return [*_changes(node, exercise), *brackets(node)]


def _changes(node: ast.expr, exercise: Exercise) -> list[Change]:
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            return _of_sum(node, exercise)
        case ast.BinOp(op=ast.Mult()):
            return _of_product(node, exercise)
        case ast.BinOp(op=ast.Div()):
            return _of_quotient(node, exercise)
        case ast.BinOp(op=ast.Pow()):
            return _of_power(node)
        case ast.BinOp(op=ast.MatMult()):
            return _of_matrix_product(node)
        case ast.UnaryOp(op=ast.USub()):
            return [("sign", "the minus sign is missing", node.operand)]
        case ast.Call(func=ast.Attribute(attr="sum"), args=[_]):
            return _of_total(node)
        case ast.Call(func=ast.Attribute(attr="reshape", value=unshaped)):
            return [("shape", "the reshape is missing", unshaped)]
        case ast.Call(func=ast.Name(id="len")):
            return _of_length(node, exercise)
        case ast.Name(id="n"):
            return _of_length(node, exercise)
        case ast.Name():
            return _of_name(node, exercise)
        case ast.Constant(value=int() | float()):
            return _of_number(node)
    return []


def _of_sum(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    minus = isinstance(node.op, ast.Sub)
    if minus and ast.unparse(left).startswith(("n", "len(")) and ast.unparse(right) == "1":
        return [("n", "n stands where n - 1 belongs", left)]
    other = ast.UnaryOp(ast.USub(), right) if minus else right
    turned = ast.BinOp(left, ast.Add() if minus else ast.Sub(), right)
    return [
        (*_missing_term(right, left, exercise), left),
        (*_missing_term(left, right, exercise), other),
        ("sign", f"the sign before {ast.unparse(right)} is wrong", turned),
        *_of_shares(node, exercise),
        *_of_terms(node),
    ]


def _of_shares(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    """A path through a sum that is divided as if the sum were a mean."""
    name = exercise.gradients[0]
    if not _upstream(node.right, exercise):
        return []
    return [
        (
            "share",
            f"the path of a sum is divided like that of a mean: 1/{letter} does not belong there",
            ast.BinOp(
                node.left,
                node.op,
                ast.BinOp(node.right, ast.Div(), ast.parse(code, mode="eval").body),
            ),
        )
        for letter, code in (("V", f"{name}.shape[1]"), ("n", f"len({name})"))
    ]


def _of_terms(node: ast.BinOp) -> list[Change]:
    """Two terms that are multiplied, or one of them added twice."""
    left, right = node.left, node.right
    two = ast.Constant(2)
    found: list[Change] = [
        ("twice", f"{ast.unparse(right)} is added twice",
         ast.BinOp(left, node.op, ast.BinOp(two, ast.Mult(), right))),
    ]  # fmt: skip
    if not isinstance(left, ast.Constant):
        twice = ast.BinOp(ast.BinOp(two, ast.Mult(), left), node.op, right)
        found.append(("twice", f"{ast.unparse(left)} is added twice", twice))
        said = "the two terms are multiplied, but they must be added"
        found.append(("product", said, ast.BinOp(left, ast.Mult(), right)))
    return found


def _missing_term(gone: ast.expr, kept: ast.expr, exercise: Exercise) -> tuple[str, str]:
    text, paths = ast.unparse(gone), _upstream(gone, exercise)
    if paths and _upstream(kept, exercise):
        return "path", f"the path through {paths[-1]} is missing"
    return ("eps" if text == "eps" else "term"), f"{text} is missing"


def _of_product(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    return [
        (*_missing_factor(right, exercise), left),
        (*_missing_factor(left, exercise), right),
        _instead(node, ast.BinOp(left, ast.Div(), right), "inverse"),
        ("product", "a sum stands where the product belongs", ast.BinOp(left, ast.Add(), right)),
    ]


def _missing_factor(gone: ast.expr, exercise: Exercise) -> tuple[str, str]:
    if isinstance(gone, ast.Call) and called(gone) == "ones_like":
        return "spread", "one row stands where each of the n rows gets its own"
    upstream = _upstream(gone, exercise)
    if upstream:
        return "upstream", f"the upstream gradient d{upstream[-1]} is left out"
    return "factor", f"the factor {ast.unparse(gone)} is missing"


def _of_quotient(node: ast.BinOp, exercise: Exercise) -> list[Change]:
    left, right = node.left, node.right
    found: list[Change] = [
        ("factor", f"the division by {ast.unparse(right)} is missing", left),
        _instead(node, ast.BinOp(left, ast.Mult(), right), "inverse"),
        _instead(node, ast.BinOp(right, ast.Div(), left), "inverse"),
    ]
    if _upstream(left, exercise):
        alone = ast.BinOp(ast.Constant(1), ast.Div(), right)
        found.append((*_missing_factor(left, exercise), alone))
    for function in ("log", "exp", "tanh"):
        call = ast.Call(ast.Name(f"np.{function}"), [right], [])
        said = f"the function np.{function} itself stands where its derivative belongs"
        found.append(("function", said, ast.BinOp(left, ast.Mult(), call)))
    if not isinstance(right, ast.Call):
        more = ast.BinOp(right, ast.Add(), ast.Constant(1))
        found.append((*_instead(right, more, "extra")[:2], ast.BinOp(left, ast.Div(), more)))
        total = _summed(right, 1)
        found.append((*_instead(right, total, "extra")[:2], ast.BinOp(left, ast.Div(), total)))
    return found


def _summed(node: ast.expr, axis: int) -> ast.expr:
    call = cast(ast.Call, ast.parse(f"x.sum({axis}, keepdims=True)", mode="eval").body)
    call.func = ast.Attribute(node, "sum")
    return call


def _of_power(node: ast.BinOp) -> list[Change]:
    old = ast.literal_eval(node.right)
    root = ast.Call(ast.Name("np.sqrt"), [node.left], [])
    log = ast.Call(ast.Name("np.log"), [node.left], [])
    found: list[Change] = [
        ("root", "a square root does not belong there", ast.BinOp(root, ast.Pow(), node.right)),
        ("function", "a logarithm stands where a power belongs", log),
        _instead(node, ast.BinOp(node.right, ast.Mult(), node.left), "coefficient"),
    ]
    return found + [
        ("power", f"the power {old} is missing", node.left)
        if power == 1
        else ("power", f"the power {power} stands where {old} belongs",
              ast.BinOp(node.left, ast.Pow(), ast.Constant(power)))
        for power in POWERS
        if power != old
    ]  # fmt: skip


def _of_matrix_product(node: ast.BinOp) -> list[Change]:
    found: list[Change] = []
    lefts = (node.left, _transposed(node.left))
    rights = (node.right, _transposed(node.right))
    for left, right in product(lefts, rights):
        wrong = [
            f"{ast.unparse(new)} stands where {ast.unparse(old)} belongs"
            for old, new in ((node.left, left), (node.right, right))
            if old is not new
        ]
        said = " and ".join(wrong)
        if wrong:
            found.append(("transpose", said, ast.BinOp(left, ast.MatMult(), right)))
        swapped = "the factors changed places" + (f"; {said}" if wrong else "")
        found.append(("transpose", swapped, ast.BinOp(right, ast.MatMult(), left)))
        entrywise = "the entries are multiplied where a matrix product belongs"
        found.append(("entrywise", entrywise, ast.BinOp(left, ast.Mult(), right)))
    return found + _of_sums_and_shapes(node)


def _of_sums_and_shapes(node: ast.BinOp) -> list[Change]:
    """A matrix product with a reshape for the transpose, or replaced by a product of two sums."""
    left, right = node.left, node.right
    found: list[Change] = []
    for side, other in ((left, right), (right, left)):
        if isinstance(side, ast.Attribute) and side.attr == "T":
            name = ast.unparse(side.value)
            shaped = ast.parse(f"({name}).reshape(({name}).shape[::-1])", mode="eval").body
            both = (shaped, other) if side is left else (other, shaped)
            said = f"a reshape stands where the transpose {name}.T belongs"
            found.append(("reshape", said, ast.BinOp(both[0], ast.MatMult(), both[1])))
    a, b = ast.unparse(left), ast.unparse(right)
    for method in ("sum", "mean"):
        text = f"({a}).{method}(1, keepdims=True) * ({b}).sum(0)"
        said = f"the product of two {method}s stands where the sum of products belongs"
        if method == "mean":
            said = "the product of a mean and a sum stands where the sum of products belongs"
        found.append(("sums", said, ast.parse(text, mode="eval").body))
    return found


def _transposed(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T")


def _of_total(node: ast.Call) -> list[Change]:
    base = cast(ast.Attribute, node.func).value
    axis, kept = ast.literal_eval(node.args[0]), bool(node.keywords)

    def total(method: str, axis: int, keepdims: bool) -> ast.expr:
        text = f"x.{method}({axis}{', keepdims=True' if keepdims else ''})"
        call = cast(ast.Call, ast.parse(text, mode="eval").body)
        call.func = ast.Attribute(base, method)
        return call

    sums: list[Change] = []
    if isinstance(base, ast.BinOp) and isinstance(base.op, ast.Mult):
        keep = ", keepdims=True" if kept else ""
        a, b = (f"({ast.unparse(side)}).sum({axis}{keep})" for side in (base.left, base.right))
        said = "the product of two sums stands where the sum of products belongs"
        sums.append(("sums", said, ast.parse(f"{a} * {b}", mode="eval").body))
        text = f"(({ast.unparse(base.left)}).T @ ({ast.unparse(base.right)})).sum({axis}{keep})"
        said = "a matrix product stands where a product of entries belongs"
        sums.append(("sums", said, ast.parse(text, mode="eval").body))
    return [
        *sums,
        *(
            ("extreme", f"{method} stands where the sum belongs", total(method, axis, kept))
            for method in ("max", "min")
        ),
        (
            "keepdims",
            f"keepdims=True {'is missing' if kept else 'does not belong there'}",
            total("sum", axis, not kept),
        ),
        ("mean", "a mean stands where the sum belongs", total("mean", axis, kept)),
        (
            "axis",
            f"the sum runs over axis {1 - axis} where axis {axis} belongs",
            total("sum", 1 - axis, kept),
        ),
        ("sum", f"the sum over axis {axis} is missing", base),
        (
            "axis",
            f"all is summed where the sum over axis {axis} belongs",
            ast.Call(ast.Attribute(base, "sum"), [], []),
        ),
    ]


def _of_length(node: ast.expr, exercise: Exercise) -> list[Change]:
    text, name = ast.unparse(node), exercise.gradients[0]
    return [
        ("n", f"{words} stands where n belongs", ast.parse(code, mode="eval").body)
        for words, code in (
            (str(RECIPE.batch), str(RECIPE.batch)),
            ("n - 1", f"({text} - 1)"),
            ("the number of columns", f"{name}.shape[1]"),
            ("the number of all entries", f"{name}.size"),
        )
    ]


def _of_name(node: ast.Name, exercise: Exercise) -> list[Change]:
    name = node.id
    upstream = name[1:] in exercise.upstream and name[0] == "d"
    if not upstream and (name not in exercise.reads or name not in NAMES):
        return []
    axes = NAMES[name[1:] if upstream else name].axes
    found: list[Change] = []
    if upstream:
        ones = ast.Call(ast.Name("np.ones_like"), [node], [])
        found.append(("upstream", f"the upstream gradient {name} is left out", ones))
        found += [
            (
                "extra",
                f"{value} is an extra factor",
                ast.BinOp(node, ast.Mult(), ast.Name(value)),
            )
            for value in exercise.reads
            if value in NAMES and _alike(axes, NAMES[value].axes)
        ]
        found.append(_instead(node, ast.BinOp(node, ast.Pow(), ast.Constant(2)), "extra"))
        found.append(_instead(node, ast.BinOp(ast.Constant(1), ast.Div(), node), "extra"))
        exp = ast.Call(ast.Name("np.exp"), [node], [])
        found.append(_instead(node, exp, "extra"))
        found += [
            ("reduced", said.format(name), ast.parse(f"{name}{code}", mode="eval").body)
            for code, said in REDUCED.items()
        ]
        if name[1:] in exercise.reads:
            value = ast.Name(name[1:])
            said = f"{name[1:]}, the value, stands where its gradient {name} belongs"
            found.append(("name", said, value))
    else:
        ones = ast.Call(ast.Name("np.ones_like"), [node], [])
        found.append(("ones", f"the factor {name} is left out: ones stand there", ones))
        if len(axes) == 2 and axes[0] == "1":
            total = ast.parse(f"{name}.sum()", mode="eval").body
            found.append(_instead(node, total, "reduced"))
        square = ast.BinOp(node, ast.Pow(), ast.Constant(2))
        inverse = ast.BinOp(ast.Constant(1), ast.Div(), node)
        found += [_instead(node, square, "power"), _instead(node, inverse, "inverse")]
        for function in ("exp", "log", "tanh", "sqrt"):
            call = ast.Call(ast.Name(f"np.{function}"), [node], [])
            found.append(_instead(node, call, "function"))
        if name == "h":
            slope = ast.parse("(1 - h**2)", mode="eval").body
            found.append(("function", "the derivative of tanh stands where h belongs", slope))
    values = [other for other in exercise.reads if other in NAMES]
    for other, name_of in (
        *((f"d{other}", other) for other in exercise.upstream),
        *((other, other) for other in values),
    ):
        if other != name and _alike(axes, NAMES[name_of].axes):
            found.append(_instead(node, ast.Name(other), "name"))
    return found


def _alike(axes: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether one shape works in place of the other: equal, or with one axis broadcast."""
    differ = [pair for pair in zip(axes, others, strict=False) if len({*pair}) > 1]
    return len(axes) == len(others) and len(differ) < 2 and all("1" in pair for pair in differ)


def _of_number(node: ast.Constant) -> list[Change]:
    old = cast(float, node.value)
    others = dict.fromkeys((2 * old, old / 2, -old, 1 / old)) if old else {}
    return [_instead(node, ast.Constant(new), "factor") for new in others if new != old]


def _instead(old: ast.expr, new: ast.expr, kind: str) -> Change:
    return kind, f"{ast.unparse(new)} stands where {ast.unparse(old)} belongs", new


def _upstream(node: ast.AST, exercise: Exercise) -> list[str]:
    """The upstream gradients that a piece of code reads, without their d."""
    names = (child.id[1:] for child in ast.walk(node) if isinstance(child, ast.Name))
    return [name for name in names if name in exercise.upstream]
