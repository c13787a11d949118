"""What the README shows is what its commands print."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def sessions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each ``$ command`` of the console blocks, with the lines shown below it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield command, [line for line in lines if line.strip()]


def pattern(lines: list[str]) -> str:
    """What must be printed: any number for a number, any lines for ``…`` on a line of its own."""
    number = r"[-+]?(?:\d[\d,]*)(?:\.\d+)?(?:e[-+]?\d+)?"
    parts = []
    for line in lines:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
            continue
        words = re.split(number, " ".join(line.split()))
        parts.append(number.join(map(re.escape, words)))
        parts.append(r"\n")
    return "".join(parts)


@pytest.mark.slow
def test_every_command_of_the_readme_prints_what_is_shown(tmp_path: Path) -> None:
    shown = list(sessions(README.read_text(encoding="utf-8")))
    assert len(shown) > 10
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment["COLUMNS"] = "100"
    for command, lines in shown:
        if re.search(r"names\.txt|part3", command) and not os.environ.get("NPNET_CORPORA"):
            continue
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        printed = [" ".join(line.split()) for line in (done.stdout + done.stderr).splitlines()]
        text = "".join(f"{line}\n" for line in printed if line)
        assert re.fullmatch(pattern(lines), text), f"$ {command}\n{done.stdout}{done.stderr}"


def test_the_two_commands_are_one_line_each_and_make_their_own_environment() -> None:
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^python3 -m venv \S+ && .*$", text, re.MULTILINE)
    assert [command.rsplit("/", 1)[-1] for command in commands] == ["npnet train", "pytest"]
    assert "-c tests/constraints.txt" in commands[1]


@pytest.mark.parametrize("picture", re.findall(r"!\[.*?\]\((.*?)\)", README.read_text("utf-8")))
def test_the_pictures_are_there(picture: str) -> None:
    assert (README.parent / picture).is_file()


def test_the_commands_of_the_readme_exist() -> None:
    assert shutil.which("npnet", path=str(Path(sys.executable).parent))
