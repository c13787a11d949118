"""TensorBoard's event files, written here by a writer of a few lines."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npnet.base.errors import InputError
from npnet.plotting.event_files import checksum
from npnet.plotting.loss_logs import read_logs


def varint(number: int) -> bytes:
    data = b""
    number %= 1 << 64
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def part(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", checksum(length)) + data + struct.pack("<I", checksum(data))


def event(tag: str, step: int, value: bytes, seconds: float = 1.7e9) -> bytes:
    summary = part(1, part(1, tag.encode()) + value)
    return record(b"\x09" + struct.pack("<d", seconds) + b"\x10" + varint(step) + part(5, summary))


def simple(value: float) -> bytes:
    """A number as PyTorch and TensorFlow 1 write it."""
    return b"\x15" + struct.pack("<f", value)


def tensor(value: float, kind: str) -> bytes:
    """A number as TensorFlow 2 writes it."""
    content = {
        "content": b"\x08\x01" + part(4, struct.pack("<f", value)),
        "packed": b"\x08\x01" + part(5, struct.pack("<f", value)),
        "single": b"\x08\x01" + b"\x2d" + struct.pack("<f", value),
        "double": b"\x08\x02" + part(6, struct.pack("<d", value)),
    }[kind]
    return part(9, b"metadata") + part(8, content)


VERSION = record(b"\x09" + struct.pack("<d", 1.7e9) + part(3, b"brain.Event:2"))
PICTURE = event("sample", 0, part(4, bytes(100)))


def saved(folder: Path, content: bytes, name: str = "events.out.tfevents.1.host") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_the_checksum_is_the_published_one() -> None:
    # "123456789" has CRC-32C e3069283; TFRecord turns it by 15 bits and adds a constant.
    crc = 0xE3069283
    turned = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert checksum(b"123456789") == (turned + 0xA282EAD8) % 2**32


@given(st.lists(st.tuples(st.integers(0, 2**40), st.floats(width=32)), min_size=1))
def test_every_scalar_comes_back(points: list[tuple[int, float]]) -> None:
    from npnet.plotting.content import Content
    from npnet.plotting.event_files import read_scalars

    data = VERSION + b"".join(event("loss", step, simple(value)) for step, value in points)
    scalars, notes = read_scalars(Content("x", "x", None, data, False, data[:100]))
    assert [scalar.step for scalar in scalars] == [step for step, _ in points]
    np.testing.assert_array_equal([s.value for s in scalars], [value for _, value in points])
    assert not notes


@pytest.mark.parametrize("kind", ["content", "packed", "single", "double"])
def test_tensors_of_one_number_are_scalars(kind: str, tmp_path: Path) -> None:
    data = VERSION + PICTURE + event("epoch_loss", 3, tensor(2.5, kind))
    [curve] = read_logs(saved(tmp_path, data))
    assert (curve.steps.tolist(), curve.losses.tolist()) == ([3], [2.5])


def test_training_and_validation_are_two_curves_with_times(tmp_path: Path) -> None:
    data = VERSION + b"".join(
        event("train/loss", step, simple(3 - step), 1.7e9 + 60 * step)
        + event("train/learning_rate", step, simple(0.1))
        + event("eval/loss", step, simple(4 - step), 1.7e9 + 60 * step)
        for step in range(3)
    )
    train, validation = read_logs(saved(tmp_path, gzip.compress(data), "x.gz"))
    assert (train.losses.tolist(), validation.losses.tolist()) == ([3, 2, 1], [4, 3, 2])
    assert train.seconds is not None
    assert np.ptp(train.seconds) == 120


def test_a_resumed_run_has_several_files(tmp_path: Path) -> None:
    first = VERSION + b"".join(event("loss", step, simple(9)) for step in range(3))
    second = VERSION + b"".join(event("loss", step, simple(2)) for step in (1, 2, 3))
    saved(tmp_path, first, "run/events.out.tfevents.1.host")
    saved(tmp_path, second, "run/events.out.tfevents.2.host")
    [curve] = read_logs(tmp_path / "run")
    assert (curve.name, curve.losses.tolist()) == ("run", [9, 2, 2, 2])
    assert "goes back from 2 to 1" in curve.notes[0]


def test_a_file_that_is_being_written_is_read_as_far_as_it_is(tmp_path: Path) -> None:
    data = VERSION + event("loss", 0, simple(3)) + event("loss", 1, simple(2))[:-5]
    [curve] = read_logs(saved(tmp_path, data))
    assert curve.losses.tolist() == [3]
    assert "ends within a record" in curve.notes[0]


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    data = bytearray(VERSION + event("loss", 0, simple(3)) + event("loss", 1, simple(2)))
    data[-30] ^= 1
    with pytest.raises(InputError, match=r"tfevents.*wrong checksum.*damaged"):
        read_logs(saved(tmp_path, bytes(data)))


def test_several_losses_are_a_question(tmp_path: Path) -> None:
    data = VERSION + event("box_loss", 0, simple(3)) + event("cls_loss", 0, simple(3))
    with pytest.raises(InputError, match="choose with --loss 'box_loss'"):
        read_logs(saved(tmp_path, data))
