"""Reading damaged and hostile files: each is refused in words, or read correctly.

``--mutants N`` sets how many damaged files are read, 300 by default, 60 at most in the fast tests.
"""

import dataclasses
import hashlib
import importlib.util
import io
import json
import pickle
import random
import re
import shutil
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import GOLDEN, SIZES, copied

import npnet
from npnet import InputError
from npnet.base.arrays import Array
from npnet.base.npz import MOST_BYTES, read_npz
from npnet.checks.array_files import read_theirs
from npnet.checks.containers import encode
from npnet.checks.golden import read_golden
from npnet.checks.reference import Problem
from npnet.plotting.loss_logs import read_curve
from npnet.recipes.publication import read_publication, shipped
from npnet.training.checkpoint import NEWEST, digest, read_checkpoint, write_checkpoint
from npnet.training.fit import Training
from npnet.training.runs import load_run

RECIPE = dataclasses.replace(npnet.RECIPES["lecture"], hidden=4, steps=70, name="short")


# Damage


def flipped(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 1, 8])):
        bit = rng.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    return bytes(content)


def truncated(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def inserted(content: bytearray, rng: random.Random) -> bytes:
    place = rng.randint(0, len(content))
    return bytes(content[:place] + rng.randbytes(rng.choice([1, 7, 300])) + content[place:])


def deleted(content: bytearray, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    return bytes(content[:start] + content[end:])


def repeated(content: bytearray, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    return bytes(content[:end] + content[start:end] * rng.choice([1, 1, 50]) + content[end:])


def swapped(content: bytearray, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    middle = rng.randint(start, end)
    return bytes(content[:start] + content[middle:end] + content[start:middle] + content[end:])


def zeroed(content: bytearray, rng: random.Random) -> bytes:
    start, end = block(content, rng)
    return bytes(content[:start] + bytes(end - start) + content[end:])


def said_otherwise(content: bytearray, rng: random.Random) -> bytes:
    """A number, a text or a bracket of a text file becomes something else."""
    tokens = [*re.finditer(rb'[0-9.e+-]+|"[^"]*"|[\[\]{}=:,\n]|true|false', content)]
    if not tokens:
        return flipped(content, rng)
    token = rng.choice(tokens)
    new = rng.choice(
        [
            *(b"0", b"-1", b"7", b"0.5", b"1e999", b"nan", b"inf", b"null", b"true", b"", b'"x"'),
            *(b"[]", b"{}", b"[[0, 1]]", b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000),
            *(b"[" * 3000, b'"' + b"x" * 9000 + b'"', b"1979-05-27", b'"\\ud800"', b"\xff", b"\0"),
        ]
    )
    return bytes(content[: token.start()] + new + content[token.end() :])


def block(content: bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, min(len(content), start + rng.choice([1, 4, 30, 1000, len(content)]))


DAMAGES = (flipped, truncated, inserted, deleted, repeated, swapped, zeroed, said_otherwise)


# Readers


class Target(NamedTuple):
    """A file and its reader; ``sealed`` if a checksum covers all that the file says."""

    path: Path
    read: Callable[[], Any]
    sealed: bool

    def refusal(self, whole: Any, content: bytes) -> str | None:
        """The error for the file with another content; None if it is read."""
        before = self.path.read_bytes()
        self.path.write_bytes(content)
        try:
            found = self.read()
        except InputError as error:
            return str(error)
        finally:
            self.path.write_bytes(before)
        assert not self.sealed or found == whole
        return None


def bits_of(run: npnet.Run) -> Any:
    arrays = {**run.params, "mean": run.stats.mean, "var": run.stats.var, "losses": run.losses}
    others = run.recipe, sorted(run.split_losses.items()), run.stats.eps, run.vocab, run.words
    return {name: array.tobytes() for name, array in arrays.items()}, others


def bits_of_golden(problem: Problem) -> Any:
    named: dict[Any, Any] = {**problem.arrays, "batch": problem.batch}
    return {
        (kind, name): np.asarray(array).tobytes()
        for kind, arrays in named.items()
        for name, array in arrays.items()
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_words: list[str]) -> Path:
    """The folder of a run, with a checkpoint in it."""
    training = Training(RECIPE, small_words)
    training.run()
    folder = training.finish().save(tmp_path_factory.mktemp("fuzz") / "run", plot=False)
    write_checkpoint(folder, training.checkpoint())
    return folder


def sealed(folder: Path, body: bytes) -> Path:
    """A checkpoint whose checksum is right, whatever it holds."""
    (folder / NEWEST).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    return folder


def read_sealed(folder: Path, words: list[str]) -> Any:
    """The checkpoint of a folder, and where a run that goes on with it stands."""
    checkpoint, refused = read_checkpoint(folder, RECIPE, digest(words))
    if checkpoint is None:
        [sentence] = refused
        raise InputError(sentence)
    training = Training(RECIPE, words, checkpoint)
    drawn = training.generator.randint(0, 9, (9,)).tolist()
    return bits_of(training.finish()), training.done, drawn


def theirs(folder: Path) -> list[Target]:
    """Gradients of another program in each format but npz."""
    arrays: dict[str, Array] = {
        "h": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        "b2": np.ones(27),
    }
    entry = {"name": "h", "dtype": "bf16", "shape": [3, 4], "file": "h.bin"}
    packed = {"dtype": "f64", "shape": [1, 2], "base64": "AAAAAAAA8D8AAAAAAADwPw=="}
    texts = {
        "listed/manifest.json": json.dumps({"arrays": [entry]}),
        "packed/theirs.json": json.dumps({"grads": {"C": packed, "h": [[1, 0.5], [0.1, 2]]}}),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    contents["listed/h.bin"] = bytes(24)
    contents["folder/h.npy"] = encode("npy", {"h": arrays["h"]})
    contents["json/theirs.json"] = encode("json", arrays)
    if importlib.util.find_spec("safetensors"):
        contents["safetensors/theirs"] = encode("safetensors", arrays)
    found = []
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        whole = path.parent if path.parent.name in ("listed", "folder") else path
        found.append(Target(path, partial(read_theirs, whole, SIZES), False))
    return found


@pytest.fixture(scope="module")
def targets(run: Path, small_words: list[str]) -> list[Target]:
    forged = run.with_name("forged")
    forged.mkdir()
    body = forged / "body.npz"
    body.write_bytes((run / NEWEST).read_bytes().partition(b"\n")[2])
    golden = copied(GOLDEN, run.with_name("golden"))

    def golden_bits() -> Any:
        return bits_of_golden(read_golden(golden))

    found = [
        Target(run / NEWEST, lambda: read_sealed(run, small_words), True),
        Target(body, lambda: read_sealed(sealed(forged, body.read_bytes()), small_words), True),
        Target(run / "model.npz", lambda: bits_of(load_run(run)), True),
        Target(run / "history.csv", lambda: read_curve(run / "history.csv"), False),
        Target(run / "losses.json", lambda: read_curve(run), False),
    ]
    texts = ("recipe.json", "history.csv", "losses.json", "words.txt")
    found += [Target(run / name, lambda: load_run(run), False) for name in texts]
    archives = ("batch.npz", "value.f32.npz", "line.f64.npz")
    found += [Target(golden / name, golden_bits, True) for name in archives]
    found.append(Target(golden / "manifest.json", golden_bits, False))
    found += theirs(run.with_name("theirs"))
    for source in shipped().values():
        path = run.with_name(source.name)
        path.write_bytes(source.read_bytes())
        found.append(Target(path, partial(read_publication, path), False))
    return found


def test_damaged_files_are_refused_in_words_or_read_as_what_they_say(
    targets: list[Target], request: pytest.FixtureRequest
) -> None:
    rng = random.Random(0)
    wholes = [target.read() for target in targets]
    mutants = request.config.getoption("--mutants")
    if "not slow" in request.config.option.markexpr:
        mutants = min(mutants, 60)
    refused = 0
    for number in range(mutants):
        target, whole = targets[number % len(targets)], wholes[number % len(targets)]
        damage = rng.choice(DAMAGES)
        content = damage(bytearray(target.path.read_bytes()), rng)
        said = target.refusal(whole, content)
        if said is not None:
            refused += 1
            assert str(target.path.parent) in said, (damage.__name__, number)
            assert "\n" not in said, (damage.__name__, number)
    assert refused > mutants // 2


# Files that somebody made to do harm. A reader that believed them would take gigabytes.


def npy(header: str, data: bytes = bytes(80), version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + data


def described(dtype: str, shape: str) -> str:
    return f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}}}"


def zipped(content: bytes, name: str = "C.npy", way: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def claiming(archive: bytes, size: int) -> bytes:
    """The archive with another size of what it has packed, in both places that tell it."""
    content = bytearray(archive)
    struct.pack_into("<I", content, content.index(b"PK\x03\x04") + 22, size)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    return bytes(content)


PLAIN = npy(described("'<f8'", "(10,)"))
ZEROS = npy(described("'<f8'", f"({1 << 23},)"), bytes(1 << 26))  # 64 MB, packed 65 kB
HOSTILE: dict[str, Callable[[], bytes]] = {
    "a terabyte claimed": lambda: zipped(npy(described("'<f8'", f"({10**12},)"))),
    "more axes than there are": lambda: zipped(npy(described("'<f8'", f"({'1, ' * 70}10)"))),
    "an axis below 0": lambda: zipped(npy(described("'<f8'", "(-2, -5)"))),
    "letters without length": lambda: zipped(npy(described("'<U0'", f"({10**12},)"), b"")),
    "bytes without length": lambda: zipped(npy(described("'|V0'", f"({10**12},)"), b"")),
    "Python objects": lambda: zipped(npy(described("'|O'", "(1,)"), pickle.dumps(print))),
    "records": lambda: zipped(npy(described("[('a', '<f8')]", "(10,)"))),
    "brackets without end": lambda: zipped(npy("[" * 9000)),
    "a long header": lambda: zipped(npy(described("'<f8'", f"(10,{' ' * 60000})"))),
    "a header of 4 GB": lambda: zipped(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"),
    "another version": lambda: zipped(npy(described("'<f8'", "(10,)"), version=b"\x03\x00")),
    "no array": lambda: zipped(b"import os", "__init__.py"),
    "nothing": lambda: b"PK\x05\x06" + bytes(18),
    "packed by LZMA": lambda: zipped(PLAIN, way=zipfile.ZIP_LZMA),
    "too much": lambda: claiming(zipped(PLAIN), MOST_BYTES + 1),
    "more than it says": lambda: claiming(zipped(ZEROS), len(PLAIN)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_npz_file_is_refused_and_takes_no_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.npz"
    path.write_bytes(HOSTILE[kind]())
    tracemalloc.start()
    try:
        with pytest.raises(
            InputError, match=r"^/.*hostile\.npz: cannot be read as an npz file"
        ) as caught:
            read_npz(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 8_000_000  # what NumPy takes to look at a header of the longest kind is a third


def test_what_is_packed_is_read_up_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "zeros.npz"
    path.write_bytes(zipped(ZEROS))
    assert path.stat().st_size < 100_000
    assert np.array_equal(read_npz(path)["C"], np.zeros(1 << 23))


# What a checksum cannot tell: files that are whole, but not of this run.


def changed(path: Path, **changes: Any) -> None:
    arrays: dict[str, Any] = {**read_npz(path), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "no W1": ({"W1": None}, "no model of npnet"),
    "no eps": ({"eps": None}, "no model of npnet"),
    "b1 of another length": ({"b1": np.zeros(5, "f")}, "b1 has shape (5,), wanted (4,)"),
    "C of integers": ({"C": np.zeros((20, 10), int)}, "C is int64"),
    "eps is text": ({"eps": np.array("x")}, "could not convert"),
    "eps below 0": ({"eps": np.array(-1.0)}, "eps is -1.0"),
    "var of another length": ({"var": np.ones((1, 5), "f")}, "wanted floats of shape (1, H) both"),
    "mean of integers": ({"mean": np.ones((1, 4), int)}, "wanted floats of shape (1, H) both"),
    "characters are numbers": ({"chars": np.arange(20)}, "no model of npnet"),
    "a character more": ({"chars": np.array(list("abcdefghijklmnopqrstuvwxyz0123"))}, "wanted ("),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_does_not_fit_is_refused_by_file(kind: str, run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    changes, says = MODELS[kind]
    changed(folder / "model.npz", **changes)
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        load_run(folder)
    assert str(caught.value).startswith(str(folder / "model.npz"))


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("recipe.json", '"hidden": 4', '"hidden": 5', "model.npz: sizes, dtype and shape"),
        (
            "recipe.json",
            '"dtype": "float32"',
            '"dtype": "float64"',
            "model.npz: sizes, dtype and shape",
        ),
        (
            "recipe.json",
            '"steps": 70',
            '"steps": 71',
            "history.csv: 70 lines, wanted steps 0 to 70",
        ),
        ("recipe.json", '"name"', '"\xff"', "recipe.json: no UTF-8 text"),
        ("history.csv", "\n5,", "\n6,", "history.csv: 70 lines, wanted steps 0 to 69"),
        ("history.csv", "\n5,", '\n"5,', "history.csv: "),
        ("history.csv", "\n5,", "\n5,1e99,0\n#", "history.csv: "),
        ("history.csv", "\n69,", "\n69,1e99,", "history.csv: a loss is not finite"),
        ("history.csv", "\n69,", "\n69", "history.csv: "),
        ("recipe.json", '"steps": 70', '"steps": 2147483647', "wanted steps 0 to 2147483646"),
        ("history.csv", "step,loss,lr", "", "history.csv: the first line is not step,loss,lr"),
        ("losses.json", '"train": ', '"train": [', "losses.json: damaged"),
        ("losses.json", '"train": ', f'"x": {"9" * 400}, "train": ', "losses.json: damaged"),
        ("words.txt", "a", "%", "words.txt: has '%', which model.npz has not"),
    ],
)
def test_files_of_a_run_that_contradict_each_other_are_refused(
    name: str, old: str, new: str, says: str, run: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    content = (folder / name).read_bytes()
    assert old.encode() in content
    (folder / name).write_bytes(content.replace(old.encode(), new.encode("latin-1"), 1))
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        load_run(folder)
    assert str(caught.value).startswith(str(folder))


CHECKPOINTS: dict[str, tuple[dict[str, Any], str]] = {
    "no parameters": ({"C": None}, "no checkpoint of this version"),
    "no head": ({"head": None}, "no checkpoint of this version"),
    "head is a list": ({"head": np.array("[]")}, "no checkpoint of this version"),
    "head without end": ({"head": np.array("[" * 100_000)}, "no checkpoint of this version"),
    "b1 of another length": ({"b1": np.zeros(5, "f")}, "b1 has shape (5,)"),
    "other characters": (
        {"C": np.zeros((3, 10), "f"), "W2": np.zeros((4, 3), "f"), "b2": np.zeros(3, "f")},
        "does not fit its run",
    ),
    "losses are a number": ({"losses": np.zeros((), "f")}, "losses of shape ()"),
    "losses in a table": ({"losses": np.zeros((7, 2), "f")}, "losses of shape (7, 2)"),
    "averages of nothing": ({"average_0": np.zeros(4, "f")}, "does not fit its run"),
    "a generator's words": ({"generator_key": np.zeros(7, np.uint32)}, "key (7,) uint32"),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_that_is_whole_and_does_not_fit_is_refused(
    kind: str, run: Path, tmp_path: Path, small_words: list[str]
) -> None:
    body = tmp_path / "body.npz"
    body.write_bytes((run / NEWEST).read_bytes().partition(b"\n")[2])
    changes, says = CHECKPOINTS[kind]
    changed(body, **changes)
    with pytest.raises(InputError, match=re.escape(says)):
        read_sealed(sealed(tmp_path, body.read_bytes()), small_words)
