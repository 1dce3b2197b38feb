"""Finds boxes (ISO/IEC 14496-12 section 4.2) in what was read. Sizes of 64 bits are not written here."""

from __future__ import annotations

from collections.abc import Iterator

from transport.errors import WireError

#: Size and kind.
HEAD_BYTES = 8


def all_inside(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each box that is there whole."""
    at = 0
    while at + HEAD_BYTES <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < HEAD_BYTES or at + size > len(data):
            return
        yield bytes(data[at + 4 : at + HEAD_BYTES]), data[at + HEAD_BYTES : at + size]
        at += size


def each_inside(data: memoryview, wanted: bytes) -> Iterator[memoryview]:
    """The body of each box of a kind."""
    return (body for kind, body in all_inside(data) if kind == wanted)


def inside(data: memoryview, kind: bytes) -> memoryview:
    """The body of the first box of a kind.

    Raises:
        WireError: there is none.
    """
    for body in each_inside(data, kind):
        return body
    raise WireError(f"mp4: no {kind.decode()}")
