"""A small reader of TensorBoard's event files, in place of the package tensorboard.

A file is a chain of records (TFRecord): the length of the data in 8 bytes, its checksum, the data,
its checksum. The data is a protobuf message with a time, a step, and values with a tag. A log of
losses needs about eight fields of these formats, which have not changed since 2016. The hundred
lines below read them. The package tensorboard would need protobuf, grpcio and a web server.
Source of the numbers: TensorFlow's event.proto, summary.proto and tensor.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npnet.base.errors import InputError
from npnet.plotting.content import Content

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# Longer records are pictures; their checksums are not checked.
CHECKED = 1 << 14
FLOAT, DOUBLE = 1, 2  # numbers of dtypes in tensor.proto


class Scalar(NamedTuple):
    """One value of one tag."""

    tag: str
    step: int
    seconds: float
    value: float


def _table() -> list[int]:
    rows = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        rows.append(number)
    return rows


_CRC = _table()


def checksum(data: bytes) -> int:
    """The checksum of TFRecord: CRC-32C (Castagnoli), rotated, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def is_event_file(head: bytes) -> bool:
    """Whether these first bytes of a file are the start of a chain of records."""
    return len(head) >= 12 and checksum(head[:8]) == struct.unpack("<I", head[8:12])[0]


def read_scalars(content: Content) -> tuple[list[Scalar], list[str]]:
    """All scalars of an event file in their order, and notes about the file.

    A file that ends within a record is still being written, or its program was killed. All records
    before this one are read.

    Raises:
        InputError: the file is damaged.
    """
    data = content.whole()
    scalars: list[Scalar] = []
    notes: list[str] = []
    place = 0
    try:
        while place < len(data):
            body = _body(data, place)
            if body is None:
                notes.append(f"{content.name}: ends within a record: read as far as it is whole")
                break
            scalars += _scalars(body)
            place += len(body) + 16
    except (ValueError, IndexError, struct.error) as error:
        raise InputError(
            f"{content.name} byte {place}: {error}, wanted a record of an event file: it is "
            "damaged, take a copy that is whole"
        ) from error
    return scalars, notes


def _body(data: bytes, place: int) -> bytes | None:
    if place + 12 > len(data):
        return None
    length, check = struct.unpack_from("<QI", data, place)
    if checksum(data[place : place + 8]) != check:
        raise ValueError("a wrong checksum of a length")
    start, end = place + 12, place + 12 + length
    if end + 4 > len(data):
        return None
    body = data[start:end]
    if length <= CHECKED and checksum(body) != struct.unpack_from("<I", data, end)[0]:
        raise ValueError("a wrong checksum of a record")
    return body


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
        if shift > 63:
            raise ValueError("a number without end")


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """Number, wire type and content of each field of a message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind = key & 7
        value: bytes | int
        if kind == VARINT:
            value, place = _varint(data, place)
        else:
            if kind == BYTES:
                size, place = _varint(data, place)
            elif kind in (FIXED64, FIXED32):
                size = 8 if kind == FIXED64 else 4
            else:
                raise ValueError(f"a field of type {kind}")
            value = data[place : place + size]
            place += size
            if len(value) != size:
                raise ValueError("a field that ends too early")
        yield key >> 3, kind, value


def _scalars(event: bytes) -> Iterator[Scalar]:
    seconds, step = 0.0, 0
    summaries = []
    for number, kind, value in _fields(event):
        if (number, kind) == (1, FIXED64) and isinstance(value, bytes):
            [seconds] = struct.unpack("<d", value)
        elif (number, kind) == (2, VARINT) and isinstance(value, int):
            step = value - (1 << 64) if value >= 1 << 63 else value
        elif (number, kind) == (5, BYTES) and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, kind, value in _fields(summary):
            if (number, kind) == (1, BYTES) and isinstance(value, bytes):
                tag, loss = _value(value)
                if loss is not None:
                    yield Scalar(tag, step, seconds, loss)


def _value(message: bytes) -> tuple[str, float | None]:
    """Tag and number of a Summary.Value; None if it is a picture or the like."""
    tag, loss = "", None
    for number, kind, value in _fields(message):
        if not isinstance(value, bytes):
            continue
        if (number, kind) == (1, BYTES):
            tag = value.decode("utf-8", "replace")
        elif (number, kind) == (2, FIXED32):
            [loss] = struct.unpack("<f", value)
        elif (number, kind) == (8, BYTES):
            loss = _tensor(value)
    return tag, loss


def _tensor(message: bytes) -> float | None:
    """The number of a tensor of one float, as TensorFlow 2 writes scalars."""
    dtype = 0
    packed: dict[int, bytes] = {}
    for number, _, value in _fields(message):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number in (4, 5, 6) and isinstance(value, bytes):
            packed[number] = packed.get(number, b"") + value
    kinds = {FLOAT: ("<f4", 5), DOUBLE: ("<f8", 6)}
    if dtype not in kinds:
        return None
    form, own = kinds[dtype]
    content = packed.get(4) or packed.get(own) or b""
    return float(np.frombuffer(content, form)[0]) if len(content) == int(form[2]) else None
