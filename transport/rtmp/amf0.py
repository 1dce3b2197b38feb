"""AMF 0, the coding of values in RTMP commands and metadata (Adobe's "Action Message Format -- AMF 0").

Numbers are floats here, objects dicts, strict arrays lists, null and undefined None. A date comes out as its
milliseconds since 1970.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable

from transport.errors import WireError

Value = float | bool | str | None | dict[str, "Value"] | list["Value"]


class EcmaArray(dict[str, Value]):
    """An associative array; in the form of an object but for its marker. Metadata comes as one."""


class _Marker(enum.IntEnum):
    NUMBER = 0x00
    BOOLEAN = 0x01
    STRING = 0x02
    OBJECT = 0x03
    NULL = 0x05
    UNDEFINED = 0x06
    ECMA_ARRAY = 0x08
    STRICT_ARRAY = 0x0A
    DATE = 0x0B
    LONG_STRING = 0x0C
    UNSUPPORTED = 0x0D
    XML_DOCUMENT = 0x0F
    TYPED_OBJECT = 0x10


_DOUBLE = struct.Struct("!d")
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_END_OF_OBJECT = b"\x00\x00\x09"

# Real commands nest three deep; a stranger's must not exhaust the stack.
_MAX_DEPTH = 16
# A command has a dozen values, metadata some forty.
_MAX_VALUES = 4096


def serialize(values: Iterable[Value]) -> bytes:
    """Write values one behind the other.

    Raises:
        WireError: a property's name of more than 65,535 bytes.
    """
    out = bytearray()
    for value in values:
        _write(out, value)
    return bytes(out)


def parse(data: bytes) -> list[Value]:
    """Read the values that `data` consists of.

    Raises:
        WireError: truncated, an unknown marker (AMF 3 among them), nested too deep or too many values.
    """
    reader = _Reader(data)
    values = []
    while reader.position < len(data):
        values.append(reader.value(0))
    return values


def _write(out: bytearray, value: Value) -> None:
    if value is None:
        out.append(_Marker.NULL)
    elif isinstance(value, bool):
        out += bytes((_Marker.BOOLEAN, value))
    elif isinstance(value, (int, float)):
        out.append(_Marker.NUMBER)
        out += _DOUBLE.pack(value)
    elif isinstance(value, str):
        raw = value.encode()
        out += (
            bytes((_Marker.STRING,)) + _U16.pack(len(raw))
            if len(raw) <= 0xFFFF
            else bytes((_Marker.LONG_STRING,)) + _U32.pack(len(raw))
        )
        out += raw
    elif isinstance(value, list):
        out.append(_Marker.STRICT_ARRAY)
        out += _U32.pack(len(value))
        for item in value:
            _write(out, item)
    else:
        if isinstance(value, EcmaArray):
            out.append(_Marker.ECMA_ARRAY)
            out += _U32.pack(len(value))
        else:
            out.append(_Marker.OBJECT)
        for name, item in value.items():
            raw = name.encode()
            if len(raw) > 0xFFFF:
                raise WireError(f"amf0: a property's name of {len(raw)} bytes")
            out += _U16.pack(len(raw)) + raw
            _write(out, item)
        out += _END_OF_OBJECT


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data
        self._values = 0

    def value(self, depth: int) -> Value:
        self._values += 1
        if depth > _MAX_DEPTH or self._values > _MAX_VALUES:
            raise WireError(f"amf0: nested deeper than {_MAX_DEPTH}, or more than {_MAX_VALUES} values")
        marker = self._take(1)[0]
        match marker:
            case _Marker.NUMBER:
                number: float = _DOUBLE.unpack(self._take(8))[0]
                return number
            case _Marker.BOOLEAN:
                return self._take(1)[0] != 0
            case _Marker.STRING:
                return self._text(_U16)
            case _Marker.LONG_STRING | _Marker.XML_DOCUMENT:
                return self._text(_U32)
            case _Marker.NULL | _Marker.UNDEFINED | _Marker.UNSUPPORTED:
                return None
            case _Marker.OBJECT:
                return self._properties({}, depth)
            case _Marker.TYPED_OBJECT:
                self._text(_U16)
                return self._properties({}, depth)
            case _Marker.ECMA_ARRAY:
                # The count is a hint only: some writers put zero there.
                self._take(4)
                return self._properties(EcmaArray(), depth)
            case _Marker.STRICT_ARRAY:
                count: int = _U32.unpack(self._take(4))[0]
                if count > len(self._data) - self.position:
                    raise WireError(f"amf0: an array of {count} values in {len(self._data)} bytes")
                return [self.value(depth + 1) for _ in range(count)]
            case _Marker.DATE:
                date: float = _DOUBLE.unpack(self._take(8))[0]
                self._take(2)
                return date
        raise WireError(f"amf0: marker 0x{marker:02x} at byte {self.position - 1} is not supported")

    def _properties(self, found: dict[str, Value], depth: int) -> dict[str, Value]:
        while True:
            if self._data[self.position : self.position + 3] == _END_OF_OBJECT:
                self.position += 3
                return found
            name = self._text(_U16)
            found[name] = self.value(depth + 1)

    def _text(self, size: struct.Struct) -> str:
        length: int = size.unpack(self._take(size.size))[0]
        # Platforms put other encodings into descriptions; those are shown, never decided on.
        return self._take(length).decode("utf-8", "replace")

    def _take(self, size: int) -> bytes:
        taken = self._data[self.position : self.position + size]
        if len(taken) < size:
            raise WireError(f"amf0: ends at byte {len(self._data)}, {size - len(taken)} bytes early")
        self.position += size
        return taken
