"""A character-level name model in NumPy alone, with torch's random numbers bit for bit."""

import importlib
from typing import TYPE_CHECKING, Any

from npnet.base.errors import DivergedError, InputError
from npnet.base.version import __version__
from npnet.checks.compare import compare
from npnet.corpora.datasets import Vocabulary, build_dataset, split_words
from npnet.corpora.known import default_words
from npnet.corpora.words import read_words
from npnet.network.forward import Values, forward
from npnet.network.fused import (
    batch_norm,
    batch_norm_backward,
    cross_entropy,
    loss_and_gradients,
)
from npnet.network.gradients import GRADIENTS, Gradients, backward
from npnet.network.parameters import Parameters
from npnet.recipes.draw import Draw
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.named import RECIPES
from npnet.recipes.recipe import Recipe
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import Statistics, calibrate
from npnet.training.evaluation import evaluate
from npnet.training.fit import fit
from npnet.training.running_norm import Running
from npnet.training.runs import Run, load_run
from npnet.training.sample import sample
from npnet.training.sgd import Record, train

if TYPE_CHECKING:
    from npnet.checks.check_gradient import check_gradient
    from npnet.checks.lines import Lines
    from npnet.grading.notebook_grades import grade_notebook
    from npnet.learn.explain import explain
    from npnet.learn.grading import grade
    from npnet.plotting import plots
    from npnet.replays.lost_seeds import find_lost_seed

# Imported when first used: matplotlib takes longer to load than everything else, and the lessons
# read the source code of the network.
_LATER = {
    "Lines": "npnet.checks.lines",
    "check_gradient": "npnet.checks.check_gradient",
    "explain": "npnet.learn.explain",
    "find_lost_seed": "npnet.replays.lost_seeds",
    "grade": "npnet.learn.grading",
    "grade_notebook": "npnet.grading.notebook_grades",
    "plots": "npnet.plotting.plots",
}

__all__ = [
    "GRADIENTS",
    "RECIPES",
    "DivergedError",
    "Draw",
    "Generator",
    "Gradients",
    "InputError",
    "Lines",
    "Parameters",
    "Recipe",
    "Record",
    "Run",
    "Running",
    "Statistics",
    "Values",
    "Vocabulary",
    "__version__",
    "backward",
    "batch_norm",
    "batch_norm_backward",
    "build_dataset",
    "calibrate",
    "check_gradient",
    "compare",
    "cross_entropy",
    "default_words",
    "draw_parameters",
    "evaluate",
    "explain",
    "find_lost_seed",
    "fit",
    "forward",
    "grade",
    "grade_notebook",
    "load_run",
    "loss_and_gradients",
    "plots",
    "read_words",
    "sample",
    "split_words",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module = importlib.import_module(_LATER[name])
        return module if name == "plots" else getattr(module, name)
    raise AttributeError(f"module 'npnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
