"""DTLS records inside datagrams: cutting what OpenSSL wrote into datagrams. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

_HEADER_BYTES = 13


def split_records(data: bytes) -> Iterator[bytes]:
    """Cut concatenated DTLS records apart (RFC 6347 section 4.1; RFC 9147 section 4).

    A record of DTLS 1.3 without a length, or a truncated one, takes the rest.
    """
    start = 0
    while start < len(data):
        end = start + _record_bytes(data, start)
        yield data[start:end]
        start = end


def pack_datagrams(data: bytes, max_bytes: int) -> list[bytes]:
    """Whole records, as many as fit into each datagram; a longer record goes alone."""
    datagrams: list[bytes] = []
    for record in split_records(data):
        if datagrams and len(datagrams[-1]) + len(record) <= max_bytes:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def _record_bytes(data: bytes, start: int) -> int:
    rest = len(data) - start
    if data[start] & 0xE0 == 0x20:
        # DTLS 1.3 unified header 001CSLEE; connection ids are never negotiated.
        header = 2 + bool(data[start] & 0x08) + (2 if data[start] & 0x04 else 0)
        if not data[start] & 0x04 or rest < header:
            return rest
        return min(rest, header + int.from_bytes(data[start + header - 2 : start + header], "big"))
    if rest < _HEADER_BYTES:
        return rest
    return min(rest, _HEADER_BYTES + int.from_bytes(data[start + 11 : start + 13], "big"))
