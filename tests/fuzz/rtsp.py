"""What RTSP clients send: requests, announcements, packets. See `parsers.py`."""

from __future__ import annotations

import random

from tests.fakes.media import gop, noise
from transport.media import Codec
from transport.rtp import rtcp
from transport.rtp.sending import RtpSender
from transport.rtsp import sdp
from transport.rtsp.reception import Reception
from transport.rtsp.server import Asking, ServerSession, Starting
from transport.rtsp.unwrap import unwrapper
from transport.rtsp.wire import frame_header

ANNOUNCEMENT = b"""v=0\r
m=video 0 RTP/AVP 96\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LgHw==,aM48gA==;profile-level-id=42E01F\r
a=control:streamid=0\r
m=audio 0 RTP/AVP 97\r
a=rtpmap:97 MPEG4-GENERIC/48000/2\r
a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r
a=control:streamid=1\r
"""
_AAC = {"sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
_CODECS = (Codec.AAC, Codec.MP2, Codec.AC3, Codec.PCMA)
_SEPARATOR = b"\xfe\xed"


def read_dialogue(data: bytes) -> None:
    """A connection whose owner says yes to everything.

    Raises:
        WireError: the client's fault.
    """
    session = ServerSession("f00d", (8554, 8555))
    session.receive(data)
    while (event := session.next_event()) is not None:
        if isinstance(event, Starting):
            session.start()
        elif isinstance(event, Asking) and event.announced is None:
            session.describe(b"v=0\r\n", [1, 2])
        elif isinstance(event, Asking):
            session.take_announcement()
    session.take_output()


def read_announcement(data: bytes) -> None:
    """Somebody wants to publish this.

    Raises:
        WireError: none of it can be carried.
    """
    assert Reception(sdp.parse(data)).tracks


def read_packets(data: bytes) -> None:
    """A publisher's packets; none of them does any harm."""
    reception = Reception(sdp.parse(ANNOUNCEMENT))
    for number, packet in enumerate(data.split(_SEPARATOR)):
        for track in (0, 1):
            reception.receive(track, packet, number / 100, is_rtcp=rtcp.is_rtcp(packet))
    assert reception.counters.packets >= 0


def read_payloads(data: bytes) -> None:
    """Sound's.

    Raises:
        WireError: what the format does not allow.
        UnsupportedAudio: frames of a variant that is not carried.
    """
    found = unwrapper(_CODECS[data[0] % len(_CODECS)] if data else Codec.AAC, _AAC)
    for payload in data[1:].split(_SEPARATOR):
        found.push(payload, marker=bool(payload) and payload[0] % 2 == 0, is_broken=False)


def make_dialogue(rng: random.Random) -> bytes:
    """A client that publishes or reads."""
    if rng.random() < 0.5:
        methods = [("ANNOUNCE", ""), ("SETUP", "/streamid=0"), ("SETUP", "/streamid=1"), ("RECORD", "")]
    else:
        methods = [("OPTIONS", ""), ("DESCRIBE", ""), ("SETUP", "/trackID=0"), ("PLAY", ""), ("PAUSE", "")]
    said = b""
    for number, (method, behind) in enumerate([*methods, ("TEARDOWN", "")]):
        body = ANNOUNCEMENT if method == "ANNOUNCE" else b""
        head = (
            f"{method} rtsp://h/cam?key=k{behind} RTSP/1.0\r\nCSeq: {number}\r\n"
            f"Transport: RTP/AVP/TCP;unicast;interleaved={number}-{number + 1}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            "Authorization: Basic YTpi\r\n\r\n"
        )
        said += head.encode() + body + frame_header(number, 3) + b"abc"
    return said


def make_packets(rng: random.Random) -> bytes:
    """Of a picture track, between which there is anything."""
    sender = RtpSender(96, 90_000, ssrc=7, seq=rng.randrange(1 << 16), offset=0, max_payload_bytes=400)
    packets = [packet for unit in gop(0, 4, size=600) for packet in sender.send(unit)]
    packets.insert(rng.randrange(len(packets)), sender.report(rng.getrandbits(64), 1.0, "name"))
    packets.insert(rng.randrange(len(packets)), noise(rng.randrange(60), rng.randrange(1000)))
    return _SEPARATOR.join(packets)


def make_payloads(rng: random.Random) -> bytes:
    """Of some sound."""
    payloads = [b"\0\x10\0\x18abc", b"\0\0\0\0\xff\xfd\x84\x04" + bytes(40), b"\2\2\x0b\x77" + bytes(20)]
    return bytes([rng.randrange(4)]) + _SEPARATOR.join(rng.choices(payloads, k=4))
