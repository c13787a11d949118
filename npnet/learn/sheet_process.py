"""The process in which a learner's sheet runs. It can loop, exit or crash; another process watches
it.

Its arguments are the sheet, the number of training steps and the exercises to call (none: all). It
answers in JSON, one message a line. The output of the sheet is not mixed with these messages.
"""

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.errors import InputError
from npnet.learn.calls import Attempt, Failure, Function, attempt
from npnet.learn.exercises import EXERCISES
from npnet.learn.grading_inputs import cases
from npnet.learn.sheet import run_sheet
from npnet.learn.training import train, trainable


def main(arguments: list[str]) -> None:
    """Run the sheet and send the results."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)

    def send(**message: object) -> None:
        print(json.dumps(message), file=channel, flush=True)

    path, steps, *wanted = arguments
    cases()  # computed before the clock starts
    send(kind="ready")
    try:
        functions = run_sheet(Path(path))
    except InputError as error:
        send(kind="refused", text=str(error))
        return
    send(kind="names", names=list(functions))
    for name in [name for name in functions if not wanted or name in wanted]:
        found = attempt(EXERCISES[name], functions[name])
        send(kind="attempt", name=name, **packed(found))
        if trainable(EXERCISES[name], found) and int(steps):
            _train(send, functions[name], int(steps))
    send(kind="done")


def _train(send: Callable[..., None], function: Function, steps: int) -> None:
    send(kind="training")
    problem = ""
    try:
        for losses in train(function, steps):
            send(kind="losses", losses=losses)
    except Failure as failure:
        problem = str(failure)
    send(kind="trained", problem=problem)


def packed(found: Attempt) -> dict[str, Any]:
    """An attempt as plain values for JSON."""
    return {
        **vars(found),
        "results": {
            label: {name: _packed_array(array) for name, array in results.items()}
            for label, results in found.results.items()
        },
        "seen": sorted(found.seen),
    }


def unpacked(message: dict[str, Any]) -> Attempt:
    """The attempt from the values that ``packed`` made."""
    results = {
        label: {name: _unpacked_array(entry) for name, entry in arrays.items()}
        for label, arrays in message["results"].items()
    }
    return Attempt(
        results,
        message["failures"],
        {*message["seen"]},
        message["printed"],
        message["unsolved"],
        message["widening"],
    )


def _packed_array(array: Array) -> dict[str, Any]:
    numbers = base64.b64encode(array.tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": array.shape, "numbers": numbers}


def _unpacked_array(entry: dict[str, Any]) -> Array:
    return np.frombuffer(base64.b64decode(entry["numbers"]), entry["dtype"]).reshape(entry["shape"])


if __name__ == "__main__":
    main(sys.argv[1:])
