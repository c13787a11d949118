"""A character-level name model in NumPy alone, with torch's random numbers bit for bit."""

import importlib
from typing import TYPE_CHECKING, Any

from npnet.base.errors import DivergedError as DivergedError
from npnet.base.errors import InputError as InputError
from npnet.checks.compare import compare as compare
from npnet.corpora.known import default_words as default_words
from npnet.corpora.words import Vocabulary as Vocabulary
from npnet.corpora.words import build_dataset as build_dataset
from npnet.corpora.words import read_words as read_words
from npnet.corpora.words import split_words as split_words
from npnet.network.forward import Values as Values
from npnet.network.forward import forward as forward
from npnet.network.fused import batch_norm as batch_norm
from npnet.network.fused import batch_norm_backward as batch_norm_backward
from npnet.network.fused import cross_entropy as cross_entropy
from npnet.network.fused import loss_and_gradients as loss_and_gradients
from npnet.network.gradients import GRADIENTS as GRADIENTS
from npnet.network.gradients import Gradients as Gradients
from npnet.network.gradients import backward as backward
from npnet.network.parameters import Parameters as Parameters
from npnet.network.parameters import draw_parameters as draw_parameters
from npnet.recipes.draw import Draw as Draw
from npnet.recipes.recipe import RECIPES as RECIPES
from npnet.recipes.recipe import Recipe as Recipe
from npnet.torch_rng.generator import Generator as Generator
from npnet.training.batchnorm import Statistics as Statistics
from npnet.training.batchnorm import calibrate as calibrate
from npnet.training.batchnorm import evaluate as evaluate
from npnet.training.fit import fit as fit
from npnet.training.runs import Run as Run
from npnet.training.runs import load_run as load_run
from npnet.training.sample import sample as sample
from npnet.training.sgd import Record as Record
from npnet.training.sgd import Running as Running
from npnet.training.sgd import train as train

if TYPE_CHECKING:
    from npnet.learn.explain import explain as explain
    from npnet.learn.grading import grade as grade
    from npnet.plotting import plots as plots


LEARNING = {"explain": "npnet.learn.explain", "grade": "npnet.learn.grading"}


def __getattr__(name: str) -> Any:
    # Imported when first used: matplotlib takes longer than all the rest, and the rooms for
    # learning, which read the others' source, would add a third (47 ms to 130).
    if name == "plots":
        return importlib.import_module("npnet.plotting.plots")
    if name in LEARNING:
        return getattr(importlib.import_module(LEARNING[name]), name)
    raise AttributeError(f"module 'npnet' has no attribute {name!r}")
