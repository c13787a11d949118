"""The BLAS library that computes NumPy's matrix products: its name, and its number of threads."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from npnet.base.errors import InputError

# OpenBLAS's kernels for x86-64 by their vector width, narrowest first, and the names by which
# NumPy (since 2.4, and before) lists what the CPU has. `advice` names the first kernel of a row.
# Kernels that are not listed belong to other CPUs: there is no advice for those.
SSE = "Nehalem Katmai Prescott Banias Atom Core2 Penryn Dunnington Opteron Barcelona Nano Bobcat"
WIDTHS = (
    ("SSE", SSE.split(), ()),
    ("AVX", ("Sandybridge", "Bulldozer", "Piledriver", "Steamroller"), ()),
    ("AVX2", ("Haswell", "Zen", "Excavator"), ("X86_V3", "AVX2")),
    ("AVX-512", ("SkylakeX", "Cooperlake", "SapphireRapids"), ("X86_V4", "AVX512_SKX")),
)


def describe() -> str:
    """Library, version and kernels in words, such as ``openblas 0.3.30 (SkylakeX kernels)``."""
    library = _library()
    if library is None:
        return "unknown"
    kernels = f" ({library['architecture']} kernels)" if library.get("architecture") else ""
    return f"{library['internal_api']} {library['version']}{kernels}"


def advice() -> str | None:
    """What to do if the CPU has wider kernels than OpenBLAS uses: a sentence, or None.

    Wider kernels are not always faster. On a Zen 4, a training step with AVX2 kernels took 1.16
    times as long as with AVX-512 kernels at H = 200, n = 32, but 0.96 times at H = 1024, n = 256.
    """
    library = _library()
    if library is None or library["internal_api"] != "openblas":
        return None
    kernels = library.get("architecture") or ""
    extensions: Any = np.show_config(mode="dicts")
    found = set(extensions.get("SIMD Extensions", {}).get("found", ()))
    used = [place for place, (_, names, _) in enumerate(WIDTHS) if kernels in names]
    there = [place for place, (_, _, names) in enumerate(WIDTHS) if found.intersection(names)]
    if not used or not there or used[0] >= there[-1]:
        return None
    has, names, _ = WIDTHS[there[-1]]
    if chosen := os.environ.get("OPENBLAS_CORETYPE"):
        way_out = f"the environment has OPENBLAS_CORETYPE={chosen}: take it out"
    else:
        way_out = f"set OPENBLAS_CORETYPE={names[0]} before Python starts, and measure again"
    width = WIDTHS[used[0]][0]
    return f"OpenBLAS uses its {width} kernels ({kernels}) where this CPU has {has}; {way_out}"


@contextlib.contextmanager
def limited(threads: int = 1) -> Iterator[None]:
    """Limit the BLAS to ``threads`` threads inside the block.

    Raises:
        InputError: fewer than 1.
    """
    import threadpoolctl

    if threads < 1:
        raise InputError(f"threads: got {threads}, wanted 1 or more")

    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        yield


def _library() -> dict[str, Any] | None:
    import threadpoolctl

    libraries = [row for row in threadpoolctl.threadpool_info() if row["user_api"] == "blas"]
    return libraries[0] if libraries else None
