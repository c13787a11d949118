"""Plant mistakes in npnet, one at a time, and see whether its tests find each of them.

    python tests/mutation/mutate.py [MODULE…] [--sample N] [--seed S] [--jobs J] [--json]

A mutant is a module with one small change. It is written into a private copy of the tree, and the
tests of the module are run there, those that have found most mutants before and take least time
first. A mutant that no test finds has survived: a test is missing, or the change makes no
difference, which ``mutants-explained.toml`` then says. The exit code is 0 if every survivor is
explained, every explanation still holds, and 95 % of the mutants are killed.

Why not a tool that others keep. Tried in 2026 on ``npnet/checks/array_error.py``, Python 3.11:

* mutmut 3.8.1 mutates the bodies of functions alone, so that no constant of a module (a bound of
  the judge, the length of a block) is ever changed; it changes the words of error messages instead.
* mutatest 2.0.1 stops with a TypeError on Python 3.11 and newer: it samples from a set.
* cosmic-ray 8.7.0 starts the whole test command for each mutant, where importing NumPy, torch and
  hypothesis takes longer than most of our tests; here each mutant is a fork that has them.

None of them keeps reasons for survivors by the changed line, as ``mutants-explained.toml`` does.
"""

import argparse
import gc
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # a process a mutant: threads would only be in each other's way
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none is needed, and loading takes time

import pytest  # noqa: E402
from mutants import Key, Mutant, explanations, mutants  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("npnet", "oracle", "tests", "data", "pyproject.toml", "README.md")
KILLED_SHARE = 0.95

# Which tests a module's mutants have to pass. Tests that compare docstrings with code are not
# among them: they find every change, and say nothing about what it computes. A module that is
# not here has the tests in the folder of its package.
TESTS = {
    "network.gradients": ("golden", "golden_files", "gradients", "numerical"),
    "network.forward": ("network", "golden", "golden_files", "numerical"),
    "network.fused": ("network", "fast", "gradients"),
    "network.fast": ("fast", "train", "sample"),
    "torch_rng.cephes": ("generator", "generator_interface"),
    "recipes.recipe": ("recipe", "fit", "publications", "replay"),
    "recipes.draw": ("recipe", "arithmetic", "fit", "publications", "replay", "bad_input"),
    "recipes.field_checks": ("recipe", "fit", "bad_input"),
    "recipes.initialization": ("recipe", "fit"),
    "recipes.publication": ("publications", "replay"),
    "training.batchnorm": ("statistics", "sample", "train"),
    "training.distinct_rows": ("statistics", "sample", "train"),
    "training.evaluation": ("statistics", "sample", "train"),
    "training.checkpoint": ("resume",),
    "training.run_difference": ("run_difference",),
    "training.run_folders": ("several", "run_difference", "runs"),
    "training.running_norm": ("train", "fit", "first_minibatch"),
    "training.runs": ("runs", "fit", "resume", "eval_every"),
    "training.sample": ("sample",),
    "training.several": ("several",),
    "training.sgd": ("train", "fit", "resume", "errors"),
    "training.fit": ("fit", "train", "eval_every", "resume", "errors", "first_minibatch"),
    "checks.compare": ("compare", "compare_properties", "zero_gradients", "tables"),
    "checks.array_error": ("compare", "compare_properties", "zero_gradients", "tables"),
    **dict.fromkeys(
        ("checks.array_files", "checks.containers", "checks.stored"),
        ("formats", "golden_files"),
    ),
    "checks.array_names": ("array_names", "golden_files"),
    **dict.fromkeys(
        ("checks.golden", "checks.reference"),
        ("golden", "golden_files", "zero_gradients"),
    ),
    **dict.fromkeys(
        ("checks.judging", "checks.joint_verdict", "checks.isolation", "checks.rounding"),
        ("golden", "rounding", "looks_like", "forward_values", "judge", "lines"),
    ),
    **dict.fromkeys(
        ("checks.looks_like", "checks.ties"),
        ("looks_like", "formats"),
    ),
    "checks.forward_values": ("forward_values",),
    "checks.check_gradient": ("check_gradient", "bounds", "pytest_plugin"),
    "checks.pytest_plugin": ("pytest_plugin",),
    "checks.numerical": ("numerical", "check_gradient"),
    "checks.line_golden": ("line_golden", "bounds"),
    **dict.fromkeys(
        ("checks.line_check", "checks.line_rounding", "checks.line_rules", "checks.planted"),
        ("lines", "lines_errors", "line_rounding", "bounds", "check_gradient", "own_lines"),
    ),
    **dict.fromkeys(
        ("checks.lines", "checks.line_table", "checks.line_numerical", "checks.differentiate"),
        ("lines", "lines_errors", "bounds", "check_gradient", "own_lines"),
    ),
}
# Packages without a folder of tests of their own, and the folders that have them.
FOLDERS = {"derivatives": ("tensors",)}
# Modules whose every line is covered by an entry above or by their package's folder of tests.
PACKAGES = ("network", "torch_rng", "recipes", "training", "checks")

# What a mutant may take: CPU seconds a test, on top of ten times what it takes without a mistake,
# and memory. A mistake can turn a loop into an endless one, or a size into a huge one.
SECONDS = 5.0
MEMORY = 4 << 30
BROKEN = 70  # the exit code of a process in which not even pytest ran as it should
# What else than a test can end a mutant.
IMPORT, TIME = "import", "time limit"


class Watch:
    """What pytest is told and tells: the order of the tests, their time limits, who failed."""

    def __init__(self, seconds: dict[str, float], kills: Counter[str]) -> None:
        self.seconds, self.kills = seconds, kills
        self.took: dict[str, float] = {}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: (-self.kills[item.nodeid], self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        limit = SECONDS + 10 * self.seconds.get(item.nodeid, SECONDS)
        signal.setitimer(signal.ITIMER_PROF, limit)  # its signal ends the process

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        before = self.took.get(report.nodeid, 0.0)  # that of the fixtures
        self.took[report.nodeid] = before + report.duration
        if report.failed:
            self.failed = report.nodeid


class Tree:
    """A copy of the project in which one mutant at a time is tested."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "report.json"
        self.seconds: dict[tuple[str, ...], dict[str, float]] = {}

    def path(self, module: str) -> Path:
        return self.folder.joinpath("npnet", *module.split(".")).with_suffix(".py")

    def start(self, mutant: Mutant | None, module: str, watch: Watch) -> int:
        """Test a mutant, or the module as it is, in a process of its own; returns its id."""
        path = self.path(module)
        self.original = path.read_bytes()
        if mutant:
            path.write_bytes(mutant.source)
        _forget_bytecode(path)
        self.report.unlink(missing_ok=True)
        if pid := os.fork():
            return pid
        try:
            sys.dont_write_bytecode = mutant is not None
            code = self._test(module, watch)
            self.report.write_text(json.dumps({"failed": watch.failed, "took": watch.took}))
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(BROKEN)
        os._exit(code)

    def _test(self, module: str, watch: Watch) -> int:
        os.chdir(self.folder)
        # CPython 3.11 keeps the parent's id of the main thread, by which matplotlib tells whether
        # a window may be opened.
        threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
        sys.path[0] = str(self.folder)  # where npnet and oracle are found
        os.environ["PYTHONPATH"] = str(self.folder)  # the same in processes that tests start
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        signal.setitimer(signal.ITIMER_PROF, 60)  # for importing and collecting
        files = tests_of(module)
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        code = int(pytest.main([*options, *files], plugins=[watch]))
        loaded = getattr(sys.modules.get("npnet"), "__file__", str(self.folder))
        assert loaded.startswith(str(self.folder)), f"tested {loaded}"
        return code

    def end(self, module: str, status: int) -> tuple[str, dict[str, float]]:
        """What ended the process, "" if nothing did, and how long each test took.

        That is a test that failed, the time limit, or that the mutant cannot be imported.
        """
        self.path(module).write_bytes(self.original)
        _forget_bytecode(self.path(module))
        if os.WIFSIGNALED(status):
            return TIME, {}
        if os.WEXITSTATUS(status) == BROKEN:
            raise SystemExit(f"mutate: {(self.folder / 'output.txt').read_text()}")
        report = json.loads(self.report.read_text())
        return report["failed"] or (IMPORT if status else ""), report["took"]


def _forget_bytecode(path: Path) -> None:
    """Two sources of one size and second would pass for each other in the bytecode cache."""
    for cached in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        cached.unlink(missing_ok=True)


def tests_of(module: str) -> list[str]:
    """The test files, or the folders of them, that have to find a module's mutants."""
    if module in TESTS:
        return [str(next(Path("tests").glob(f"*/test_{name}.py"))) for name in TESTS[module]]
    package = module.partition(".")[0]
    return [f"tests/{folder}" for folder in FOLDERS.get(package, (package,))]


def modules_of(package: str) -> list[str]:
    """``package.module`` for every module of a package."""
    files = sorted((ROOT / "npnet" / package).glob("*.py"))
    return [f"{package}.{file.stem}" for file in files if file.stem != "__init__"]


def seconds_of(tree: Tree, module: str) -> dict[str, float]:
    """How long each test of a module takes; all of them have to pass.

    Modules with the same tests share this.
    """
    tests = tuple(tests_of(module))
    if tests in tree.seconds:
        return tree.seconds[tests]
    _, status = os.waitpid(tree.start(None, module, Watch({}, Counter())), 0)
    killer, seconds = tree.end(module, status)
    if killer:
        said = (tree.folder / "output.txt").read_text()
        raise SystemExit(f"mutate: {module} without a mutant fails by {killer}:\n{said}")
    tree.seconds[tests] = seconds
    return seconds


def verdicts(
    trees: list[Tree], module: str, chosen: list[Mutant], seconds: dict[str, float]
) -> Iterator[tuple[Mutant, str]]:
    """Each mutant and what killed it, as they come; "" is a survivor."""
    kills: Counter[str] = Counter()
    waiting, free = list(reversed(chosen)), list(trees)
    running: dict[int, tuple[Mutant, Tree]] = {}
    while waiting or running:
        while waiting and free:
            mutant, tree = waiting.pop(), free.pop()
            running[tree.start(mutant, module, Watch(seconds, kills))] = mutant, tree
        pid, status = os.wait()
        mutant, tree = running.pop(pid)
        free.append(tree)
        killer, _ = tree.end(module, status)
        kills[killer] += 1
        yield mutant, killer


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutate npnet and run the tests on each mutant.")
    parser.add_argument(
        "modules",
        nargs="*",
        metavar="MODULE",
        help="as network.fused, or a whole package, as network (default: all of "
        f"{', '.join(PACKAGES)})",
    )
    parser.add_argument("--sample", type=int, metavar="N", help="at most N mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default 0)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants tested at once (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    options = parser.parse_args()
    chosen: list[str] = []
    for name in options.modules or PACKAGES:
        chosen += [name] if "." in name else modules_of(name)
        if not chosen or chosen[-1] not in modules_of(name.partition(".")[0]):
            parser.error(f"no such module or package: {name}")

    _import_once()
    known = explanations()
    totals: Counter[str] = Counter()
    document: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as top:
        trees = _copies(Path(top), options.jobs)
        for module in chosen:
            began = time.monotonic()
            every = mutants(module, trees[0].path(module).read_bytes())
            sample = every
            if options.sample is not None and options.sample < len(every):
                sample = random.Random(options.seed).sample(every, options.sample)
            said, counts = [], Counter(mutants=len(sample))
            for line in judged(trees, module, every, sample, known, counts):
                said.append(line)
                if not options.json:
                    print(line, flush=True)
            counts["seconds"] = round(time.monotonic() - began)
            totals += counts
            document[module] = {**counts, "of": len(every), "said": said}
            if not options.json:
                print(_summary(module, counts, len(every)), flush=True)
    document["all"] = {**totals, "of": totals["mutants"]}
    print(json.dumps(document, indent=1) if options.json else _summary("all", totals, 0))
    settled = not totals["unexplained"] and not totals["faults"]
    return 0 if settled and totals["killed"] >= KILLED_SHARE * totals["mutants"] else 1


def judged(
    trees: list[Tree],
    module: str,
    every: list[Mutant],
    sample: list[Mutant],
    known: dict[Key, str],
    counts: Counter[str],
) -> Iterator[str]:
    """What there is to say of a module: survivors, and explanations that do not hold."""
    lines = {mutant.key for mutant in every}
    for _, function, line in (key for key in known if key[0] == module and key not in lines):
        counts["faults"] += 1
        yield f"{module}.{function}: explained, but no mutant has the line {line}"
    seconds = [seconds_of(tree, module) for tree in trees]
    for mutant, killer in verdicts(trees, module, sample, seconds[0]):
        where, why = f"{module}.{mutant.function}, line {mutant.number}", known.get(mutant.key)
        change = f"\n- {mutant.before}\n+ {mutant.after}"
        if killer:
            counts["killed"] += 1
            counts[killer] += 1
            if why:
                counts["faults"] += 1
                yield f"{where}: explained, yet killed by {killer}{change}"
        elif why:
            counts["explained"] += 1
            yield f"{where}: survived, {why}{change}"
        else:
            counts["unexplained"] += 1
            yield f"{where}: SURVIVED{change}"


def _summary(name: str, counts: Counter[str], every: int) -> str:
    n = counts["mutants"]
    return (
        f"{name}: {n} mutants{f' of {every}' if every > n else ''}, {counts['killed']} killed "
        f"({counts['killed'] / max(n, 1):.1%}; {counts[IMPORT]} could not be imported, "
        f"{counts[TIME]} ran out of time), {counts['explained']} explained, "
        f"{counts['unexplained']} unexplained, {counts['seconds']} s"
    )


def _import_once() -> None:
    """Import what the tests import, but nothing of npnet: each mutant's process has it then."""
    import filelock  # noqa: F401
    import hypothesis.strategies
    import matplotlib.pyplot  # noqa: F401
    import numpy  # noqa: F401
    import rich.table  # noqa: F401

    try:
        import torch

        torch.set_num_threads(1)
    except ModuleNotFoundError:
        pass  # its tests are skipped
    # The same examples for every mutant, none looked for that is smaller, and no clock.
    hypothesis.settings.register_profile(
        "mutate",
        derandomize=True,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutate")
    gc.freeze()  # pytest collects garbage twice a run: 0.2 s with torch's objects among it


def _copies(top: Path, jobs: int) -> list[Tree]:
    trees = []
    for job in range(jobs):
        folder = top / str(job)
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        trees.append(Tree(folder))
    return trees


if __name__ == "__main__":
    sys.exit(main())
