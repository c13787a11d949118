"""Nothing in a data file is ever executed, and downloads are complete and come over TLS."""

import ast
import dataclasses
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sources import ROOT, SOURCES, parsed

import npnet
from npnet import InputError
from npnet.corpora.known import KNOWN, Corpus, download
from npnet.training.checkpoint import write_checkpoint
from npnet.training.fit import Training

# Modules that run text as a program, what they use for it, and whose text it is. None of it comes
# from a file of data, but for two formulas of a recipe, which Recipe and Draw have parsed and
# compared with a list of what a formula may hold.
RUN_CODE = {"exec", "compile"}
RUNNING = {
    "npnet/cli/check_lines.py": ({"runpy"}, "the user's network, which the user asks us to check"),
    "npnet/learn/diagnose.py": (RUN_CODE, "our own formulas, and the mistakes we make in them"),
    "npnet/learn/notation.py": ({"exec"}, "our own formulas"),
    "npnet/learn/sheet.py": ({"exec"}, "the learner's program, which the learner asks us to run"),
    "npnet/learn/sheet_parts.py": ({"compile"}, "the parts of the learner's program"),
    "npnet/learn/wrong_gradients.py": ({"exec"}, "our own catalogue"),
    "npnet/learn/wrong_rows.py": ({"compile"}, "our own solutions, a row at a time"),
    "npnet/notebooks/drawn.py": ({*RUN_CODE, "eval"}, "the user's notebook, in its own process"),
    "npnet/notebooks/session.py": ({*RUN_CODE, "eval"}, "the user's notebook, in its own process"),
    "npnet/grading/slice_runs.py": (RUN_CODE, "the user's notebook, in its own process"),
    "npnet/grading/training_loop.py": (
        {*RUN_CODE, "eval"},
        "the user's notebook, in its own process",
    ),
    "npnet/grading/watch.py": ({*RUN_CODE, "eval"}, "the user's notebook, in its own process"),
    "npnet/replays/seed_progress.py": ({"pickle"}, "our own search, for our own worker"),
    "npnet/replays/seed_search.py": ({"pickle"}, "our own search, for our own worker"),
    "oracle/cells.py": (RUN_CODE, "our own cells, which are timed"),
    "oracle/initialization.py": ({"eval"}, "a formula that Draw has parsed"),
    "oracle/notebook.py": ({"np.load"}, "tensors that our own process has just written"),
    "oracle/notebook_truth.py": (RUN_CODE, "the user's notebook, in its own process"),
    "oracle/operations.py": ({"exec"}, "our own table of forms"),
    "oracle/replay.py": ({"eval"}, "a formula that Recipe has parsed"),
}
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "joblib", "code", "runpy"}
RUNNERS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN = {
    *("os.system", "os.popen", "np.load", "numpy.load", "torch.load", "yaml.load"),
    *("npy.read_array", "npy.open_memmap", "ssl._create_unverified_context"),
}
LAST_PARTS = {name.rpartition(".")[2] for name in FORBIDDEN}


def faults(program: ast.Module) -> set[str]:
    """The places in a program that could run text, unpickle, use a shell, or trust any server."""
    found = set()
    for node in ast.walk(program):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} & MODULES
        elif isinstance(node, ast.Name):
            found |= {node.id} & RUNNERS
        elif isinstance(node, ast.Attribute) and node.attr in LAST_PARTS:
            found |= {ast.unparse(node)} & FORBIDDEN
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell", "verify"):
            wanted = node.arg == "verify"
            if not isinstance(node.value, ast.Constant) or node.value.value is not wanted:
                found.add(ast.unparse(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {"http:"} & {node.value[:5]}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_these_modules_run_text_as_a_program(path: Path) -> None:
    found = faults(parsed(path))
    allowed, _ = RUNNING.get(str(path.relative_to(ROOT)), (set(), ""))
    assert found == allowed


def test_a_formula_of_a_recipe_cannot_run_a_program() -> None:
    for formula in ("__import__('os').getcwd()", "i.__class__", "(lambda: 1)()", "[1][0]"):
        with pytest.raises(InputError):
            npnet.Recipe("formula", rates=formula)
        with pytest.raises(InputError):
            npnet.Draw("W1", (f"* ({formula})",)).scaled(np.ones(3, np.float32), fan_in=3)


@pytest.mark.parametrize(
    "program",
    [
        "import pickle",
        "from marshal import loads",
        "eval(text)",
        "run = exec",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "read(path, allow_pickle=flag)",
        "subprocess.run(line, shell=True)",
        "os.system(line)",
        "requests.get(url, verify=False)",
        "url = 'http://example.org/names.txt'",
    ],
)
def test_the_walk_finds_what_it_looks_for(program: str) -> None:
    assert faults(ast.parse(program))


# Python reports what it does to a hook; nothing of this may happen while files are read.
LISTENING = """
import sys
from pathlib import Path
from npnet.training.checkpoint import digest, read_checkpoint
from npnet.corpora.words import read_words
from npnet.plotting.loss_logs import read_curve
from npnet.checks.golden import read_golden
from npnet.recipes.publication import find_publication
from npnet.training.runs import load_run

folder, golden = Path(sys.argv[1]), Path(sys.argv[2])

def read():
    run = load_run(folder)
    checkpoint, refused = read_checkpoint(folder, run.recipe, digest(run.words))
    assert checkpoint is not None and not refused
    read_curve(folder)
    read_words(folder / "words.txt")
    read_golden(golden)
    find_publication("part3")

read()  # whatever has to be imported, is
heard = []
watched = ("exec", "import", "pickle.", "marshal.", "os.system", "subprocess.", "socket.")
sys.addaudithook(lambda event, _: heard.append(event) if event.startswith(watched) else None)
read()
assert not heard, heard
exec("pass")
assert heard == ["exec"], heard
"""


def test_reading_files_runs_imports_and_unpickles_nothing(
    tmp_path: Path, small_words: list[str]
) -> None:
    recipe = dataclasses.replace(npnet.RECIPES["lecture"], hidden=4, steps=5)
    training = Training(recipe, small_words)
    training.run()
    folder = training.finish().save(tmp_path / "run", plot=False)
    write_checkpoint(folder, training.checkpoint())
    command = [sys.executable, "-c", LISTENING, str(folder), str(ROOT / "data" / "golden")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Downloads


def test_every_download_is_over_tls_with_a_fixed_checksum() -> None:
    for corpus in KNOWN.values():
        assert corpus.url is None or corpus.url.startswith("https://")
        assert len(corpus.sha256) == 64
        assert int(corpus.sha256, 16) >= 0
    assert any(corpus.url for corpus in KNOWN.values())


class Handler(BaseHTTPRequestHandler):
    """Gives everybody the same ten bytes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """One whose client may hang up on it."""

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture(params=["no TLS", "a certificate that nobody vouches for"])
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """The port of a server that a client must not trust."""
    context = None
    if request.param != "no TLS":
        if shutil.which("openssl") is None:
            pytest.skip("needs the command openssl, to make a certificate")
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        )
        files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "certificate")]
        subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*command.split(), *files, *subject], capture_output=True, check=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with Server(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_server_that_cannot_be_trusted_is_refused_by_name(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"https://127.0.0.1:{port}/ten.txt"
    sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"  # of the ten bytes
    corpus = Corpus("ten.txt", sha256, 10, words=10, fold=False, url=url, note="")
    monkeypatch.setitem(KNOWN, "ten.txt", corpus)
    with pytest.raises(InputError, match=rf"^download: SSLError from {url}, wanted .*SHA-256 84d8"):
        download("ten.txt", folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
