"""Gradient modes, the default number type and its like: the stand-in does what torch does."""

import types
from typing import Any

import pytest

import npnet.tensors

torch: Any = pytest.importorskip("torch")

PROGRAMS = {
    "no_grad around a block": "with torch.no_grad():\n    r = (x * 2).requires_grad",
    "no_grad as a decorator": (
        "@torch.no_grad()\ndef f():\n    return (x * 2).requires_grad\nr = f()"
    ),
    "no_grad without brackets": (
        "@torch.no_grad\ndef f():\n    return (x * 2).requires_grad\nr = f()"
    ),
    "a generator": (
        "@torch.no_grad()\ndef steps():\n    for k in range(3):\n"
        "        yield (x * k).requires_grad\n    return 5\n"
        "r = [(one, (x * 1).requires_grad) for one in steps()]"
    ),
    "enable_grad inside": (
        "with torch.no_grad():\n    with torch.enable_grad():\n        r = (x * 2).requires_grad"
    ),
    "enable_grad as a decorator": (
        "@torch.enable_grad()\ndef f():\n    return (x * 2).requires_grad\n"
        "with torch.no_grad():\n    r = f(), torch.is_grad_enabled()"
    ),
    "inference_mode": "with torch.inference_mode():\n    r = (x * 2).requires_grad",
    "set as a statement": (
        "torch.set_grad_enabled(False)\nr = (x * 2).requires_grad\ntorch.set_grad_enabled(True)"
    ),
    "set around a block": (
        "with torch.set_grad_enabled(False):\n    r = (x * 2).requires_grad\n"
        "r = r, torch.is_grad_enabled()"
    ),
    "set as a decorator": (
        "@torch.set_grad_enabled(False)\ndef f():\n    return (x * 2).requires_grad\n"
        "r = f(), torch.is_grad_enabled()"
    ),
    "left by an exception": (
        "try:\n    with torch.no_grad():\n        1 / 0\nexcept ZeroDivisionError:\n"
        "    r = torch.is_grad_enabled()"
    ),
    "nested": (
        "with torch.no_grad():\n    with torch.no_grad():\n        pass\n"
        "    r = torch.is_grad_enabled()"
    ),
    "float64 by default": (
        "torch.set_default_dtype(torch.float64)\nr = str(torch.tensor(1.5).dtype), "
        "str(torch.zeros(2).dtype), str(torch.tensor([1.5], dtype=float).dtype), "
        "str(torch.get_default_dtype())\ntorch.set_default_dtype(torch.float32)"
    ),
    "an integer by default": "torch.set_default_dtype(torch.int64)",
    "no type by default": "torch.set_default_dtype(3)",
    "python's types": (
        "r = [str(torch.zeros(2, dtype=kind).dtype) for kind in (float, int, bool)]"
    ),
    "no type at all": "torch.zeros(2, dtype='float32')",
    "a type through pickle": (
        "import pickle\nr = [pickle.loads(pickle.dumps(kind)) is kind for kind in "
        "(torch.float32, torch.int64, torch.bool)]"
    ),
    "facts of a type": (
        "r = [(k.is_floating_point, k.is_complex, k.is_signed, k.itemsize) for k in "
        "(torch.float32, torch.uint8, torch.int16, torch.bool)]"
    ),
    "an item of two": "x.item()",
    "truth of two": "bool(x)",
    "length of none": "len(torch.tensor(1.0))",
    "format": "r = f'{x.sum():.3f} {x.sum()}'",
    "containment": "r = 1.0 in x, 7.0 in x",
    "a name that is not there": "r = hasattr(x, 'no_such_name'), hasattr(torch, 'no_such_name')",
    "hash": "r = len({x, x}), x in {x: 1}",
    "copies": "import copy\nr = copy.deepcopy(x.detach()).tolist(), copy.copy(x).tolist()",
    "grad of no leaf": "r = x.grad is None, x.is_leaf",
    "a gradient of another type": "x.grad = 3",
    "an array's requests": "import numpy as np\nr = np.asarray(x.detach()).tolist()",
    "numpy while a gradient is wanted": "x.numpy()",
    "an index in place of a number": "r = [10, 20, 30][torch.tensor(1)]",
    "a float as an index": "r = [10, 20, 30][torch.tensor(1.0)]",
    "int of a float": "r = int(torch.tensor(2.7)), float(torch.tensor(2))",
    "sums of a loop": "r = sum([x, x]).tolist()",
    "range": "r = list(range(torch.tensor(3)))",
    "losses of no classes": "torch.nn.functional.cross_entropy(x, torch.tensor([5, 0]))",
    "another reduction": (
        "torch.nn.functional.cross_entropy(x.view(1, 2), torch.tensor([0]), reduction='no')"
    ),
    "classes that are too large": (
        "torch.nn.functional.cross_entropy(x.view(1, 2), torch.tensor([7]))"
    ),
    "more classes than rows": (
        "torch.nn.functional.cross_entropy(x.view(1, 2), torch.tensor([0, 1]))"
    ),
    "probabilities of another shape": (
        "torch.nn.functional.cross_entropy(x.view(1, 2), torch.ones(1, 3))"
    ),
    "numbers that are whole": (
        "torch.nn.functional.cross_entropy(torch.ones(1, 2).long(), torch.tensor([0]))"
    ),
    "matrices that do not fit": "torch.ones(2, 3) @ torch.ones(2, 3)",
    "a matrix times a number": "torch.ones(2, 3) @ 3",
    "rows of another length": "torch.ones(2, 3) + torch.ones(2, 4)",
    "in place into fewer rows": "x.detach().add_(torch.ones(3, 2))",
    "in place on a leaf": "x += 1",
    "in place, whole numbers and floats": "y = torch.tensor([1, 2])\ny += 0.5",
    "in place to a power": "y = x.detach().clone()\ny **= 2\nr = y.tolist()",
    "in place floor division": "y = x.detach() * 3\ny //= 2\nr = y.tolist()",
    "in place remainder": "y = x.detach() * 3\ny %= 2\nr = y.tolist()",
    "in place with alpha": "y = x.detach().clone()\ny.sub_(y, alpha=2)\nr = y.tolist()",
}


def outcome(source: str, module: types.ModuleType) -> tuple[str, object]:
    """What ``r`` is after a program, or the class of its exception."""
    names: dict[str, Any] = {"torch": module}
    try:
        names["x"] = module.tensor([1.5, -2.0], requires_grad=True)
        exec(source, names)
    except Exception as error:
        raised = next(
            kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"
        )
        return "raises", raised
    finally:
        module.set_grad_enabled(True)
        module.set_default_dtype(module.float32)
    return "gives", names.get("r")


@pytest.mark.filterwarnings("ignore")  # torch's own, of how it will change
@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_does_what_it_does_in_torch(source: str) -> None:
    assert outcome(source, npnet.tensors) == outcome(source, torch)


def test_a_last_line_that_sets_the_mode_shows_it() -> None:
    shown = repr(torch.set_grad_enabled(True))
    assert repr(npnet.tensors.set_grad_enabled(True)) == shown
