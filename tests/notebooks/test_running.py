"""A notebook runs in a process of its own, whatever its cells do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import made_notebooks as made
import pytest

from npnet.notebooks.read import read_notebook
from npnet.notebooks.run import Options, Ran, run_notebook


def run(folder: Path, cells: Sequence[str], **options: object) -> list[Ran]:
    file = folder / "a.ipynb"
    file.write_text(made.ipynb(cells), encoding="utf-8")
    return list(run_notebook(read_notebook(file), Options(**options)))  # type: ignore[arg-type]


def printed(ran: Ran) -> str:
    return "".join(output.text for output in ran.outputs)


def test_cells_share_names_and_a_failing_one_does_not_stop_them(tmp_path: Path) -> None:
    ran = run(tmp_path, ["session = 3", "1 / 0", "print(session)"])
    assert [cell.error and cell.error.text for cell in ran] == [
        None,
        "ZeroDivisionError: division by zero",
        None,
    ]
    assert printed(ran[2]) == "3\n"


def test_strange_cells_do_not_stop_the_run(tmp_path: Path) -> None:
    cells = [
        "import os\nos.chdir('/')",
        "import builtins\nkept = builtins.print\ndel builtins.print",
        "builtins.print = kept\nprint('back')",
        "torch = 5\nopen = 7\nlen = None\nprint(torch)",
        "import sys\nprint(sys.argv)",
        "import threading as th\nt = th.Thread(target=print, args=['thread'])\nt.start()\nt.join()",
        "print('Ä 漢 😀', end='')",
        "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E",
        "class R:\n    def __repr__(self):\n        raise KeyError(3)\nR()",
        "import traceback as tb\ntry:\n    1 / 0\nexcept Exception:\n    print(tb.format_exc())",
        "import sys\nsys.stderr.write('careful')\nsys.stdout.flush()",
        "raise KeyboardInterrupt",
        "exec('x = 3')\nprint(x)",
    ]
    ran = run(tmp_path, cells)
    assert not any(cell.stopped for cell in ran)
    shown = [printed(cell) for cell in ran]
    assert shown[2:7] == ["back\n", "5\n", "['']\n", "thread\n", "Ä 漢 😀"]
    assert [shown[7], shown[8]] == ["E: ", "KeyError: 3"]
    assert "npnet" not in shown[9]
    assert 'File "cell 10", line 3' in shown[9]
    assert ran[10].outputs[0].kind == "stderr"
    assert ran[11].error is not None
    assert shown[12] == "3\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("import os\nos._exit(3)", "exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ],
)
def test_a_cell_that_ends_the_process_leaves_the_rest_not_run(
    code: str, text: str, tmp_path: Path
) -> None:
    ran = run(tmp_path, ["print(1)", code, "print(3)"])
    assert ran[0].stopped is None
    assert text in (ran[1].stopped or "")
    assert (ran[2].stopped or "").startswith("not run: in cell 2")


@pytest.mark.slow
def test_a_cell_is_interrupted_after_its_time_and_the_next_runs(tmp_path: Path) -> None:
    ran = run(tmp_path, ["print('begun')\nwhile True:\n    pass", "print('on')"], seconds=1)
    assert "stopped after 1 s" in (ran[0].stopped or "")
    assert printed(ran[0]).startswith("begun")
    assert printed(ran[1]) == "on\n"


@pytest.mark.slow
def test_a_cell_that_refuses_to_stop_is_ended(tmp_path: Path) -> None:
    code = (
        "import time\nwhile True:\n    try:\n        time.sleep(9)\n"
        "    except KeyboardInterrupt:\n        pass"
    )
    ran = run(tmp_path, [code, "print('on')"], seconds=1)
    assert "it did not stop" in (ran[1].stopped or "")


@pytest.mark.slow
def test_two_hundred_megabytes_of_output_are_cut(tmp_path: Path) -> None:
    ran = run(tmp_path, ["for _ in range(200):\n    print('x' * 1_000_000)", "print('on')"])
    assert len(printed(ran[0])) < 3_000_000
    assert "cut after" in printed(ran[0])
    assert printed(ran[1]) == "on\n"


def test_each_printed_line_knows_the_line_that_printed_it(tmp_path: Path) -> None:
    cells = [
        (
            "def f(x):\n    print('in', x)\nprint('a')\nfor i in range(2):\n    print(i, end=' ')\n"
            "print()\nf(3)\n'last'"
        )
    ]
    outputs = run(tmp_path, cells)[0].outputs
    lines = [place for output in outputs for place in output.lines]
    assert [place for place in lines if place][:3] == [3, 5, 7]
    assert lines[-1] == 8


def test_the_users_random_numbers_are_pythons_own(tmp_path: Path) -> None:
    code = "import random\nrandom.seed(42)\nprint(random.random())\nx = list(range(9))\n"
    code += "random.shuffle(x)\nprint(x)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ran = run(tmp_path, [code, "import numpy as np\nnp.random.seed(1)\nprint(np.random.rand())"])
    assert printed(ran[0]) == done.stdout
    assert ran[0].draws == []
    assert printed(ran[1]).startswith("0.417022004702574")


def test_draws_without_a_seed_are_noted_with_their_lines(tmp_path: Path) -> None:
    cells = [
        "import random, torch\nimport numpy as np\nx = [1, 2]\nrandom.shuffle(x)",
        "g = torch.Generator().manual_seed(3)\na = torch.randn(2, generator=g)\nb = torch.randn(3)",
        "np.random.default_rng().normal()\nnp.random.default_rng(3).normal()",
        "torch.manual_seed(1)\nc = torch.randn(2)",
        "torch.seed()\nd = torch.rand(2)",
        "random.seed(3)\nrandom.random()\nrandom.seed()\nrandom.random()",
    ]
    draws = [[(d.source, d.kind, d.line) for d in cell.draws] for cell in run(tmp_path, cells)]
    assert draws == [
        [("python", "shuffle", 4)],
        [("torch", "randn", 3)],
        [("numpy", "default_rng", 1)],
        [],
        [("torch", "rand", 2)],
        [("python", "random", 4)],
    ]


def test_a_default_seed_makes_the_default_generator_repeat(tmp_path: Path) -> None:
    draw = "import torch\nprint(torch.rand(4))"
    ran = run(tmp_path, [draw, draw, draw, draw], default_seed=5, starts={3: 0, 4: 4})
    first, second, again, from_word_4 = (printed(cell) for cell in ran)
    assert first != second
    assert (again, from_word_4) == (first, second)
    assert not any(cell.draws for cell in ran)


def test_files_that_are_missing_are_answered_by_the_words(tmp_path: Path) -> None:
    words = tmp_path / "mine.csv"
    words.write_text("ann\nbob\n", encoding="utf-8")
    ran = run(tmp_path, ["print(open('/elsewhere/list.txt').read())"], words=words)
    assert printed(ran[0]) == "ann\nbob\n\n"
    assert ran[0].files == [str(words)]
    assert "is answered by" in ran[0].notes[0]
    failing = run(tmp_path, ["open('list.txt')", "open('made.txt', 'w').write('x')"])
    assert "--words FILE" in (failing[0].error.text if failing[0].error else "")
    assert failing[1].error is None


@pytest.mark.slow
def test_ctrl_c_leaves_the_report_of_what_ran(tmp_path: Path) -> None:
    file = tmp_path / "a.ipynb"
    file.write_text(
        made.ipynb(["print('one')", "while True:\n    pass", "print(3)"]), encoding="utf-8"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "npnet", "notebook", str(file)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A job in the background is started with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert lines[1].split()[0] == "1"
    assert "stopped by Ctrl-C" in rest
    assert "1 of 3 cells ran" in rest
    assert process.returncode == 130
