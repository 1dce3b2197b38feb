from __future__ import annotations

import random

import pytest

from transport.errors import WireError
from transport.srt import (
    Mode,
    SrtOptions,
    SrtTarget,
    StreamId,
    parse_srt_url,
    parse_stream_id,
    serialize_stream_id,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            b"#!::r=cam,m=publish,u=anna,s=k3y==,h=example.org,t=stream,bitrate=5M,x=",
            StreamId(
                "cam", Mode.PUBLISH, "anna", "k3y==", "example.org", "stream", (("bitrate", "5M"), ("x", ""))
            ),
        ),
        (b"#!::m=request,r=cam", StreamId("cam", Mode.REQUEST)),
        (b"#!::r=live/cam 1", StreamId("live/cam 1")),
        (b"#!::r=cam,m=bidirectional", StreamId("cam", Mode.BIDIRECTIONAL)),
        (b"#!::r=cam,t=", StreamId("cam")),
        (b"publish:cam:KEY", StreamId("cam", Mode.PUBLISH, session_key="KEY")),
        (b"publish:cam:a:b", StreamId("cam", Mode.PUBLISH, session_key="a:b")),
        (b"publish:cam", StreamId("cam", Mode.PUBLISH)),
        (b"read:cam:KEY", StreamId("cam", Mode.REQUEST, session_key="KEY")),
        (b"request:cam", StreamId("cam", Mode.REQUEST)),
        (b"cam", StreamId("cam", Mode.REQUEST)),
        ("K\u00fcche".encode(), StreamId("K\u00fcche")),
    ],
)
def test_parses_every_form(raw: bytes, expected: StreamId) -> None:
    assert parse_stream_id(raw) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "empty"),
        (b"x" * 513, "513 bytes"),
        (b"cam\xff", "not UTF-8 at byte 3"),
        (b"cam\nlog line", "unprintable"),
        (b"#!::m=publish", "no resource"),
        (b"#!::r=,m=publish", "no resource"),
        (b"#!::", "not key=value"),
        (b"#!::r=cam,", "item 2 is not key=value"),
        (b"#!::r=cam,publish", "item 2 is not key=value"),
        (b"#!::r=cam,=publish", "item 2 is not key=value"),
        (b"#!::r=cam,r=other", "item 2 repeats"),
        (b"#!::r=cam,m=steal", "unknown mode"),
        (b"#!{r={cam}}", "nested form"),
        (b"#!r=cam", "unknown form"),
        (b"steal:cam", "unknown mode"),
        (b"publish:", "no resource"),
        (b"publish::KEY", "no resource"),
    ],
)
def test_refuses_malformed_ids(raw: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        parse_stream_id(raw)


def test_an_id_of_exactly_512_bytes_is_allowed() -> None:
    assert parse_stream_id(b"x" * 512).resource == "x" * 512


def test_secrets_are_in_no_message_and_no_repr() -> None:
    assert "hunter2" not in repr(parse_stream_id(b"publish:cam:hunter2"))
    for raw in (
        b"steal:cam:hunter2",
        b"publish::hunter2",
        b"#!::s=hunter2",
        b"#!::r=a,m=hunter2",
        b"#!hunter2",
    ):
        with pytest.raises(WireError) as caught:
            parse_stream_id(raw)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(WireError) as caught:
        parse_srt_url("srt://h:1?passphrase=hunter2")
    assert "hunter2" not in str(caught.value)
    target = parse_srt_url("srt://h:1?passphrase=hunter2hunter2&streamid=publish:cam:hunter2")
    assert "hunter2" not in repr(target)


def test_fuzz_only_wire_errors_and_what_parses_survives_a_round_trip() -> None:
    rng = random.Random(20)
    pieces = [
        b"#!::",
        b"#!",
        b"r=",
        b"m=publish",
        b"m=",
        b",",
        b"=",
        b":",
        b"publish",
        b"read:",
        b"cam",
        b"\xc3",
    ]
    parsed = 0
    for _ in range(20_000):
        raw = b"".join(
            rng.choice(pieces) if rng.random() < 0.9 else rng.randbytes(rng.randrange(5))
            for _ in range(rng.randrange(8))
        )
        try:
            stream_id = parse_stream_id(raw)
        except WireError:
            continue
        parsed += 1
        try:
            again = parse_stream_id(serialize_stream_id(stream_id))
        except WireError as error:
            assert "comma" in str(error)
            continue
        # An unknown key without a value says nothing and is not written.
        kept = tuple(pair for pair in stream_id.extra if pair[1])
        assert (again.resource, again.mode, again.session_key, again.extra) == (
            stream_id.resource,
            stream_id.mode,
            stream_id.session_key,
            kept,
        )
    assert parsed > 500


def test_serializes_the_standard_form() -> None:
    stream_id = StreamId("cam", Mode.PUBLISH, "anna", "key", extra=(("x", "1"),))
    assert serialize_stream_id(stream_id) == b"#!::r=cam,m=publish,u=anna,s=key,x=1"


def test_what_the_form_cannot_carry_is_refused() -> None:
    with pytest.raises(WireError, match="comma"):
        serialize_stream_id(StreamId("a,b"))
    with pytest.raises(WireError, match="the limit is 512"):
        serialize_stream_id(StreamId("x" * 510))


def test_url_with_everything() -> None:
    url = (
        "srt://example.org:9000?mode=caller&latency=500&passphrase=p%40ssphrase+1&pbkeylen=24"
        "&streamid=#!::r=cam,m=publish&tlpktdrop=0&connect_timeout=700&peeridletimeo=900"
        "&pkt_size=1128&maxbw=1000&localport=4000&transtype=live"
    )
    options = SrtOptions(
        latency_ms=500,
        tlpktdrop=False,
        passphrase="p@ssphrase+1",
        pbkeylen=24,
        payload_bytes=1128,
        connect_timeout_ms=700,
        peer_idle_timeout_ms=900,
        max_bandwidth_bps=8000,
    )
    assert parse_srt_url(url) == SrtTarget(
        "caller", "example.org", 9000, "#!::r=cam,m=publish", 4000, options
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("srt://:9000", SrtTarget("listener", "", 9000)),
        ("srt://0.0.0.0:9000?mode=listener", SrtTarget("listener", "0.0.0.0", 9000)),
        ("srt://h:9000", SrtTarget("caller", "h", 9000)),
        ("SRT://[::1]:9000/", SrtTarget("caller", "::1", 9000)),
        ("srt://h:1?mode=Rendezvous", SrtTarget("rendezvous", "h", 1)),
        ("srt://h:1?passphrase=&pbkeylen=0&maxbw=-1", SrtTarget("caller", "h", 1)),
        ("srt://h:1?streamid=%23!::r=cam", SrtTarget("caller", "h", 1, "#!::r=cam")),
    ],
)
def test_url_defaults(url: str, expected: SrtTarget) -> None:
    assert parse_srt_url(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtsp://h:1", "expected srt://"),
        ("h:9000", "expected srt://"),
        ("srt://h", "expected host:port"),
        ("srt://user:pw@h:1", "expected host:port"),
        ("srt://::1:9000", "expected host:port"),
        ("srt://h:0", "port 0"),
        ("srt://h:65536", "port 65536"),
        ("srt://:1?mode=caller", "needs a host"),
        ("srt://h:1?mode=server", "mode: expected caller, listener or rendezvous"),
        ("srt://h:1?latency=fast", "latency: expected 0 to 60000 milliseconds"),
        ("srt://h:1?latency=120000", "latency: expected"),
        ("srt://h:1?passphrase=short", "passphrase: 5 bytes, expected 10 to 79"),
        ("srt://h:1?pbkeylen=20", "pbkeylen: expected 16, 24 or 32"),
        ("srt://h:1?latency=1&latency=2", "latency is given twice"),
        ("srt://h:1?latncy=1", "unknown parameter 'latncy', expected mode, streamid"),
        ("srt://h:1?payload_size=1500", "payload_size: expected 1 to 1456"),
        ("srt://h:1?tlpktdrop=maybe", "tlpktdrop: expected 1 or 0"),
        ("srt://h:1?transtype=file", "transtype: expected live"),
        ("srt://h:1?streamid=%ff", "streamid: expected"),
        ("srt://h:1?streamid=" + "x" * 513, "streamid: expected at most 512"),
        ("srt://h:1?maxbw=lots", "maxbw: expected bytes per second"),
        ("srt://h:1?localport=0", "localport: expected 1 to 65535"),
    ],
)
def test_url_errors_name_the_parameter_and_what_was_expected(url: str, message: str) -> None:
    with pytest.raises(WireError, match=message):
        parse_srt_url(url)


def test_fuzz_urls_only_wire_errors() -> None:
    rng = random.Random(21)
    base = (
        "srt://[::1]:9000?mode=caller&latency=5&passphrase=0123456789&pbkeylen=16&streamid=#!::r=c&maxbw=9%41"
    )
    for _ in range(10_000):
        text = list(base)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(3)] = rng.choice(["", "%", "\0", "\u0664", "=", "&", "9" * 30, "-"])
        try:
            assert isinstance(parse_srt_url("".join(text)), SrtTarget)
        except WireError:
            continue
