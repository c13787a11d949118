"""Every format gives back the arrays that were written, and broken files are refused in words."""

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import judge
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npnet import InputError
from npnet.base.arrays import Array
from npnet.checks.array_files import Layout, read_theirs
from npnet.checks.containers import CONTAINERS, MANY, ONE, SUFFIXES, decode, encode
from npnet.checks.golden import read_golden, shipped_set, write
from npnet.checks.reference import Problem
from npnet.checks.stored import narrowed, stored_type, widened

SIZES = {"n": 4, "V": 5, "E": 2, "T": 3, "H": 6}

dtypes = st.sampled_from(["float64", "float32", "float16", "int64", "int8", "uint32", "bool"])
numbers: st.SearchStrategy[Array] = dtypes.flatmap(
    lambda dtype: hnp.arrays(
        st.sampled_from([np.dtype(dtype), np.dtype(dtype).newbyteorder(">")]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements=hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False),
    )
)


def needed(container: str) -> None:
    if container == "safetensors":
        pytest.importorskip("safetensors")


def same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)


@settings(max_examples=25)
@given(arrays=st.dictionaries(st.sampled_from(["W1", "a/b", "é"]), numbers, min_size=1))
@pytest.mark.parametrize("container", MANY)
def test_a_file_of_many_arrays_gives_them_back(
    tmp_path_factory: pytest.TempPathFactory, container: str, arrays: dict[str, Array]
) -> None:
    needed(container)
    path = tmp_path_factory.mktemp("many") / "file"
    path.write_bytes(encode(container, arrays))
    read = decode(path)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert same(read[name].array, native)
        assert read[name].dtype == native.dtype.name


@settings(max_examples=40)
@given(array=numbers, big=st.booleans())
def test_files_of_one_array_give_it_back(
    tmp_path_factory: pytest.TempPathFactory, array: Array, big: bool
) -> None:
    folder = tmp_path_factory.mktemp("one")
    native = array.astype(array.dtype.newbyteorder("="))
    (folder / "h.npy").write_bytes(encode("npy", {"h": array}))
    assert same(decode(folder / "h.npy")["h"].array, native)
    order: Literal["<", ">"] = ">" if big else "<"
    kind = array.dtype.name if array.dtype.itemsize == 1 else order + array.dtype.str[1:]
    (folder / "h.bin").write_bytes(array.astype(array.dtype.newbyteorder(order)).tobytes())
    entry = {"name": "h", "dtype": kind, "shape": array.shape}
    (folder / "manifest.json").write_text(json.dumps({"arrays": [entry]}))
    for each in folder.glob("*.npy"):
        each.unlink()
    [theirs] = read_theirs(folder, SIZES)
    read = theirs.arrays["h"]
    assert np.array_equal(read, native)
    assert read.dtype == ("float32" if native.dtype == "float16" else native.dtype)


@settings(max_examples=40)
@given(array=numbers)
def test_base64_and_nested_lists_give_an_array_back(array: Array) -> None:
    native = array.astype(array.dtype.newbyteorder("="))
    head = {"dtype": array.dtype.name, "shape": array.shape}
    packed = base64.b64encode(native.astype(native.dtype.newbyteorder("<")).tobytes()).decode()
    whole = {
        "text": {**head, "base64": packed},
        "data": {**head, "data": packed},
        "nested": {**head, "data": (native + np.int8(0)).tolist()},
    }
    from npnet.checks.containers import decode_json

    read = decode_json(json.dumps({"grads": whole}).encode())
    assert [*read] == ["grads/text", "grads/data", "grads/nested"]
    assert all(same(stored.array, native) for stored in read.values())


@settings(max_examples=60)
@given(array=hnp.arrays(np.float32, (7,), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_bfloat16_is_read_without_another_package(array: Array) -> None:
    bits = narrowed(array)
    back = widened(bits)
    assert np.array_equal(narrowed(back), bits)
    assert (np.abs(back - array) <= np.abs(array) * 2.0**-8 + 1e-40).all()


def test_npy_files_may_say_their_precision_in_their_names(tmp_path: Path) -> None:
    ones = np.ones((6, 5))
    for folder, names in (("plain", ["W2", "h.x"]), ("both", ["W2.f32", "W2.f64", "h.f32"])):
        (tmp_path / folder).mkdir()
        for name in names:
            dtype = np.float32 if name.endswith("f32") else np.float64
            np.save(tmp_path / folder / f"{name}.npy", ones.astype(dtype))
    [plain] = read_theirs(tmp_path / "plain", SIZES)
    dtypes = {name: str(array.dtype) for name, array in plain.arrays.items()}
    assert dtypes == dict.fromkeys(("W2", "h.x"), "float64")
    found = [
        (theirs.judged_as, {*theirs.arrays}) for theirs in read_theirs(tmp_path / "both", SIZES)
    ]
    assert found == [("float32", {"W2", "h"}), ("float64", {"W2"})]


def test_bfloat16_rounds_the_middle_of_two_numbers_to_the_even_one() -> None:
    # 1 + k/256: numbers of bfloat16 are 1, 1 + 2/256, 1 + 4/256.
    near = [1 + k / 256 for k in (0, 1, 1.01, 2, 2.99, 3, 5)]
    found = widened(narrowed(np.array([*near, -near[1]], np.float32)))
    wanted = [1 + k / 256 for k in (0, 0, 2, 2, 2, 4, 4)]
    assert found.tolist() == [*wanted, -1]


def test_bfloat16_files_are_read(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    numbers = widened(narrowed(np.linspace(-2, 2, 12, dtype=np.float32).reshape(4, 3)))
    data = narrowed(numbers).astype("<u2").tobytes()
    head = json.dumps({"h": {"dtype": "BF16", "shape": [4, 3], "data_offsets": [0, 24]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
    assert safetensors.__version__
    for path in (tmp_path / "a.safetensors", tmp_path / "raw"):
        if path.name == "raw":
            path.mkdir()
            (path / "h.bf16").write_bytes(narrowed(np.zeros((4, 6), np.float32)).tobytes())
        [theirs] = read_theirs(path, SIZES)
        assert (theirs.judged_as, theirs.precision) == ("bfloat16", "float32")
        assert theirs.arrays["h"].dtype == np.float32
    assert np.array_equal(decode(tmp_path / "a.safetensors")["h"].array, numbers)


@pytest.mark.parametrize(
    ("printed", "dtype"),
    [
        ("[0.1, 0.25]", "float32"),  # the shortest text of a float32
        ("[0.10000000149011612, 3]", "float32"),  # the same, widened before it was printed
        ("[0.1234567890123456, 1]", "float64"),
        ("[0, 0]", "float32"),
    ],
)
def test_plain_numbers_of_json_have_the_precision_that_they_show(printed: str, dtype: str) -> None:
    from npnet.checks.containers import decode_json

    array, said = decode_json(b'{"b2": %s}' % printed.encode())["b2"]
    assert (array.dtype.name, said) == (dtype, "")


def test_dtypes_go_by_the_names_of_many_programs() -> None:
    for text in ("F32", "f32", "float", "torch.float32", "<f4"):
        assert stored_type(text).name == "float32"
    assert stored_type(">f8") == ("float64", ">")
    for wrong in ("complex64", "", "<U5", "<zz", None, "f"):
        with pytest.raises(InputError, match="wanted float64"):
            stored_type(wrong)


# Golden sets


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_golden_set_is_the_same_in_every_format(
    golden: Problem, tmp_path: Path, container: str
) -> None:
    needed(container)
    write(golden, tmp_path / "set", [container])
    again = read_golden(tmp_path / "set")
    assert again.arrays == golden.arrays
    assert again.batch == golden.batch
    if container not in MANY:
        both = read_theirs(tmp_path / "set" / container / "gradient", golden.sizes)
        assert [theirs.precision for theirs in both] == ["float32", "float64"]
        for theirs in both:
            assert theirs.arrays.keys() == golden.arrays["gradient", theirs.precision].keys()


def test_npnet_golden_needs_force_to_replace_a_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from npnet.cli import main

    command = ["golden", str(tmp_path / "set"), "--format", "npz", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 12
    assert main(command) == 2
    assert "wanted a new folder, or --force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def test_a_missing_shipped_set_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("npnet.checks.golden.SHIPPED_FOLDERS", (tmp_path,))
    with pytest.raises(InputError, match="install npnet again"):
        shipped_set()


def test_without_safetensors_the_package_is_named(
    golden: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("npnet.checks.containers.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install safetensors"):
        write(golden, tmp_path / "set", ["safetensors"])
    path = tmp_path / "a.safetensors"
    path.write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(InputError, match=r"a\.safetensors: .*pip install safetensors"):
        decode(path)


# Raw files by layout


def test_raw_files_are_read_in_the_layout_of_the_options(tmp_path: Path) -> None:
    W2 = np.arange(30, dtype=np.float32).reshape(6, 5)
    (tmp_path / "W2.f32").write_bytes(W2.T.astype(">f4").tobytes())
    [theirs] = read_theirs(tmp_path, SIZES, layout=Layout(column_major=True, big_endian=True))
    assert np.array_equal(theirs.arrays["W2"], W2)


# Broken files


def safetensors_of(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def folder_of(**files: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.mkdir()
        for name, data in files.items():
            (path / name.replace("_DOT_", ".")).write_bytes(data)

    return make


def listed(*entries: object, **files: bytes) -> Callable[[Path], None]:
    return folder_of(manifest_DOT_json=json.dumps({"arrays": entries}).encode(), **files)


H = {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}
BROKEN: dict[str, tuple[bytes | Callable[[Path], None], str]] = {
    "safetensors cut short": (safetensors_of({"h": H}, bytes(7)), "is damaged"),
    "safetensors with a long header": (safetensors_of({"h": H}, bytes(8), 10**6), "is damaged"),
    "safetensors whose shape lies": (
        safetensors_of({"h": {**H, "shape": [3, 2]}}, bytes(8)),
        "is damaged",
    ),
    "safetensors whose offsets overlap": (safetensors_of({"h": H, "C": H}, bytes(8)), "damaged"),
    "safetensors without arrays": (safetensors_of({}), "holds no array"),
    "safetensors of complex numbers": (
        safetensors_of({"h": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        "h: dtype 'C64', wanted float64",
    ),
    "json cut short": (b'{"h": [1, 2', "no JSON"),
    "json of a list": (b"[[1, 2]]", "a list, wanted an object"),
    "json with ragged rows": (b'{"h": [[1, 2], [3]]}', "'h': rows of different lengths"),
    "json of deep lists": (b'{"h": ' + b"[" * 40 + b"]" * 40 + b"}", "more than 32 deep"),
    "json far too deep": (b'{"h": ' + b"[" * 10**5, "no JSON"),
    "json with NaN": (b'{"h": [NaN]}', "NaN is no JSON number"),
    "json with null": (b'{"h": [null]}', "holds None, wanted numbers: JavaScript writes NaN"),
    "json with a text": (b'{"h": ["1"]}', "holds '1', wanted numbers"),
    "json with a huge number": (b'{"h": [1e999]}', "a number beyond float64"),
    "json with a name twice": (b'{"h": [1], "h": [2]}', "'h' is there twice"),
    "base64 of a wrong length": (
        b'{"h": {"dtype": "f32", "shape": [2], "base64": "AAAA"}}',
        "'h': 3 bytes, wanted 8",
    ),
    "no base64": (b'{"h": {"dtype": "f32", "shape": [2], "base64": "a!"}}', "no base64"),
    "json with a dtype alone": (b'{"h": {"dtype": "f32"}}', "wanted dtype, shape, and data"),
    "json with another shape": (
        b'{"h": {"dtype": "f32", "shape": [2], "data": [1]}}',
        "data of shape (1,), wanted (2,)",
    ),
    "json with a shape of texts": (
        b'{"h": {"dtype": "f32", "shape": ["2"], "data": [1]}}',
        "shape ['2'], wanted a list of sizes",
    ),
    "json with fractions as integers": (
        b'{"h": {"dtype": "i64", "shape": [1], "data": [0.5]}}',
        "numbers that int64 does not hold",
    ),
    "a pickle": (b"\x80\x04K\x01.", "a pickle, which is never opened"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n", "an HDF5 file, wanted an npz"),
    "a text": (b"h = 1", "of an unknown kind, wanted an npz"),
    "nothing": (b"", "is empty, wanted an npz"),
    "an empty folder": (folder_of(), "holds no file NAME.npy"),
    "a folder of a damaged npy": (folder_of(h_DOT_npy=b"\x93NUMPY\x01"), "h.npy: cannot be read"),
    "a manifest of nothing": (folder_of(manifest_DOT_json=b"{}"), 'wanted {"arrays"'),
    "a manifest cut short": (folder_of(manifest_DOT_json=b"{"), "manifest.json: no JSON"),
    "a manifest without names": (listed({"dtype": "f32"}), "name None, wanted a text"),
    "a manifest with a path": (
        listed({"name": "h", "dtype": "f32", "shape": [1], "file": "../h"}),
        "file '../h', wanted the name of a file",
    ),
    "a manifest without files": (
        listed({"name": "h", "dtype": "f32", "shape": [1]}),
        "h.bin: No such file or directory, wanted float32 of shape (1,)",
    ),
    "a raw file of another length": (
        folder_of(b2_DOT_f32=bytes(27 * 8)),
        "b2.f32: 216 bytes, wanted 108: float32 of shape (27,), little endian, in C order, with",
    ),
    "two names of one array": (
        b'{"W1": [1], "W1.grad": [1]}',
        "W1 and W1.grad are both W1, wanted one of the two",
    ),
    "mixed precisions": (
        json.dumps(
            {
                "h": {"dtype": "bf16", "shape": [1], "data": [1]},
                "C": {"dtype": "f32", "shape": [1], "data": [1]},
            }
        ).encode(),
        "has bfloat16 and float32, wanted one precision: --precision bfloat16",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_line(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content, said = BROKEN[case]
    if "safetensors" in case:
        pytest.importorskip("safetensors")
    path = tmp_path / "theirs"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    assert judge(path) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"npnet: {path}")
    assert said in line
    assert line.count("\n") == 1


def test_a_file_of_torch_save_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "h.pt", "w") as file:  # as torch.save writes it
        file.writestr("h/data.pkl", b"\x80\x02.")
    with pytest.raises(InputError, match=r"torch\.save, a pickle, which is never opened"):
        decode(tmp_path / "h.pt")


def test_limits_hold_for_folders_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b2.f32").write_bytes(bytes(20))
    monkeypatch.setattr("npnet.checks.array_files.MOST_FILES", 0)
    with pytest.raises(InputError, match="1 files, wanted at most 0"):
        read_theirs(tmp_path, SIZES)
    monkeypatch.setattr("npnet.checks.array_files.MOST_FILES", 9)
    for module in ("array_files", "containers"):
        monkeypatch.setattr(f"npnet.checks.{module}.MOST_BYTES", 10)
    for path in (tmp_path, tmp_path / "b2.f32"):
        with pytest.raises(InputError, match="wanted at most 10 bytes"):
            read_theirs(path, SIZES)


def test_suffixes_and_formats_are_what_the_guide_says() -> None:
    assert {*ONE, *MANY} == {*CONTAINERS}
    assert [*SUFFIXES.values()] == ["f32", "f64", "i64", "f16", "bf16"]


def test_arrays_that_are_no_gradients_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gradients = read_golden(shipped_set()).whole("float32").gradients
    seven = {name: gradients[name] for name in ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")}
    path = tmp_path / "theirs.npz"
    np.savez(path, **seven, step=3, running_mean=np.zeros(8))
    assert judge(path) == 0
    assert "left out, as none of the 26 gradients: step, running_mean" in capsys.readouterr().out
    np.savez(path, W2=seven["W2"], b2=seven["b2"])
    assert judge(path) == 1
    assert "to compare only what is there, --only W2,b2" in capsys.readouterr().out
    np.savez(path, arr_0=seven["W2"])
    assert judge(path) == 2
    assert "has arr_0, wanted gradients by their names" in capsys.readouterr().err
