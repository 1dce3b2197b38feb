from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.rtmp import wire
from transport.rtmp.wire import ChunkReader, Message, MessageType, chunk_header, serialize_message, split_body


def test_the_hello_is_version_time_zero_and_random() -> None:
    random = bytes(range(8)) * 191
    assert wire.serialize_hello(random, 0x01020304) == b"\x03\x01\x02\x03\x04\0\0\0\0" + random


def test_another_version_is_refused() -> None:
    wire.check_version(3)
    with pytest.raises(WireError, match="version 72 offered"):
        wire.check_version(ord("H"))


def test_the_full_header_byte_by_byte() -> None:
    # Section 5.3.2.2's example: 307 bytes of video at 1000 ms on message stream 12346, chunk stream 4.
    assert chunk_header(4, 9, 1000, 12346, 307).hex(" ") == "04 00 03 e8 00 01 33 09 3a 30 00 00"


def test_a_body_is_cut_as_in_the_example_of_the_specification() -> None:
    body = bytes(range(256)) + bytes(51)
    pieces = split_body(body, 4, 128)
    assert [len(piece) for piece in pieces] == [128, 1, 128, 1, 51]
    assert b"".join(pieces[::2]) == body
    assert set(pieces[1::2]) == {b"\xc4"}


def test_a_body_that_fits_is_not_copied() -> None:
    body = bytes(100)
    assert split_body(body, 4, 100)[0] is body


def test_late_timestamps_stand_behind_every_header() -> None:
    late = 0x01234567
    assert chunk_header(6, 9, late, 1, 5).hex(" ") == ("06 ff ff ff 00 00 05 09 01 00 00 00 01 23 45 67")
    assert split_body(bytes(200), 6, 128, late)[1].hex(" ") == "c6 01 23 45 67"
    assert chunk_header(6, 9, 0xFFFFFF, 1, 5).endswith(b"\x00\xff\xff\xff")


@pytest.mark.parametrize("timestamp", [0, 1000, 0xFFFFFE, 0xFFFFFF, 0x1234567, 0xFFFFFFFF])
@pytest.mark.parametrize("step", [1, 7, 5000])
def test_what_is_written_is_read_however_it_arrives(timestamp: int, step: int) -> None:
    message = Message(MessageType.VIDEO, timestamp, 1, bytes(range(256)) * 3)
    raw = serialize_message(message, 6, 128) * 2
    reader = ChunkReader()
    read = [each for at in range(0, len(raw), step) for each in reader.feed(raw[at : at + step])]
    assert read == [message, message]


def test_messages_of_several_chunk_streams_are_interleaved() -> None:
    video = Message(MessageType.VIDEO, 0, 1, bytes(200))
    audio = Message(MessageType.AUDIO, 5, 1, b"sound")
    chunks = serialize_message(video, 6, 128)
    first = chunks[: 12 + 128]
    read = ChunkReader().feed(first + serialize_message(audio, 4, 128) + chunks[len(first) :])
    assert read == [audio, video]


def test_shorter_headers_repeat_what_was_said() -> None:
    # Section 5.3.2.1's example: four audio messages of 32 bytes, 20 ms apart: formats 0, 2, 3, 3.
    body = bytes(32)
    raw = chunk_header(3, 8, 1000, 12345, 32) + body
    raw += b"\x83\x00\x00\x14" + body + b"\xc3" + body + b"\xc3" + body
    read = ChunkReader().feed(raw)
    assert [message.timestamp for message in read] == [1000, 1020, 1040, 1060]
    assert {(message.type, message.stream_id, message.payload) for message in read} == {(8, 12345, body)}


def test_format_1_keeps_only_the_stream() -> None:
    raw = chunk_header(3, 8, 1000, 1, 2) + b"ab" + bytes.fromhex("43 000014 000003 09") + b"abc"
    assert ChunkReader().feed(raw)[1] == Message(9, 1020, 1, b"abc")


def test_a_repeated_header_behind_an_absolute_time_repeats_the_time() -> None:
    raw = chunk_header(3, 8, 1000, 1, 2) + b"ab" + b"\xc3cd"
    assert [message.timestamp for message in ChunkReader().feed(raw)] == [1000, 1000]


def test_timestamps_wrap() -> None:
    raw = chunk_header(3, 8, 0xFFFFFFF0, 1, 1) + b"a" + bytes.fromhex("83 000020") + b"b"
    assert [message.timestamp for message in ChunkReader().feed(raw)] == [0xFFFFFFF0, 0x10]


@pytest.mark.parametrize(("basic", "number"), [("00 00", 64), ("00 ff", 319), ("01 00 01", 320)])
def test_high_chunk_streams_have_longer_headers(basic: str, number: int) -> None:
    raw = bytes.fromhex(basic) + chunk_header(0, 8, 0, 1, 1)[1:] + b"x"
    assert ChunkReader().feed(raw) == [Message(8, 0, 1, b"x")]
    assert number >= 64


def test_the_chunk_size_changes_at_once() -> None:
    size = wire.control(MessageType.SET_CHUNK_SIZE, 1000)
    message = Message(MessageType.VIDEO, 0, 1, bytes(900))
    assert ChunkReader().feed(size + serialize_message(message, 6, 1000)) == [message]


def test_an_aborted_message_is_forgotten() -> None:
    begun = serialize_message(Message(MessageType.VIDEO, 0, 1, bytes(200)), 6, 128)[: 12 + 128]
    other = Message(MessageType.VIDEO, 7, 1, b"new")
    raw = begun + wire.control(MessageType.ABORT, 6) + serialize_message(other, 6, 128)
    assert ChunkReader().feed(raw) == [other]


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (chunk_header(6, 9, 0, 1, 70_000), "message of 70000 bytes, the limit is 65536"),
        (b"\xc6", "begins with a chunk of format 3"),
        (chunk_header(6, 9, 0, 1, 200) + bytes(128) + chunk_header(6, 9, 0, 1, 200), "inside another"),
        (wire.control(MessageType.SET_CHUNK_SIZE, 0), "chunk size 0"),
        (chunk_header(2, 1, 0, 0, 2) + b"ab", "control message of 2 bytes"),
    ],
)
def test_what_is_not_allowed_is_refused(raw: bytes, what: str) -> None:
    with pytest.raises(WireError, match=what):
        ChunkReader(65_536).feed(raw)


def test_chunk_streams_and_unfinished_messages_are_bounded() -> None:
    with pytest.raises(WireError, match="more than 64 chunk streams"):
        ChunkReader().feed(
            b"".join(chunk_header(n, 8, 0, 1, 0) for n in range(3, 64))
            + b"".join(bytes((0, n)) + chunk_header(0, 8, 0, 1, 0)[1:] for n in range(4))
        )
    reader = ChunkReader(1000)
    reader.feed(wire.control(MessageType.SET_CHUNK_SIZE, 990))
    with pytest.raises(WireError, match="too many unfinished"):
        for number in range(3, 10):
            reader.feed(chunk_header(number, 9, 0, 1, 1000) + bytes(990))
