"""The mutants of a module: its source with one small mistake each, as a programmer might make it.

Left alone are docstrings, annotations, decorators, strings, and everything that only words an
error: raise statements, f-strings, and what is prepared in a branch that ends in a raise.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

EXPLAINED = Path(__file__).with_name("mutants-explained.toml")

Key = tuple[str, str, str]  # module, function, the line as the mutant has it


class Mutant(NamedTuple):
    """One mistake: where it is, the lines it changes, and the module's source with it."""

    module: str
    function: str  # "Generator.rand"; outside of functions the name that is assigned to
    number: int  # of the first line that it changes
    before: str  # what stood there, without indentation and comments, on one line
    after: str  # what the mutant has instead; nothing else of it is different
    source: bytes

    @property
    def key(self) -> Key:
        """What it is known by in the explanations: no line number, which any edit would change."""
        return self.module, self.function, self.after


def explanations() -> dict[Key, str]:
    """Mutants that no test can tell from the original, and why."""
    entries = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["equivalent"]
    return {
        (entry["module"], entry["function"], " ".join(line.split())): entry["why"]
        for entry in entries
        for line in entry["lines"]
    }


OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMMUTATIVE = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr)

# Functions by their last name. Of two that are no operators, order does not matter.
FUNCTIONS = {
    "add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply",
    "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max",
    "argmax": "argmin", "argmin": "argmax", "sum": "mean", "mean": "sum", "cumsum": "cumprod",
    "any": "all", "all": "any", "zeros": "ones", "ones": "zeros",
    "zeros_like": "ones_like", "ones_like": "zeros_like", "sin": "cos", "cos": "sin",
    "exp": "log", "log": "exp",
}  # fmt: skip
UNSYMMETRIC = ("subtract", "divide")
# What needs no parentheses wherever it stands.
ATOMS = (ast.Constant, ast.Name, ast.Call, ast.Attribute, ast.Subscript)
# Methods that may be forgotten: what they are called on is used as it is.
FORGOTTEN = ("astype", "copy", "transpose")


def mutants(module: str, source: bytes) -> list[Mutant]:
    """All the mutants of a module, in the order of its lines, no two with the same source."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: dict[bytes, Mutant] = {}
    for function, node, text in _changes(ast.parse(source), ""):
        first = starts[node.lineno - 1]
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = first + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        last = starts[node.end_lineno]
        changed = source[first:begin] + text.encode() + source[end:last]
        mutant = source[:first] + changed + source[last:]
        before, after = (_one_line(lines) for lines in (source[first:last], changed))
        found.setdefault(mutant, Mutant(module, function, node.lineno, before, after, mutant))
    found.pop(source, None)
    return sorted(found.values(), key=lambda mutant: mutant.number)


def _one_line(lines: bytes) -> str:
    """The code on one line; comments, which may be reworded, are left out."""
    return " ".join(
        " ".join(line.partition("  #")[0] for line in lines.decode().splitlines()).split()
    )


def _changes(
    node: ast.AST, function: str, parent: ast.AST | None = None
) -> Iterator[tuple[str, ast.expr | ast.stmt, str]]:
    """Every change below a node: the function it is in, what is replaced, and by which text."""
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.Expr(value=ast.Constant()):
            return
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            function = f"{function}.{name}".removeprefix(".")
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            function = function or name
        case _:
            pass
    if isinstance(node, ast.stmt):
        for statement in _statements(node):
            yield function, node, ast.unparse(statement)
    elif isinstance(node, ast.expr):
        alone = parent is None or isinstance(parent, ast.stmt | ast.keyword | ast.Call)
        for expression in _expressions(node, parent):
            atom = isinstance(expression, ATOMS)
            text = ast.unparse(expression)
            yield function, node, text if alone or atom else f"({text})"
    for child in _children(node):
        yield from _changes(child, function, node)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.FunctionDef(args=arguments, body=body):
            yield from (default for default in arguments.kw_defaults if default is not None)
            yield from arguments.defaults
            yield from body
        case ast.ClassDef(body=body):
            yield from body
        case ast.AnnAssign(value=value):
            yield from () if value is None else (value,)
        case ast.If(test=test, body=[*_, ast.Raise()], orelse=orelse):
            yield from (test, *orelse)
        case ast.ExceptHandler(body=[*_, ast.Raise()]):
            return
        case ast.BinOp() if _is_number(node):
            return
        case ast.Call(func=ast.Attribute(attr="reshape") as method, args=arguments):
            # To NumPy any negative size is the one that is left.
            yield from (method, *(size for size in arguments if ast.unparse(size) != "-1"))
        case _:
            yield from ast.iter_child_nodes(node)


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """What may stand in a statement's place: mostly nothing."""
    match node:
        case ast.AugAssign(target=target, op=op, value=value):
            yield ast.Pass()
            yield ast.Assign([target], value, lineno=0)
            yield from (ast.AugAssign(target, other, value) for other in _others(op))
        case (
            ast.Expr(value=ast.Call())
            | ast.Assign(targets=[ast.Attribute() | ast.Subscript()])
            | ast.If(orelse=[])
            | ast.Break()
            | ast.Continue()
        ):
            yield ast.Pass()
        case _:
            pass


def _expressions(node: ast.expr, parent: ast.AST | None) -> Iterator[ast.expr]:
    """What may stand in an expression's place."""
    match parent:
        case ast.comprehension(ifs=conditions) if node in conditions:
            yield ast.Constant(True)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if node is test:
            yield ast.UnaryOp(ast.Not(), node)
        case _:
            pass
    match node:
        case ast.BinOp() if _is_number(node):  # 1 << 15 is one constant
            yield from (ast.Constant(other) for other in _constants(_number(node)))
        case ast.BinOp(left=left, op=op, right=right):
            yield from (left, right)
            yield from (ast.BinOp(left, other, right) for other in _others(op))
            squared = isinstance(op, ast.Sub) and isinstance(parent, ast.BinOp) and _is_2(parent)
            if not isinstance(op, COMMUTATIVE) and not squared:
                yield ast.BinOp(right, op, left)
        case ast.BoolOp(op=op, values=values):
            yield from (ast.BoolOp(other, values) for other in _others(op))
            for place in range(len(values)):
                yield _without_one(values, place, op)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for place, compared in enumerate(ops):
                for other in _others(compared):
                    yield ast.Compare(left, [*ops[:place], other, *ops[place + 1 :]], comparators)
        case ast.Attribute(value=value, attr="T"):
            yield value
        case ast.Call():
            yield from _calls(node)
        case ast.Constant(value=value):
            yield from (ast.Constant(other) for other in _constants(value))
        case _:
            pass


def _calls(call: ast.Call) -> Iterator[ast.expr]:
    function, arguments, keywords = call.func, call.args, call.keywords
    name = getattr(function, "attr", getattr(function, "id", ""))
    if isinstance(function, ast.Attribute):
        if name in FUNCTIONS:
            other = ast.Attribute(function.value, FUNCTIONS[name], ast.Load())
            yield ast.Call(other, arguments, keywords)
        if name in FORGOTTEN:
            yield function.value
        if isinstance(function.value, ast.Name) and function.value.id in ("np", "math"):
            # The function is forgotten, its argument stays.
            yield from arguments if len(arguments) == 1 and not keywords else ()
    elif name in FUNCTIONS:
        yield ast.Call(ast.Name(FUNCTIONS[name], ast.Load()), arguments, keywords)
    if name in UNSYMMETRIC:
        one, two, *rest = arguments
        yield ast.Call(function, [two, one, *rest], keywords)
    for keyword in keywords:  # that of a bool is mutated itself
        if keyword.arg is not None and not isinstance(keyword.value, ast.Constant):
            yield ast.Call(function, arguments, [kept for kept in keywords if kept is not keyword])


def _is_number(node: ast.expr) -> bool:
    """Whether an expression is made of numbers alone."""
    parts = (part for part in ast.walk(node) if isinstance(part, ast.expr))
    return all(isinstance(part, ast.Constant | ast.BinOp | ast.UnaryOp) for part in parts)


def _number(node: ast.expr) -> object:
    return eval(compile(ast.Expression(node), "<number>", "eval"))


def _is_2(power: ast.BinOp) -> bool:
    return isinstance(power.op, ast.Pow) and ast.unparse(power.right) == "2"


def _without_one(values: list[ast.expr], place: int, op: ast.boolop) -> ast.expr:
    rest = [*values[:place], *values[place + 1 :]]
    return rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)


def _others(op: ast.AST) -> Iterator[Any]:
    return (other() for other in OPERATORS.get(type(op), ()))


def _constants(value: object) -> tuple[bool | int | float, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return value + 1, value - 1
        case float():
            return (-value, value * 1.01) if value else (1.0,)
    return ()
