"""How the cost of npnet's work grows with the corpus: each size is measured in a new process."""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npnet.base import blas
from npnet.base.errors import InputError
from npnet.corpora.datasets import Vocabulary, build_dataset
from npnet.corpora.known import default_words
from npnet.corpora.words import FilePath, read_words
from npnet.recipes.initialization import draw_parameters
from npnet.recipes.named import RECIPES
from npnet.torch_rng.generator import Generator
from npnet.training.batchnorm import calibrate
from npnet.training.evaluation import evaluate
from npnet.training.fit import fit
from npnet.training.sample import sample
from npnet.training.sgd import train_blocks

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
STEPS = 2_000  # training steps at every size
# Training steps of the model that samples the corpora: enough for samples that look like names.
MODEL_STEPS = 20_000

PHASES = """
import json, sys
from npnet.bench.growth import phases
print(json.dumps(phases(sys.argv[1], int(sys.argv[2]))))
"""
# A new process inherits the peak memory of the one that started it, so a small process starts it.
BETWEEN = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, done.stdout, done.stderr, peak]))
"""


class Phase(NamedTuple):
    """A part of the work: its processor time in seconds, and the peak memory after it in bytes."""

    name: str
    seconds: float
    peak: int


class Growth(NamedTuple):
    """The cost of one corpus."""

    names: int
    different: int  # how many different names
    examples: int
    phases: list[Phase]
    train: int  # peak memory of `npnet train` in bytes


def sampled_names(count: int) -> list[str]:
    """``count`` names, none empty, sampled from a model that was trained on the shipped corpus."""
    run = fit(dataclasses.replace(RECIPES["lecture"], steps=MODEL_STEPS), default_words())
    generator = Generator(run.recipe.sample_seed)
    names: list[str] = []
    with blas.limited():
        while len(names) < count:
            missing = count - len(names)
            names += filter(None, sample(run.params, run.stats, run.vocab, missing, generator))
    return names


def growth(names: Sequence[str], *, steps: int = STEPS) -> Growth:
    """The cost of one corpus: time and memory of each phase, and the memory of `npnet train`.

    Args:
        names: the corpus; it is written to a file first, and read in a new process.
        steps: steps of training, the same for all corpora.

    Raises:
        InputError: the corpus cannot be used, or this system cannot measure memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "names.txt")
        file.write_text("\n".join(names) + "\n", encoding="utf-8")
        out, _ = run_apart([sys.executable, "-c", PHASES, str(file), str(steps)])
        train = (sys.executable, "-m", "npnet", "train", "--quiet", "--steps", str(steps))
        files = ("--words", str(file), "--out", str(Path(folder, "run")))
        _, peak = run_apart([*train, *files])
    figures = json.loads(out)
    parts = [Phase(*phase) for phase in figures["phases"]]
    return Growth(len(names), len(set(names)), figures["examples"], parts, peak)


def phases(file: FilePath, steps: int) -> dict[str, Any]:
    """Measure ``examples`` and ``phases`` in this process; ``growth`` calls this in a new one."""
    done = [Phase("start", time.process_time(), _peak())]

    def phase(name: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        done.append(Phase(name, time.process_time() - begun, _peak()))
        return result

    recipe = dataclasses.replace(RECIPES["lecture"], steps=steps)
    with blas.limited():
        words = phase("reading", lambda: read_words(file))
        vocab = Vocabulary.from_words(words)
        X, Y = phase("windows", lambda: build_dataset(words, vocab, recipe.block_size))
        g = Generator(recipe.seed)
        params = draw_parameters(recipe, vocab.size, g)
        phase("training", lambda: sum(map(len, train_blocks(recipe, params, X, Y, g))))
        stats = phase("calibration", lambda: calibrate(params, X, recipe.eps))
        phase("evaluation", lambda: evaluate(params, stats, X, Y))
    return {"examples": len(X), "phases": done}


def run_apart(command: Sequence[str]) -> tuple[str, int]:
    """Run a command in a new process.

    Returns:
        Its standard output, and its peak memory (resident set) in bytes.

    Raises:
        InputError: the command failed, or the system does not report the peak memory of a process.
    """
    _peak()  # raises InputError if the system does not report memory
    between = [sys.executable, "-c", BETWEEN, *command]
    done = subprocess.run(between, capture_output=True, text=True, check=True)
    code, out, err, peak = json.loads(done.stdout)
    if code:
        said = err.strip().rpartition("\n")[2]
        raise InputError(f"{' '.join(command[:4])}: exit code {code}: {said}")
    return out, peak * _unit()


def _peak() -> int:
    """The peak memory of this process so far, in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        raise InputError(
            "memory: this system does not report the peak of a process, wanted Linux or macOS"
        ) from None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _unit()


def _unit() -> int:
    return 1 if sys.platform == "darwin" else 1024
