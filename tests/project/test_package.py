"""The whole package: its imports, and the files that it ships."""

import ast
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from sources import NPNET, parsed

import npnet

PACKAGE = Path(npnet.__file__).parent

BLOCKED = """
import sys
for name in {names!r}:
    sys.modules[name] = None  # importing it is an error from now on
{then}
"""


def run_without(names: list[str], then: str) -> str:
    program = BLOCKED.format(names=names, then=then)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Every import but those of NumPy, npnet and the standard library is refused.
STRICT = """
import importlib, json, pkgutil, sys

allowed = {"npnet", "numpy", *sys.stdlib_module_names}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed:
            raise ModuleNotFoundError(f"{top} is refused", name=top)

def stop(name):
    raise

sys.meta_path.insert(0, Refuse())
import npnet
assert dict(npnet.RECIPES)
refused = {}
for module in pkgutil.walk_packages(npnet.__path__, "npnet.", stop):
    if module.name != "npnet.__main__":  # it runs the command
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            refused[module.name] = error.name
print(json.dumps(refused))
"""


def test_only_the_plots_import_more_than_numpy_at_their_top() -> None:
    done = subprocess.run([sys.executable, "-c", STRICT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"npnet.plotting.plots": "matplotlib"}


@pytest.mark.slow
def test_the_main_job_runs_where_torch_cannot_be_imported() -> None:
    job = """
import dataclasses, npnet
recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=8, steps=70)
run = npnet.fit(recipe, npnet.default_words()[:100])
axes = npnet.plots.losses([run])
print(len(run.sample()))
"""
    assert run_without(["torch", "oracle"], job) == "20\n"


@pytest.mark.parametrize("path", NPNET, ids=lambda path: path.stem)
def test_no_module_of_npnet_imports_torch_or_oracle(path: Path) -> None:
    if re.search(r"\b(torch|oracle)\b", path.read_text(encoding="utf-8")) is None:
        return
    for node in ast.walk(parsed(path)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not {name.split(".")[0] for name in names} & {"torch", "oracle"}


def test_the_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_console_script_and_the_module_are_the_same() -> None:
    scripts = metadata.entry_points(group="console_scripts", name="npnet")
    assert [script.value for script in scripts] == ["npnet.cli:entry"]
    done = subprocess.run(
        [sys.executable, "-m", "npnet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"npnet {npnet.__version__}\n"


def test_the_shipped_corpus_is_as_its_readme_says() -> None:
    words = npnet.default_words()
    assert len(words) >= 4000
    assert len(set(words)) == len(words)
    assert set("".join(words)) <= set("abcdefghijklmnopqrstuvwxyz")
    rows = npnet.corpora.known.shipped_corpus().read_text(encoding="utf-8").splitlines()
    assert rows[0] == "name,language"
    assert all(row.count(",") == 1 and row.split(",")[1].strip() for row in rows)
