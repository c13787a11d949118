"""The package as a whole: what it imports, what it ships."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

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


def test_npnet_imports_where_nothing_but_numpy_is() -> None:
    others = ["torch", "oracle", "matplotlib", "rich", "pooch", "threadpoolctl"]
    assert run_without(others, "import npnet; print(len(npnet.RECIPES))") == "13\n"


def test_the_main_job_runs_where_torch_cannot_be_imported() -> None:
    job = """
import dataclasses, npnet
recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=8, steps=70)
run = npnet.fit(recipe, npnet.default_words()[:100])
axes = npnet.plots.losses([run])
print(len(run.sample()))
"""
    assert run_without(["torch", "oracle"], job) == "20\n"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_room_of_npnet_imports_torch_or_oracle(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
