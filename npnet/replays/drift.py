"""How much two runs of one network differ by rounding, and which figures this explains."""

from __future__ import annotations

import dataclasses

import numpy as np

from npnet.base import blas
from npnet.base.errors import DivergedError
from npnet.network.parameters import Parameters
from npnet.recipes.publication import SPLITS, Publication
from npnet.replays.printed_figures import DIFFERS, DRIFT, Figure
from npnet.training.fit import Training
from npnet.training.runs import Run

# For a figure with a larger relative difference, the drift is not measured: that takes a second
# run, and every drift so far was much smaller than this.
FARTHEST = 1e-3


def within_drift(publication: Publication, run: Run, figures: list[Figure]) -> list[Figure]:
    """The figures, with ``drift`` instead of ``DIFFERS`` where rounding explains the difference.

    Two correct programs can add in different orders, and training makes the differences in the last
    bits grow. This function measures how much they grow: it repeats the run with the hidden units
    in reverse order, which is the same network with another order of additions. A figure is within
    drift if its difference from ours is at most that of the two runs up to its step.
    """
    near = [figure for figure in figures if _may_have_drifted(figure)]
    if not near:
        return figures
    try:
        other = reversed_run(run)
    except DivergedError:
        return figures
    apart = np.abs(run.losses.astype(np.float64) - other.losses.astype(np.float64))
    widest = np.maximum.accumulate(apart)
    splits = max(abs(run.split_losses[s] - other.split_losses[s]) for s in run.split_losses)
    batch = publication.recipe.batch
    judged = []
    for figure in figures:
        if figure in near:
            end = len(widest) - 1 if figure.step is None else figure.step
            bound = max(float(widest[end]), splits if figure.step is None else 0.0)
            bound *= batch if figure.what == "sum" else 1
            if abs(float(figure.published) - float(figure.ours)) <= bound:
                figure = dataclasses.replace(figure, match=DRIFT)
        judged.append(figure)
    return judged


def reversed_run(run: Run) -> Run:
    """The run with its hidden units in reverse order: the same network adds in another order."""
    training = Training(run.recipe, run.words)
    reverse = {name: training.params[name][..., ::-1] for name in ("W1", "b1", "bngain", "bnbias")}
    arrays = {**training.params, **reverse, "W2": training.params["W2"][::-1]}
    training.params = Parameters(**{name: array.copy() for name, array in arrays.items()})
    with blas.limited(1):
        training.run(None)
        return training.finish()


def _may_have_drifted(figure: Figure) -> bool:
    numbers = {"loss", "cross_entropy", "sum", *SPLITS}
    if figure.match != DIFFERS or figure.what not in numbers or figure.step == 0:
        return False
    apart = abs(float(figure.published) - float(figure.ours))
    return apart <= FARTHEST * max(1.0, abs(float(figure.ours)))  # False for nan
