"""Sends what the server has to read itself: a file that is encrypted or still grows, and a part of one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping

from aiohttp import hdrs, web

from streamer.recording.errors import RecordingDamaged
from streamer.recording.plain import PlainReader
from streamer.recording.sealed import SealedReader
from streamer.web.problems import Problem
from transport.cmaf import Copied, Cut
from transport.cmaf.cut import Source

_log = logging.getLogger(__name__)

#: Taken from the disk at once; what is read is of one record, and mostly less.
_PIECE_BYTES = 256 * 1024


async def send_file(
    request: web.Request, reader: PlainReader | SealedReader, etag: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with a file, or with the part of it that was asked for (RFC 9110 section 14).

    Args:
        request: to answer; of its conditions `If-Range` counts.
        reader: of the file; the caller closes it.
        etag: another one whenever it changes; "" for none.
        headers: to send along.

    Raises:
        Problem: 416, there is no such part.
        RecordingDamaged: its beginning does not open.
    """
    return await _send(request, reader, [Copied(0, reader.size)], reader.size, etag, headers)


async def send_cut(
    request: web.Request, reader: Source, cut: Cut, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with a part of a recording, or with that of it that was asked for; without a tag.

    Args:
        request: to answer.
        reader: of the file; the caller closes it.
        cut: out of it.
        headers: to send along.

    Raises:
        Problem: 416, there is no such part.
        RecordingDamaged: its beginning does not open.
    """
    return await _send(request, reader, cut.pieces, cut.size, "", headers)


async def _send(
    request: web.Request,
    reader: Source,
    pieces: Iterable[bytes | Copied],
    size: int,
    etag: str,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    part = _part(request, size, etag)
    start, end = part if part is not None else (0, size)
    response = web.StreamResponse(status=206 if part is not None else 200, headers=headers)
    response.headers[hdrs.ACCEPT_RANGES] = "bytes"
    if etag:
        response.headers[hdrs.ETAG] = etag
    if part is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{end - 1}/{size}"
    response.content_length = end - start
    data = _read(reader, _within(pieces, start, end))
    # What does not open is told, as long as nothing is promised yet.
    first = await asyncio.to_thread(next, data, b"")
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    while first:
        await response.write(first)
        try:
            first = await asyncio.to_thread(next, data, b"")
        except (OSError, RecordingDamaged) as error:
            # Too late for a problem: who reads learns it by the length that was promised.
            _log.error("%s", error)
            if request.transport is not None:
                request.transport.close()
            return response
    await response.write_eof()
    return response


def _within(pieces: Iterable[bytes | Copied], start: int, end: int) -> Iterator[bytes | Copied]:
    """What of the pieces is between two places in all of them."""
    at = 0
    for piece in pieces:
        size = len(piece)
        first, last = max(0, start - at), min(size, end - at)
        if first < last:
            if isinstance(piece, bytes):
                yield piece[first:last]
            else:
                yield Copied(piece.start + first, piece.start + last)
        at += size


def _read(reader: Source, pieces: Iterable[bytes | Copied]) -> Iterator[bytes]:
    """All of it, in pieces of which none is empty. Blocks for the disk."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        at = piece.start
        while at < piece.end:
            data = reader.read(at, min(_PIECE_BYTES, piece.end - at))
            if not data:
                raise OSError(f"a file ended {piece.end - at} bytes too early")
            yield data
            at += len(data)


def _part(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """From where to where, and None for all of it."""
    if request.headers.get(hdrs.IF_RANGE, etag) != etag:
        return None
    try:
        asked = request.http_range
    except ValueError:  # several parts, or no range at all: it may be ignored (section 14.2)
        return None
    if asked.start is None and asked.stop is None:
        return None
    start, end, _ = asked.indices(size)
    if start >= end:
        raise Problem(416, "no_such_range", f"it has {size} bytes", {hdrs.CONTENT_RANGE: f"bytes */{size}"})
    return start, end
