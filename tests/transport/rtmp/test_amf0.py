from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.rtmp import amf0
from transport.rtmp.amf0 import EcmaArray, Value

# Written down by hand from the specification.
VECTORS: list[tuple[Value, str]] = [
    (0.0, "00 0000000000000000"),
    (1.0, "00 3ff0000000000000"),
    (True, "01 01"),
    ("live", "02 0004 6c697665"),
    ("ü", "02 0002 c3bc"),
    (None, "05"),
    ({"app": "a", "n": 2.0}, "03 0003 617070 02 0001 61 0001 6e 00 4000000000000000 0000 09"),
    ([True, None], "0a 00000002 01 01 05"),
    ({}, "03 0000 09"),
]


@pytest.mark.parametrize(("value", "coded"), VECTORS)
def test_values_are_coded_as_the_specification_says(value: Value, coded: str) -> None:
    raw = bytes.fromhex(coded)
    assert amf0.serialize([value]) == raw
    assert amf0.parse(raw) == [value]


def test_an_associative_array_comes_back_as_one() -> None:
    (value,) = amf0.parse(amf0.serialize([EcmaArray(width=1280.0)]))
    assert isinstance(value, EcmaArray)
    assert value == {"width": 1280.0}


def test_the_count_of_an_associative_array_is_not_believed() -> None:
    raw = bytearray(amf0.serialize([EcmaArray(width=1.0)]))
    raw[1:5] = bytes(4)
    assert amf0.parse(bytes(raw)) == [{"width": 1.0}]


def test_long_strings_dates_and_typed_objects_are_read() -> None:
    text = "x" * 70_000
    assert amf0.parse(amf0.serialize([text])) == [text]
    assert amf0.parse(bytes.fromhex("0b 3ff0000000000000 0000")) == [1.0]
    assert amf0.parse(bytes.fromhex("10 0001 61 0001 62 01 00 0000 09")) == [{"b": False}]


def test_several_values_follow_each_other() -> None:
    assert amf0.parse(amf0.serialize(["connect", 1, None])) == ["connect", 1.0, None]


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("00 3ff0", "early"),
        ("02 0004 6c", "early"),
        ("03 0001 61 05", "early"),
        ("11 02", "marker 0x11"),
        ("0a ffffffff", "4294967295 values"),
        ("03 0001 61" * 20, "nested deeper than 16"),
        ("05" * 5000, "more than 4096 values"),
    ],
)
def test_what_is_not_allowed_is_refused(raw: str, what: str) -> None:
    with pytest.raises(WireError, match=what):
        amf0.parse(bytes.fromhex(raw))


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(WireError, match="70000 bytes"):
        amf0.serialize([{"n" * 70_000: None}])
