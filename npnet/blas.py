"""The BLAS library behind NumPy's matrix products: which it is, and how many threads it uses."""

import contextlib
from collections.abc import Iterator


def describe() -> str:
    """Library, version and kernels in words, as in ``openblas 0.3.30 (SkylakeX kernels)``."""
    import threadpoolctl

    libraries = [row for row in threadpoolctl.threadpool_info() if row["user_api"] == "blas"]
    if not libraries:
        return "unknown"
    library = libraries[0]
    kernels = f" ({library['architecture']} kernels)" if library.get("architecture") else ""
    return f"{library['internal_api']} {library['version']}{kernels}"


@contextlib.contextmanager
def limited(threads: int = 1) -> Iterator[None]:
    """Hold the BLAS to ``threads`` threads inside the block; as before, afterwards."""
    import threadpoolctl

    with threadpoolctl.threadpool_limits(threads, user_api="blas"):
        yield
