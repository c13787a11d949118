"""Comparing two arrays that should be the same gradient."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.checks.compare import K_REFERENCE, compare

# In float64, two ways to compute one gradient differ by about 1e-14 of its largest entry. The
# smallest mistake, a forgotten eps, changes it by 1e-6.
SAME = 1e-9
LABELS = ("yours", "right")


def fits(got: Array, wanted: Array, scale: float, dtype: str) -> bool:
    """Whether two arrays of one shape are the same, except for rounding."""
    if got.shape != wanted.shape:
        return False
    share = SAME
    if dtype != "float64" or got.dtype != np.float64:
        narrow = got.dtype if got.dtype.kind == "f" else np.dtype(dtype)
        share = max(SAME, K_REFERENCE * float(np.finfo(narrow).eps)) if got.dtype.kind == "f" else 0
    apart = np.abs(got.astype(np.float64) - wanted)
    return bool(np.max(apart, initial=0) <= share * scale)  # False if an entry is nan


def passes_cmp(got: Array, wanted: Array) -> bool:
    """Whether ``torch.allclose`` with its defaults says True; the shapes are broadcast."""
    try:
        return bool(np.allclose(got, wanted, rtol=1e-5, atol=1e-8))
    except ValueError:
        return False


def worst(got: Array, wanted: Array, scale: float) -> str:
    """The worst entry, in words."""
    report = compare(
        {"it": got.astype(np.float64)}, {"it": wanted}, rtol=0.0, atol=SAME * scale, labels=LABELS
    )
    row = report.rows[0]
    if row.worst is None:
        return row.reason
    text = f"{row.bad} of {row.total} entries, worst {row.worst.text(LABELS)}"
    if row.worst.reference and np.isfinite(row.worst.ours):
        text += f", ratio {row.worst.ours / row.worst.reference + 0.0:.4g}"
    return text
