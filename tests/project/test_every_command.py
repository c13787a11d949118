"""Every command, under ``python -OO`` and from a copy of the source that was never installed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import npnet
from npnet.cli import main

SOURCE = Path(npnet.__file__).parent
GOLDEN = Path(__file__).parents[2] / "data" / "golden"

# One line a command, run in this order in one folder; those after `train` use its run.
COMMANDS = """
--version
train --steps 20 --hidden 8 --quiet --out run
sample run --count 3
eval run
plot run --out run.png
train --steps 5 --hidden 4 --seeds 2 --jobs 1 --quiet --out seeds
compare-runs seeds seeds
data
data --show emma
check --hidden 3 --batch 8
golden set --format json
judge GOLDEN/gradient.f32.npz --reference set
replay
replay constant-gain --steps 1
recover --help
notebook --help
bench --hidden 4 --seconds 0.1
explain
explain bnvar_inv
exercise new sheet.py
exercise new sheet.ipynb --notebook
exercise check sheet.py
exercise mistakes
page page.html --hidden 4
help
help train
""".strip().splitlines()

# The metadata of an installed npnet is hidden, so that a copy of the source stands alone.
PROGRAM = """
import contextlib, importlib.metadata, io, json, sys, traceback

source, commands = sys.argv[1:]
sys.path.insert(0, source)
found = importlib.metadata.Distribution.from_name

def hidden(name):
    if name.lower() == "npnet":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)

importlib.metadata.Distribution.from_name = hidden

import npnet
from npnet.cli import main

for command in json.loads(commands):
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = main(command.split())
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = traceback.format_exc()
    print(json.dumps([npnet.__file__, code, out.getvalue(), error.getvalue()]))
"""


def outcomes(folder: Path, source: Path, *options: str) -> dict[str, list[object]]:
    commands = [command.replace("GOLDEN", str(GOLDEN)) for command in COMMANDS]
    done = subprocess.run(
        [sys.executable, *options, "-c", PROGRAM, str(source), json.dumps(commands)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(COMMANDS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.fixture(scope="module", params=["-OO", "a plain copy"])
def ran(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[object]]:
    folder = tmp_path_factory.mktemp("here")
    if request.param == "-OO":
        return outcomes(folder, SOURCE.parent, "-OO")
    copy = folder / "copy"
    shutil.copytree(SOURCE, copy / "npnet", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SOURCE.parent / "data", copy / "data")
    results = outcomes(folder, copy, "-I")
    assert {result[0] for result in results.values()} == {str(copy / "npnet" / "__init__.py")}
    return results


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(ran: dict[str, list[object]], command: str) -> None:
    _, code, out, error = ran[command]
    assert code == 0, f"{code}\n{error}"
    assert out or error or command.startswith("train")


def test_every_command_is_on_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.partition("COMMAND\n")[2].partition("\n\n")[0]
    names = {
        line.split()[0]
        for line in listed.splitlines()
        if line.startswith("    ") and line[4] != " "
    }
    assert names == {command.split()[0] for command in COMMANDS if command != "--version"}
