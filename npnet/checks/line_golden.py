"""Golden sets of a user's own network: its inputs, values and right gradients, in files.

The folder has the layout of ``npnet.checks.golden``: ``manifest.json`` lists every array with kind,
name, dtype, shape and SHA-256. ``KIND.f32.npz`` and ``KIND.f64.npz`` have the arrays by name.
``raw/KIND/NAME.f32`` and ``.f64`` (integers ``.i64``) have only the numbers, little endian, in C
order.

The kinds are: ``integer``, ``constant`` and ``input``; ``value``, the results of the lines;
``start``, the gradients of the outputs; ``gradient``, the gradients of a whole backward pass;
``upstream``, random upstream gradients; ``line``, each gradient alone, for these. All gradients are
numerical; hand-written ones are not used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array, Named
from npnet.base.equality import EqualFields
from npnet.base.errors import InputError, shown
from npnet.base.files import new_folder, unwritable
from npnet.base.npz import read_npz
from npnet.base.version import __version__
from npnet.checks.array_files import read_raw
from npnet.checks.array_names import plain_name
from npnet.checks.containers import SUFFIXES, content, decode, encode
from npnet.checks.differentiate import Derivative
from npnet.checks.golden import checksum
from npnet.checks.line_check import widened
from npnet.checks.line_numerical import alone, whole
from npnet.checks.line_rules import K_WHOLE, default_K, growth, judge_all, rule_for
from npnet.checks.lines import DTYPES, Lines
from npnet.checks.report import Report

FORMAT = "npnet golden lines"
VERSION = 1
INTEGERS = ("integer",)
KINDS = ("constant", "input", "value", "start", "gradient", "upstream", "line")


@dataclass(frozen=True, eq=False)
class LinesGolden(EqualFields):
    """The arrays of a golden set.

    Attributes:
        numbers: the constants that are plain numbers.
        zero: name -> [the gradient that it sums, the axis], as in ``Lines``.
        arrays: the arrays by kind and dtype, such as ``arrays["gradient", "float64"].W1``.
    """

    numbers: Mapping[str, float]
    zero: Mapping[str, Any]
    arrays: Mapping[tuple[str, str], Named]

    def judge(
        self, ours: Mapping[str, object], *, lines: bool = False, only: Iterable[str] | None = None
    ) -> Report:
        """Compare gradients of any program with those of the set.

        Args:
            ours: name -> array; names such as ``dW1`` or ``grad_W1`` are recognised. If all are
                float64, they are compared in float64; if not, in float32, with the float64 arrays
                of the set as the truth.
            lines: whether each gradient is taken alone, for the set's values and upstream
                gradients.
            only: the names to compare; None: all names of the set, of which some may be missing.

        Raises:
            InputError: none of the names is known, or one of ``only`` is not.
        """
        kind = "line" if lines else "gradient"
        right = self.arrays[kind, "float64"]
        ours = {plain_name(name, right): entry for name, entry in ours.items()}
        names = [*right] if only is None else [plain_name(name, right) for name in only]
        known = [name for name in names if name in ours and name in right]
        if not known or not set(names) <= right.keys():
            raise InputError(
                f"golden set: got {', '.join(ours) or 'no gradients'}, wanted some of "
                f"{', '.join(right if only is None else names)}"
            )
        doubles = {str(getattr(ours[name], "dtype", "")) for name in known} == {"float64"}
        scales = {}
        for name, (source, axis) in self.zero.items() if not lines else ():
            axes = tuple(axis) if isinstance(axis, list) else axis
            scales[name] = float(np.abs(right[source]).sum(axes).max(initial=0))
        rules = {}
        for name in names:
            exact = Derivative(right[name], np.zeros(right[name].shape), "")
            if doubles:
                rules[name] = rule_for([exact], None, default_K(False), scales.get(name))
                continue
            rough = Derivative(self.arrays[kind, "float32"][name], exact.error, "")
            K = (default_K(True) if lines else K_WHOLE) * growth(self.arrays["value", "float64"])
            rules[name] = rule_for([rough], [exact], K, scales.get(name))
        return judge_all(ours, rules, lambda name, row: ())


def write_golden(table: Lines, folder: str | os.PathLike[str], seed: int = 0) -> LinesGolden:
    """Write the golden set of a table into a new folder.

    Inputs are rounded to float32, so that both precisions start from the same numbers.

    Args:
        seed: the seed of the upstream gradients.

    Raises:
        InputError: the folder exists already or cannot be written, or the table does not run in
            float32.
    """
    golden = made_golden(table, seed)
    path = new_folder(folder)
    entries = []
    try:
        for (kind, dtype), named in golden.arrays.items():
            suffix = SUFFIXES[dtype]
            npz = f"{kind}.{suffix}.npz"
            (path / npz).write_bytes(encode("npz", named))
            for name, array in named.items():
                raw = f"raw/{kind}/{name}.{suffix}"
                (path / raw).parent.mkdir(parents=True, exist_ok=True)
                (path / raw).write_bytes(content(array))
                entries.append(
                    {
                        "kind": kind,
                        "name": name,
                        "dtype": dtype,
                        "shape": list(array.shape),
                        "npz": npz,
                        "raw": raw,
                        "sha256": checksum(array),
                    }
                )
        head = {
            "format": FORMAT,
            "version": VERSION,
            "npnet": __version__,
            "numbers": golden.numbers,
            "zero": golden.zero,
        }
        lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
        fields = "".join(
            f" {json.dumps(key)}: {json.dumps(field)},\n" for key, field in head.items()
        )
        (path / "manifest.json").write_text(
            f'{{\n{fields} "arrays": [\n{lines}\n ]\n}}\n', encoding="utf-8"
        )
    except OSError as error:
        raise unwritable(path, error) from error
    return golden


def made_golden(table: Lines, seed: int = 0) -> LinesGolden:
    """The golden set of a table, in memory.

    Raises:
        InputError: the table does not run in float32.
    """
    rounded = {name: array.astype(np.float32) for name, array in table.inputs.items()}
    table = table.at(**{name: rounded[name] for name in rounded if name not in table.integers})
    arrays: dict[tuple[str, str], Named] = {}
    integers = {name: table.inputs[name] for name in table.integers}
    if integers:
        arrays["integer", "int64"] = Named(integers)
    constants = {
        name: entry for name, entry in table.constants.items() if isinstance(entry, np.ndarray)
    }
    narrow = table.forward("float32")
    drawn = table.upstream(narrow, seed)
    for dtype in DTYPES:
        values = table.forward(dtype)
        upstream = drawn if dtype == "float32" else widened(drawn)
        start = table.start(narrow)
        start = start if dtype == "float32" else widened(start)
        lines = {
            name: np.asarray(sum(one.gradient for one in paths.values()))
            for name, paths in alone(table, values, upstream).items()
        }
        gradients = {name: one.gradient for name, one in whole(table, values, start).items()}
        sources: dict[str, Mapping[str, Array]] = {
            "constant": {name: entry.astype(dtype) for name, entry in constants.items()},
            "input": {name: values[name] for name in table.inputs if name in table.active},
            "value": {name: values[name] for name in table.lines if name in table.active},
            "start": start,
            "gradient": gradients,
            "upstream": upstream,
            "line": lines,
        }
        for kind in KINDS:
            if sources[kind]:
                arrays[kind, dtype] = Named(sources[kind])
    numbers = {
        name: entry
        for name, entry in table.constants.items()
        if isinstance(entry, int | float) and not isinstance(entry, bool)
    }
    zero = {name: json.loads(json.dumps(entry)) for name, entry in table.zero.items()}
    return LinesGolden(numbers, zero, arrays)


def is_lines_golden(folder: Path) -> bool:
    """Whether a folder has the manifest of such a set."""
    try:
        with (folder / "manifest.json").open("rb") as manifest:
            return FORMAT.encode() in manifest.read(100)
    except OSError:
        return False


def read_lines_golden(folder: str | os.PathLike[str]) -> LinesGolden:
    """Read a golden set that ``write_golden`` wrote, and check all of it.

    Raises:
        InputError: there is no golden set, or one of its files is missing, damaged or of another
            version.
    """
    path = Path(folder)
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
            raise InputError(
                f"{path}: format {shown(manifest['format'])}, version "
                f"{shown(manifest['version'])}, wanted {FORMAT!r}, {VERSION}"
            )
        arrays: dict[tuple[str, str], dict[str, Array]] = {}
        files: dict[str, dict[str, Array]] = {}
        for entry in manifest["arrays"]:
            kind, name, dtype = entry["kind"], entry["name"], entry["dtype"]
            if kind not in (*INTEGERS, *KINDS) or dtype not in SUFFIXES:
                raise InputError(
                    f"{path}: has {shown(kind)} in {shown(dtype)}, wanted a known kind"
                )
            file = f"{kind}.{SUFFIXES[dtype]}.npz"  # no path is taken from a manifest
            if file not in files:
                files[file] = read_npz(path / file)
            array = files[file].get(name)
            if array is None or str(array.dtype) != dtype or checksum(array) != entry["sha256"]:
                raise InputError(
                    f"{path / file}: {shown(name)} is missing or damaged: write the set again"
                )
            array.flags.writeable = False
            arrays.setdefault((kind, dtype), {})[name] = array
        return LinesGolden(
            manifest["numbers"],
            manifest["zero"],
            {key: Named(named) for key, named in arrays.items()},
        )
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, wanted a golden set") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: its manifest is damaged: write the set again") from error


def read_gradients(path: Path, golden: LinesGolden) -> dict[str, dict[str, Array]]:
    """Gradients of another program, by the precision in which they are compared.

    Args:
        path: an npz, npy, safetensors or JSON file; or a folder with raw files NAME.f32 or
            NAME.f64, little endian, in C order.
        golden: the golden set, for names and shapes.

    Raises:
        InputError: the file is missing, damaged or of another kind, or a raw file has another
            length.
    """
    if not path.is_dir():
        arrays = {name: stored.array for name, stored in decode(path).items()}
        doubles = {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
        return {"float64" if doubles else "float32": arrays}
    right = golden.arrays["gradient", "float64"]
    parts: dict[str, dict[str, Array]] = {}
    for dtype in DTYPES:
        for file in sorted(path.glob(f"*.{SUFFIXES[dtype]}")):
            name = plain_name(file.stem, right)
            if name in right:
                parts.setdefault(dtype, {})[name] = read_raw(file, dtype, right[name].shape)
    if not parts:
        raise InputError(
            f"{path}: holds no raw file of a gradient, wanted NAME.f32 or NAME.f64 for "
            f"{', '.join(right)}"
        )
    return parts
