"""RTMP's bytes: handshake, chunks and messages (Adobe's "Real Time Messaging Protocol (RTMP)", 1.0).

Section numbers are of that document. `conversation.py` says what the messages do.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transport.errors import WireError

VERSION: Final = 3
HANDSHAKE_BYTES: Final = 1536
#: Both sides begin with it (5.4.1).
DEFAULT_CHUNK_BYTES: Final = 128
#: The most that a timestamp says in the header itself (5.3.1.3).
_EXTENDED: Final = 0xFFFFFF
_TIMESTAMP_MASK: Final = 0xFFFFFFFF

#: Chunk streams: 2 is the protocol's own (5.4); the others are ours to choose, these are what FMLE uses.
CONTROL_CHUNK_STREAM: Final = 2
COMMAND_CHUNK_STREAM: Final = 3
AUDIO_CHUNK_STREAM: Final = 4
VIDEO_CHUNK_STREAM: Final = 6
DATA_CHUNK_STREAM: Final = 5

# Encoders use half a dozen.
_MAX_CHUNK_STREAMS = 64
# Message headers by the chunk's format: 11 bytes, 7, 3, none (5.3.1.2).
_HEADER_BYTES = (11, 7, 3, 0)
_U32 = struct.Struct("!I")
_FULL_HEADER = struct.Struct("!BHBHBBI")


class MessageType(enum.IntEnum):
    """Message type ids (5.4, 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACKNOWLEDGEMENT_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class UserControl(enum.IntEnum):
    """User control event types (7.1.7): the ones we send or answer."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    PING_REQUEST = 6
    PING_RESPONSE = 7


@dataclass(frozen=True, slots=True)
class Message:
    """One message, put together from its chunks.

    Attributes:
        type: a `MessageType`, or a number that we do not know.
        timestamp: milliseconds, modulo 2**32.
        stream_id: message stream id; 0 is the connection itself.
        payload: the body.
    """

    type: int
    timestamp: int
    stream_id: int
    payload: bytes


def serialize_hello(random: bytes, timestamp: int = 0) -> bytes:
    """C0 and C1, or S0 and S1 (5.2.2, 5.2.3): the plain handshake, which needs no keys.

    Args:
        random: 1528 bytes.
        timestamp: milliseconds of the sender's clock.
    """
    assert len(random) == HANDSHAKE_BYTES - 8
    return bytes((VERSION,)) + _U32.pack(timestamp & _TIMESTAMP_MASK) + bytes(4) + random


def check_version(first: int) -> None:
    """Check C0 or S0.

    Raises:
        WireError: another version; text instead is what an HTTP or TLS server would send.
    """
    if first != VERSION:
        raise WireError(f"rtmp: version {first} offered, expected {VERSION}")


def chunk_header(chunk_stream: int, message_type: int, timestamp: int, stream_id: int, length: int) -> bytes:
    """Header of a message's first chunk, in the format that says everything (5.3.1.2.1).

    Args:
        chunk_stream: 2 to 63.
        message_type: see `MessageType`.
        timestamp: milliseconds, taken modulo 2**32.
        stream_id: message stream id.
        length: of the whole body, bytes, below 2**24.
    """
    timestamp &= _TIMESTAMP_MASK
    short = min(timestamp, _EXTENDED)
    # The message stream id alone is little-endian.
    header = _FULL_HEADER.pack(
        chunk_stream, short >> 8, short & 0xFF, length >> 8, length & 0xFF, message_type, _swap(stream_id)
    )
    return header + _U32.pack(timestamp) if short == _EXTENDED else header


def split_body(body: bytes, chunk_stream: int, chunk_bytes: int, timestamp: int = 0) -> Sequence[bytes]:
    """Cut a message's body into what follows `chunk_header`: slices and the headers between them (5.3.2).

    Args:
        body: of the message.
        chunk_stream: as in the first chunk.
        chunk_bytes: most bytes of body per chunk, as announced.
        timestamp: as in the first chunk; only one of 2**24 - 1 or more makes a difference.
    """
    if len(body) <= chunk_bytes:
        return (body,)
    between = bytes((0xC0 | chunk_stream,))
    timestamp &= _TIMESTAMP_MASK
    if timestamp >= _EXTENDED:
        between += _U32.pack(timestamp)
    pieces = [body[:chunk_bytes]]
    for at in range(chunk_bytes, len(body), chunk_bytes):
        pieces += (between, body[at : at + chunk_bytes])
    return pieces


def serialize_message(message: Message, chunk_stream: int, chunk_bytes: int) -> bytes:
    """All chunks of one message."""
    header = chunk_header(
        chunk_stream, message.type, message.timestamp, message.stream_id, len(message.payload)
    )
    return header + b"".join(split_body(message.payload, chunk_stream, chunk_bytes, message.timestamp))


def control(message_type: MessageType, value: int, extra: bytes = b"") -> bytes:
    """A protocol control message of one number (5.4), in one chunk."""
    payload = _U32.pack(value) + extra
    return chunk_header(CONTROL_CHUNK_STREAM, message_type, 0, 0, len(payload)) + payload


def user_control(event: UserControl, value: int) -> bytes:
    """A user control message (7.1.7), in one chunk."""
    payload = event.to_bytes(2, "big") + _U32.pack(value & _TIMESTAMP_MASK)
    return chunk_header(CONTROL_CHUNK_STREAM, MessageType.USER_CONTROL, 0, 0, len(payload)) + payload


def parse_number(payload: bytes, at: int = 0) -> int:
    """The number in a protocol control message.

    Raises:
        WireError: truncated.
    """
    if len(payload) < at + 4:
        raise WireError(f"rtmp: control message of {len(payload)} bytes, expected {at + 4}")
    number: int = _U32.unpack_from(payload, at)[0]
    return number


@dataclass(slots=True)
class _ChunkStream:
    """What the headers of one chunk stream leave out because it was said before."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    stream_id: int = 0
    extended: bool = False
    known: bool = False
    body: bytearray | None = None


class ChunkReader:
    """Puts messages together from chunks, and follows the peer's chunk size by itself.

    Args:
        max_message_bytes: of one message; all unfinished ones together may hold twice as much.
    """

    def __init__(self, max_message_bytes: int = 1 << 20) -> None:
        self._max_message_bytes = max_message_bytes
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._streams: dict[int, _ChunkStream] = {}
        self._buffer = bytearray()
        self._unfinished_bytes = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes as they come; return the messages that are complete now.

        Raises:
            WireError: something the protocol does not allow, or a limit exceeded; the reader is spent then.
        """
        self._buffer += data
        messages: list[Message] = []
        position = 0
        while (after := self._chunk(position, messages)) is not None:
            position = after
        del self._buffer[:position]
        return messages

    def _chunk(self, position: int, messages: list[Message]) -> int | None:
        """Read one chunk; returns where the next begins, None if this one is not all there."""
        buffer = self._buffer
        available = len(buffer)
        if position >= available:
            return None
        first = buffer[position]
        form, number = first >> 6, first & 0x3F
        at = position + 1
        if number < 2:
            # 0: one more byte with the number less 64; 1: two more, the low one first (5.3.1.1).
            at += number + 1
            if at > available:
                return None
            number = 64 + int.from_bytes(buffer[position + 1 : at], "little")
        stream = self._stream(number, form)
        header_at, at = at, at + _HEADER_BYTES[form]
        if at > available:
            return None
        header = buffer[header_at:at]
        short = int.from_bytes(header[:3], "big") if form < 3 else 0
        extended = stream.extended if form == 3 else short == _EXTENDED
        if extended:
            at += 4
            if at > available:
                return None
            short = int.from_bytes(buffer[at - 4 : at], "big")
        begins = stream.body is None
        if not begins and form != 3:
            raise WireError("rtmp: a new message begins inside another of the same chunk stream")
        length = int.from_bytes(header[3:6], "big") if form < 2 else stream.length
        if length > self._max_message_bytes:
            raise WireError(f"rtmp: message of {length} bytes, the limit is {self._max_message_bytes}")
        missing = length - (len(stream.body) if stream.body is not None else 0)
        end = at + min(missing, self._chunk_bytes)
        if end > available:
            return None
        if begins:
            self._begin(stream, form, header, short, extended=extended, length=length)
        self._take(stream, buffer[at:end], messages)
        return end

    def _stream(self, number: int, form: int) -> _ChunkStream:
        stream = self._streams.get(number)
        if stream is None:
            if len(self._streams) >= _MAX_CHUNK_STREAMS:
                raise WireError(f"rtmp: more than {_MAX_CHUNK_STREAMS} chunk streams")
            stream = self._streams[number] = _ChunkStream()
        if form and not stream.known:
            # librtmp begins its pings with format 1; without a stream id that means stream 0.
            if form == 1:
                stream.known = True
            else:
                raise WireError(f"rtmp: chunk stream {number} begins with a chunk of format {form}")
        return stream

    def _begin(
        self, stream: _ChunkStream, form: int, header: bytearray, short: int, *, extended: bool, length: int
    ) -> None:
        if form == 0:
            stream.timestamp, stream.delta = short, 0
            stream.stream_id = int.from_bytes(header[7:11], "little")
        else:
            if form < 3:
                stream.delta = short
            # A message that repeats everything advances by the last difference; after an absolute time that
            # is 0, as every server reads it, although the text has it be the time itself.
            stream.timestamp = (stream.timestamp + stream.delta) & _TIMESTAMP_MASK
        if form < 2:
            stream.length, stream.type = length, header[6]
        stream.extended = extended
        stream.known = True
        stream.body = bytearray()

    def _take(self, stream: _ChunkStream, piece: bytearray, messages: list[Message]) -> None:
        assert stream.body is not None
        stream.body += piece
        self._unfinished_bytes += len(piece)
        if self._unfinished_bytes > 2 * self._max_message_bytes:
            raise WireError("rtmp: too many unfinished messages at a time")
        if len(stream.body) < stream.length:
            return
        message = Message(stream.type, stream.timestamp, stream.stream_id, bytes(stream.body))
        self._unfinished_bytes -= len(stream.body)
        stream.body = None
        if message.type == MessageType.SET_CHUNK_SIZE:
            size = parse_number(message.payload)
            if not 1 <= size < 1 << 31:
                raise WireError(f"rtmp: chunk size {size}, expected 1 to 2147483647")
            self._chunk_bytes = size
        elif message.type == MessageType.ABORT:
            aborted = self._streams.get(parse_number(message.payload))
            if aborted is not None and aborted.body is not None:
                self._unfinished_bytes -= len(aborted.body)
                aborted.body = None
        else:
            messages.append(message)


def _swap(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "little"), "big")
