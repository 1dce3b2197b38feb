"""RTSP/1.0 on the wire (RFC 2326): requests, responses, and packets in between (section 10.12).

The server's side: it reads requests and writes responses. What follows from them is in `server.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from transport.errors import WireError

_VERSION = "RTSP/1.0"
_INTERLEAVED = 0x24  # "$"
_FRAME_HEADER_BYTES = 4
#: What live555 and GStreamer allow too; a request with a token in the address stays far below.
_MAX_HEAD_BYTES = 16 * 1024
_MAX_FIELDS = 64
#: Descriptions of a publisher with a dozen tracks stay below this.
_MAX_BODY_BYTES = 64 * 1024
_BLANK_LINE = b"\r\n\r\n"
_METHOD = re.compile(r"[A-Z_]{1,32}")

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option not supported",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.

    Attributes:
        uri: as it came; may hold a secret, and is not printed.
        version: "RTSP/1.0", or whatever the client speaks.
        headers: names in lower case; of one that came several times, all values with commas between them.
    """

    method: str
    uri: str = field(repr=False)
    version: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Value of a header by its name in lower case; "" without one."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Frame:
    """An RTP or RTCP packet between requests."""

    channel: int
    packet: bytes = field(repr=False)


class Parser:
    """Takes a client's bytes apart.

    Responses to what this side never asked are left out.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._looked = 0

    def receive(self, data: bytes) -> Iterator[Request | Frame]:
        """Take bytes; what is complete comes out, in order.

        Raises:
            WireError: no RTSP, or more than the limits allow.
        """
        self._data += data
        while (found := self._next()) is not None:
            if isinstance(found, Request | Frame):
                yield found

    def _next(self) -> Request | Frame | str | None:
        """The next that is complete, "" in the place of what is left out; None for nothing complete."""
        data = self._data
        if not data:
            return None
        if data[0] == _INTERLEAVED:
            return self._frame()
        if data[0] in b"\r\n":  # blank lines before a request are allowed (section 4.1 of RFC 2068)
            del data[:1]
            return ""
        end = data.find(_BLANK_LINE, max(0, self._looked - len(_BLANK_LINE)))
        if end > _MAX_HEAD_BYTES or (end < 0 and len(data) > _MAX_HEAD_BYTES):
            raise WireError(f"rtsp: a request of more than {_MAX_HEAD_BYTES} bytes")
        if end < 0:
            if not self._looked:
                _check_first_byte(data[0])
            self._looked = len(data)
            return None
        start, headers = _parse_head(bytes(data[:end]))
        body_bytes = _content_length(headers)
        begin = end + len(_BLANK_LINE)
        if len(data) < begin + body_bytes:
            self._looked = end
            return None
        body = bytes(data[begin : begin + body_bytes])
        del data[: begin + body_bytes]
        self._looked = 0
        if start.startswith("RTSP/"):
            return ""
        words = start.split(" ")
        if len(words) != 3 or not _METHOD.fullmatch(words[0]):
            raise WireError("rtsp: no request line")
        return Request(words[0], words[1], words[2], headers, body)

    def _frame(self) -> Frame | None:
        data = self._data
        if len(data) < _FRAME_HEADER_BYTES:
            return None
        end = _FRAME_HEADER_BYTES + int.from_bytes(data[2:4], "big")
        if len(data) < end:
            return None
        frame = Frame(data[1], bytes(data[_FRAME_HEADER_BYTES:end]))
        del data[:end]
        self._looked = 0
        return frame


def serialize_response(status: int, reason: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Write a response.

    Args:
        status: of `REASONS`.
        reason: in words, which many clients show; "" for the usual one.
        headers: without Content-Length.
        body: may be empty.
    """
    lines = [f"{_VERSION} {status} {_one_line(reason) or REASONS[status]}"]
    lines += [f"{name}: {_one_line(value)}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body


def frame_header(channel: int, packet_bytes: int) -> bytes:
    """What stands before an interleaved packet of so many bytes, 65535 at most."""
    return bytes((_INTERLEAVED, channel)) + packet_bytes.to_bytes(2, "big")


def _check_first_byte(first: int) -> None:
    if not 0x41 <= first <= 0x5A:  # methods are written in capitals
        raise WireError("rtsp: no request line")


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    start, *lines = head.decode("utf-8", "replace").split("\r\n")
    if len(lines) > _MAX_FIELDS:
        raise WireError(f"rtsp: {len(lines)} header lines, at most {_MAX_FIELDS} are read")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise WireError("rtsp: a header line without a colon")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return start, headers


def _content_length(headers: Mapping[str, str]) -> int:
    said = headers.get("content-length", "0")
    if not said.isascii() or not said.isdigit() or len(said) > 9:
        raise WireError("rtsp: a Content-Length that is no number")
    if int(said) > _MAX_BODY_BYTES:
        raise WireError(f"rtsp: a body of {said} bytes, at most {_MAX_BODY_BYTES} are read")
    return int(said)


def _one_line(text: str) -> str:
    return " ".join(text.split())
