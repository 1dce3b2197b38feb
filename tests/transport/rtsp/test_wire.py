from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.rtsp.wire import Frame, Parser, Request, frame_header, serialize_response

DESCRIBE = b"DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\nAccept : application/sdp\r\n\r\n"
ANNOUNCE = b"ANNOUNCE rtsp://h/cam RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\nv=0\r\n"


def parsed(data: bytes, *, step: int = 0) -> list[Request | Frame]:
    parser = Parser()
    size = step or len(data)
    return [each for at in range(0, len(data), size) for each in parser.receive(data[at : at + size])]


@pytest.mark.parametrize("step", [0, 1, 7])
def test_requests_and_packets_follow_each_other_however_they_are_cut(step: int) -> None:
    frame = frame_header(1, 3) + b"$\r\n"
    first, packet, second, last = parsed(DESCRIBE + frame + ANNOUNCE + DESCRIBE, step=step)
    assert isinstance(first, Request)
    assert (first.method, first.uri, first.version) == ("DESCRIBE", "rtsp://h/cam", "RTSP/1.0")
    assert (first.header("cseq"), first.header("accept"), first.header("session")) == (
        "2",
        "application/sdp",
        "",
    )
    assert packet == Frame(1, b"$\r\n")
    assert isinstance(second, Request)
    assert second.body == b"v=0\r\n"
    assert last == first


def test_what_is_answered_to_nothing_is_left_out() -> None:
    found = parsed(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nok\r\n\r\n" + DESCRIBE)
    assert [each.method for each in found if isinstance(each, Request)] == ["DESCRIBE"]


def test_a_header_that_comes_twice_has_both_values() -> None:
    (found,) = parsed(b"SETUP * RTSP/1.0\r\nTransport: a\r\ntransport: b\r\n\r\n")
    assert isinstance(found, Request)
    assert found.header("transport") == "a,b"


def test_no_secret_is_printed() -> None:
    (found,) = parsed(b"SETUP rtsp://h/cam?token=secret RTSP/1.0\r\nAuthorization: Basic secret\r\n\r\n")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x00\x01\x02", "no request line"),
        (b"\xff" * 5000, "no request line"),
        (b"hello\r\n\r\n", "no request line"),
        (b"DESCRIBE  RTSP/1.0 x\r\n\r\n", "no request line"),
        (b"DESCRIBE rtsp://h/cam RTSP/1.0\r\nnothing\r\n\r\n", "without a colon"),
        (b"A" * 20_000, "more than 16384 bytes"),
        (b"DESCRIBE * RTSP/1.0\r\n" + b"x: y\r\n" * 65 + b"\r\n", "65 header lines"),
        (b"DESCRIBE * RTSP/1.0\r\nx: " + b"y" * 17_000 + b"\r\n\r\n", "more than 16384 bytes"),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 65537\r\n\r\n", "65537 bytes, at most"),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", "no number"),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "no number"),
        (b"ANNOUNCE * RTSP/1.0\r\nContent-Length: \xb2\r\n\r\n", "no number"),
    ],
)
@pytest.mark.parametrize("step", [0, 100])
def test_nonsense(data: bytes, expected: str, step: int) -> None:
    with pytest.raises(WireError, match=expected):
        parsed(data, step=step)


def test_a_response() -> None:
    body = b"v=0\r\n"
    assert serialize_response(200, "", [("CSeq", "2")], body) == (
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    )
    assert serialize_response(404, "no\r\nSet: it", [], b"") == b"RTSP/1.0 404 no Set: it\r\n\r\n"
