"""Writes small databases of places, in the MaxMind DB file format, version 2.0.

A binary tree of an address's bits, IPv4 at ::/96, whose leaves point into a section of data; after that comes
what the file says of itself. Records have 32 bits here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)
_STRING, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11


def place(country: str, region: str = "") -> dict[str, Any]:
    """What such databases hold of a network."""
    found: dict[str, Any] = {"country": {"iso_code": country, "names": {"en": country}}}
    if region:
        found["subdivisions"] = [{"iso_code": region}]
    return found


def write_places(path: Path, networks: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write a database; of networks that lie within others, give the wider ones first."""
    data = b""
    nodes: list[list[int | bytes | None]] = [[None, None]]
    for text, found in networks.items():
        node = 0
        *bits, last = _bits(text)
        for bit in bits:
            child = nodes[node][bit]
            if not isinstance(child, int):
                # What was a leaf goes on below it.
                nodes.append([child, child])
                child = nodes[node][bit] = len(nodes) - 1
            node = child
        nodes[node][last] = len(data).to_bytes(4)
        data += _value(found)
    count = len(nodes)
    tree = b"".join(_record(child, count) for node in nodes for child in node)
    about = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": (_UINT64, 1_767_225_600),
        "database_type": "Test-City",
        "description": {"en": "places of a test"},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": (_UINT32, count),
        "record_size": 32,
    }
    path.write_bytes(tree + _SEPARATOR + data + _MARKER + _value(about))
    return path


def _bits(text: str) -> list[int]:
    network = ipaddress.ip_network(text)
    address, length = int(network.network_address), network.prefixlen
    if network.version == 4:
        length += 96
    return [address >> (127 - place) & 1 for place in range(length)]


def _record(child: int | bytes | None, count: int) -> bytes:
    if child is None:
        return count.to_bytes(4)
    if isinstance(child, bytes):
        return (count + len(_SEPARATOR) + int.from_bytes(child)).to_bytes(4)
    return child.to_bytes(4)


def _value(value: Any) -> bytes:
    match value:
        case str():
            data = value.encode()
            return _control(_STRING, len(data)) + data
        case int():
            return _number(_UINT16, value)
        case (int() as kind, int() as number):
            return _number(kind, number)
        case list():
            return _control(_ARRAY, len(value)) + b"".join(map(_value, value))
        case _:
            pairs = b"".join(_value(key) + _value(each) for key, each in value.items())
            return _control(_MAP, len(value)) + pairs


def _number(kind: int, number: int) -> bytes:
    data = number.to_bytes((number.bit_length() + 7) // 8)
    return _control(kind, len(data)) + data


def _control(kind: int, size: int) -> bytes:
    """Three bits of type and five of size; types from 8 on have a byte more, as have sizes from 29 on."""
    assert size < 29 + 256
    first = (kind << 5 if kind < 8 else 0) | min(size, 29)
    more = bytes([kind - 7]) if kind > 7 else b""
    return bytes([first]) + more + (bytes([size - 29]) if size >= 29 else b"")
