"""The contents of the repository, and the checks that guard it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked() -> list[str]:
    """The files that git knows; a test skips where there is no repository."""
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and a clone")
    return done.stdout.splitlines()


def hooks() -> dict[str, str]:
    """Hook -> the command that it runs."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"- id: (\S+)\n.*\n +entry: (.*)", text))


def test_nothing_else_lies_at_the_top() -> None:
    tops = {name.split("/")[0] for name in tracked()}
    assert {top for top in tops if not top.startswith(".")} <= {
        "LICENSE",
        "README.md",
        "data",
        "npnet",
        "oracle",
        "pyproject.toml",
        "tests",
    }


def test_nothing_is_left_of_merges_and_patches() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pattern = re.search(r"files: (.*)", text)
    assert pattern
    assert re.search(pattern[1], "npnet/plots.py.orig")
    assert re.search(pattern[1], "README.md.rej")
    assert [name for name in tracked() if re.search(pattern[1], name)] == []


def test_ci_runs_every_linter_that_a_commit_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    linters = {hook: entry for hook, entry in hooks().items() if hook != "leftovers"}
    assert linters.keys() == {"ruff", "ruff-format", "mypy", "lint-imports"}
    assert [entry for entry in linters.values() if f".venv-lint/bin/{entry}\n" not in ci] == []


def test_ci_takes_both_commands_from_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    patterns = re.findall(r"grep -m1 -E '(.*?)' README\.md", ci)
    assert len(patterns) == 2
    for pattern in patterns:
        assert len(re.findall(pattern, readme, re.MULTILINE)) == 1


def test_what_is_run_as_a_program_guards_its_import() -> None:
    for name in tracked():
        if name.endswith("__main__.py"):
            assert 'if __name__ == "__main__":' in (ROOT / name).read_text(encoding="utf-8")
