"""Permissions that hold for root too, so that tests of read-only folders need no other user.

Root writes where it likes by one capability of Linux, CAP_DAC_OVERRIDE (capabilities(7)). Without
it root still reads its own files, in a folder of mode 700 too, where another user could not.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import pytest

VERSION = 0x20080522  # of the interface, with two words of each kind of set
DAC_OVERRIDE = 1 << 1


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextlib.contextmanager
def obeyed() -> Iterator[None]:
    """Inside the block, this thread may not write where the mode of a folder forbids it."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root obeys no permissions on this system")
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(VERSION, 0), (_Sets * 2)()

    def call(name: str) -> None:
        if getattr(libc, name)(ctypes.byref(header), sets):
            raise OSError(ctypes.get_errno(), name)

    call("capget")
    before = sets[0].effective
    sets[0].effective = before & ~DAC_OVERRIDE
    call("capset")
    try:
        yield
    finally:
        sets[0].effective = before
        call("capset")
