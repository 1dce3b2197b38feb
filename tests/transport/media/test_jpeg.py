from __future__ import annotations

import pytest

from tests.transport.media.sources import jpeg_units
from transport.errors import WireError
from transport.media.jpeg import parse_size


@pytest.mark.parametrize(("width", "height"), [(320, 240), (64, 48), (1920, 1080)])
def test_the_size_is_what_the_encoder_made(width: int, height: int) -> None:
    (unit,) = jpeg_units(1, width=width, height=height)
    assert parse_size(unit.data) == (width, height)


def test_fill_bytes_and_progressive_frames() -> None:
    frame = bytes.fromhex("ffd8 ffff ff01 fffffe0003aa ffc2 0011 08 0120 02d0")
    assert parse_size(frame) == (720, 288)


@pytest.mark.parametrize(
    "data", ["", "ffd8", "ffd9ffc0", "ffd8ffda0008", "ffd8ffc00011080120", "ffd8ffe00000ffe0ffff", "ffd8ffe0"]
)
def test_what_has_no_size_is_refused(data: str) -> None:
    with pytest.raises(WireError):
        parse_size(bytes.fromhex(data))


def test_cut_or_damaged_anywhere_nothing_else_is_raised() -> None:
    (unit,) = jpeg_units(1, width=64, height=48)
    for at in range(len(unit.data)):
        for data in (unit.data[:at], unit.data[:at] + b"\xff" + unit.data[at + 1 :]):
            try:
                parse_size(data)
            except WireError:
                continue
