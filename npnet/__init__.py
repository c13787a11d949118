"""A character-level name model in NumPy alone, with torch's random numbers bit for bit."""

import importlib
from typing import TYPE_CHECKING, Any

from npnet.compare import compare as compare
from npnet.corpus import Vocabulary as Vocabulary
from npnet.corpus import build_dataset as build_dataset
from npnet.corpus import read_words as read_words
from npnet.corpus import split_words as split_words
from npnet.draws import Draw as Draw
from npnet.errors import DivergedError as DivergedError
from npnet.errors import InputError as InputError
from npnet.fit import fit as fit
from npnet.forward import Values as Values
from npnet.forward import forward as forward
from npnet.fused import batch_norm as batch_norm
from npnet.fused import batch_norm_backward as batch_norm_backward
from npnet.fused import cross_entropy as cross_entropy
from npnet.fused import loss_and_gradients as loss_and_gradients
from npnet.generator import Generator as Generator
from npnet.gradients import GRADIENTS as GRADIENTS
from npnet.gradients import Gradients as Gradients
from npnet.gradients import backward as backward
from npnet.library import default_words as default_words
from npnet.parameters import Parameters as Parameters
from npnet.parameters import draw_parameters as draw_parameters
from npnet.recipe import RECIPES as RECIPES
from npnet.recipe import Recipe as Recipe
from npnet.runs import Run as Run
from npnet.runs import load_run as load_run
from npnet.sample import sample as sample
from npnet.statistics import Statistics as Statistics
from npnet.statistics import calibrate as calibrate
from npnet.statistics import evaluate as evaluate
from npnet.train import Record as Record
from npnet.train import Running as Running
from npnet.train import train as train

if TYPE_CHECKING:
    from npnet import plots as plots
    from npnet.learn.explain import explain as explain
    from npnet.learn.grading import grade as grade


LEARNING = {"explain": "npnet.learn.explain", "grade": "npnet.learn.grading"}


def __getattr__(name: str) -> Any:
    # Imported when first used: matplotlib takes longer than all the rest, and the rooms for
    # learning, which read the others' source, would add a third (47 ms to 130).
    if name == "plots":
        return importlib.import_module("npnet.plots")
    if name in LEARNING:
        return getattr(importlib.import_module(LEARNING[name]), name)
    raise AttributeError(f"module 'npnet' has no attribute {name!r}")
