"""Everything in Python that reads what a stranger sent: bent vectors in, only the documented errors out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fakes.media import AUDIO, VIDEO, VIDEO_H265
from tests.fuzz import nonsense, rtsp
from tests.transport.mpegts.test_hostile import everything
from tests.transport.rtmp.flvfile import flv_file, tags_of
from transport.errors import WireError
from transport.media import Codec
from transport.media.audioframe import UnsupportedAudio
from transport.mpegts.demux import TsDemuxer
from transport.plane import stun
from transport.plane.framing import Framer
from transport.rtmp import amf0
from transport.rtmp.address import parse_rtmp_url
from transport.rtmp.demux import FlvDemuxer
from transport.rtmp.flv import parse_audio, parse_video
from transport.rtmp.server import Connecting, Publishing, ServerSession
from transport.rtmp.server import Tag as RtmpTag
from transport.rtmp.session import ClientSession
from transport.rtmp.wire import HANDSHAKE_BYTES, MessageType
from transport.rtp import header, rtcp
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket
from transport.rtp.incoming import LayerIds
from transport.rtp.packetize import packetize
from transport.rtp.receive import IncomingTrack, RtpReceiver
from transport.srt.wire import parse_srt_url, parse_stream_id
from transport.webrtc.offers import read_offer
from transport.webrtc.wire import parse_offer, parse_trickle_fragment

_VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True, slots=True)
class Parser:
    """One of them.

    Attributes:
        read: takes the input.
        make: an input that is right, or nearly; it is bent afterwards.
        raises: what its documentation says.
    """

    read: Callable[[bytes], object]
    make: Callable[[random.Random], bytes]
    raises: tuple[type[Exception], ...] = (WireError,)


def _read_stun(data: bytes) -> None:
    message = stun.parse(data)
    assert isinstance(message.has_fingerprint, bool)
    assert message.username is None or isinstance(message.username, str)
    assert message.error_code is None or message.error_code >= 0
    message.is_signed_with("password")
    assert message.xor_mapped_address is None or len(message.xor_mapped_address) == 2


def _read_frames(data: bytes) -> None:
    framer = Framer()
    for at in range(0, len(data), 7):
        framer.feed(data[at : at + 7])


def _read_stream(data: bytes) -> None:
    demuxer = TsDemuxer()
    for at in range(0, len(data), 1316):
        demuxer.feed(data[at : at + 1316], 0.0)
    demuxer.flush(0.0)
    demuxer.warnings()


def _stream(rng: random.Random) -> bytes:
    stream = _STREAM
    at = rng.randrange(0, len(stream), 188)
    return stream[at : at + 188 * rng.choice((1, 7, 50))]


def _read_payloads(data: bytes) -> None:
    for codec in _SENT:
        depacketizer = Depacketizer(codec)
        for number, at in enumerate(range(0, len(data), 50)):
            try:
                depacketizer.push(RtpPacket(96, number, 0, 1, data[at : at + 50], number % 5 == 4))
            except WireError:
                pass


def _receive(data: bytes) -> None:
    _receive_tracks(data, None)


def _receive_layers(data: bytes) -> None:
    _receive_tracks(data, LayerIds(("a", "b"), _RID, _RID))


def _receive_tracks(data: bytes, layers: LayerIds | None) -> None:
    tracks = [IncomingTrack(n, codec, 96 + n, 90_000, 100 + n) for n, codec in enumerate(_SENT)]
    tracks[0] = replace(tracks[0], layers=layers)
    receiver = RtpReceiver(tracks, ssrc=1, max_bitrate_bps=1_000_000, transport_cc=_NUMBER, now=0.0)
    at, now = 0, 0.0
    while at < len(data):
        size = data[at]
        receiver.receive(data[at + 1 : at + 1 + size], now)
        receiver.units(now)
        receiver.feedback(now)
        at, now = at + 1 + size, max(now + 0.01, receiver.deadline(now) if size & 1 else 0.0)
    assert len(receiver.tracks) == len(tracks)


def _published(rng: random.Random) -> bytes:
    """Packets behind their lengths, in order but for a few."""
    packets = [nonsense.reports(rng)[:255]]
    for number, track in enumerate((VIDEO, VIDEO_H265, AUDIO)):
        try:
            payloads = packetize(nonsense.unit(track, 0, rng), 64)
        except WireError:
            continue
        for seq, payload in enumerate(payloads):
            if rng.random() > 0.1:
                layer = rng.randrange(2)
                extensions = ((_RID, b"ab"[layer : layer + 1]), (_NUMBER, seq.to_bytes(2, "big")))
                is_last = payload is payloads[-1]
                packet = RtpPacket(96 + number, seq, 0, 7 + number + 9 * layer, payload, is_last, extensions)
                packets.append(header.serialize(packet))
    return b"".join(bytes((len(packet),)) + packet for packet in packets)


def _packetize(data: bytes) -> None:
    rng = random.Random(data)
    for track in (VIDEO, VIDEO_H265, AUDIO):
        try:
            payloads = packetize(nonsense.unit(track, 0, rng), 64)
        except WireError:
            continue
        assert all(0 < len(payload) <= 64 for payload in payloads)


def _read_rtmp_server(data: bytes) -> None:
    server = ServerSession(_RANDOM, 0.0)
    for at in range(0, len(data), 500):
        server.receive(data[at : at + 500])
        while event := server.next_event():
            if isinstance(event, (Connecting, Publishing)) and not server.is_ended:
                server.accept()
            if isinstance(event, RtmpTag):
                (parse_audio if event.kind is MessageType.AUDIO else parse_video)(event.body)


def _read_rtmp_client(data: bytes) -> None:
    client = ClientSession(_TARGET, _RANDOM, 0.0)
    for at in range(0, len(data), 500):
        client.receive(data[at : at + 500], 0.0)
    assert client.failure is None or client.failure.reason


def _read_tags(data: bytes) -> None:
    """Tags behind a byte of kind and four of timestamp and of length each."""
    demuxer = FlvDemuxer()
    at, now = 0, 0.0
    last_s: dict[int, float] = {}
    while at < len(data):
        kind = MessageType.VIDEO if data[at] & 1 else MessageType.AUDIO
        size = int.from_bytes(data[at + 5 : at + 9], "big")
        timestamp = int.from_bytes(data[at + 1 : at + 5], "big")
        for unit in demuxer.take(RtmpTag(kind, timestamp, data[at + 9 : at + 9 + size]), now):
            assert unit.dts_s >= last_s.get(unit.track.id, unit.dts_s)
            last_s[unit.track.id] = unit.dts_s
            assert unit.data
            assert unit.track.clock_rate
            if unit.track.is_video:
                assert unit.data.startswith(b"\0\0\0\1")
        at, now = at + 9 + size, now + 0.02
    demuxer.warnings()
    counters = demuxer.counters
    assert counters.tags >= counters.dropped
    assert all(track.is_video or track.sample_rate for track in demuxer.tracks)


def _tags(rng: random.Random) -> bytes:
    """What an encoder sends, some of it bent, as one of several tracks, or with another time."""
    tags = [tag for tag in tags_of(rng.choice(_PUBLISHED)) if isinstance(tag, RtmpTag)]
    shift = rng.choice((0, 0, (1 << 32) - 500, rng.randrange(1 << 32)))
    packed = b""
    for tag in tags[: rng.randrange(1, len(tags))]:
        body, first = tag.body, tag.body[0]
        extended = first & 0x80 if tag.kind is MessageType.VIDEO else first >> 4 == 9
        chance = rng.random()
        if extended and chance < 0.1:
            several = 6 if tag.kind is MessageType.VIDEO else 5
            body = (
                bytes((first & 0xF0 | several, first & 15))
                + body[1:5]
                + bytes((rng.randrange(2),))
                + body[5:]
            )
        elif extended and chance < 0.2:
            body = bytes((first & 0xF0 | 7,)) + b"\x02abc" + bytes((first & 15,)) + body[1:]
        elif chance < 0.3:
            body = nonsense.bent(body, rng)
        if rng.random() < 0.05:
            shift = rng.randrange(1 << 32)
        timestamp = (tag.timestamp + shift) & 0xFFFFFFFF
        packed += bytes((tag.kind & 1,)) + timestamp.to_bytes(4, "big") + len(body).to_bytes(4, "big") + body
    return packed


def _rtmp_dialogue() -> tuple[bytes, bytes]:
    """All that a client and a server say when everything goes well."""
    client, server = ClientSession(_TARGET, _RANDOM, 0.0), ServerSession(_RANDOM, 0.0)
    there, back = b"", b""
    while output := client.take_output():
        there += output
        server.receive(output)
        while event := server.next_event():
            if isinstance(event, (Connecting, Publishing)):
                server.accept()
        answer = server.take_output()
        back += answer
        client.receive(answer, 0.0)
    client.send_metadata({"width": 1280.0, "encoder": "x"})
    there += client.take_output()
    for kind, body in (
        (MessageType.AUDIO, b"\xaf\x00\x11\x90"),
        (MessageType.VIDEO, b"\x17\x01\x00\x00\x00" + bytes(300)),
        (MessageType.VIDEO, b"\x91hvc1\x00\x00\x01" + bytes(30)),
    ):
        there += b"".join(client.media(kind, 40, body))
    return there, back


def _bent_behind_the_handshake(said: bytes, rng: random.Random) -> bytes:
    greeting, rest = said[: 1 + 2 * HANDSHAKE_BYTES], said[1 + 2 * HANDSHAKE_BYTES :]
    for _ in range(rng.randrange(4)):
        rest = nonsense.bent(rest, rng)
    return greeting + rest


_SENT = (Codec.H264, Codec.H265, Codec.OPUS)
#: Ids of header extensions: a layer's name, a packet's number within the transport.
_RID, _NUMBER = 1, 2
_RANDOM = bytes(HANDSHAKE_BYTES - 8)
_TARGET = parse_rtmp_url("rtmp://host/live?a=b", "key")
_TO_SERVER, _TO_CLIENT = _rtmp_dialogue()
_RTMP_URLS = [b"rtmp://host:1936/app/instance/key?a=b", b"rtmps://[::1]/live/key"]
_AMF0 = amf0.serialize(
    ["connect", 1, {"app": "live", "list": ["hvc1", None, True]}, amf0.EcmaArray({"width": 1280.0})]
)
_STREAM = everything()
_PUBLISHED = (
    flv_file("libx264", "aac", options=(("bf", "2"),)),
    flv_file("libx265", "libopus"),
    flv_file("libx264", "ac3"),
    flv_file("flv", "pcm_alaw", rate=8_000),
)
_OFFERS = [path.read_bytes() for path in sorted((_VECTORS / "sdp").glob("*.sdp"))]
_STREAM_IDS = [
    b"#!::r=live/cam,m=publish,u=me,s=secret",
    b"publish:cam:key",
    b"read:cam",
    b"#!::h=a,r=b,m=request",
]
_URLS = [
    b"srt://host:9000?mode=caller&latency=500&passphrase=sixteen-letters!&pbkeylen=32&streamid=#!::r=a,m=publish",
    b"srt://[::1]:9000?maxbw=1000&payloadsize=1316",
]

PARSERS = {
    "stun": Parser(_read_stun, lambda rng: nonsense.check("ufrag", "password", rng)),
    "rtcp": Parser(rtcp.parse_compound, nonsense.reports),
    "rtp": Parser(
        header.parse,
        lambda rng: header.serialize(
            RtpPacket(96, 1, 2, 3, rng.randbytes(20), True, ((4, b"0"), (6, b"abc")))
        ),
    ),
    "framing": Parser(_read_frames, lambda rng: b"".join(nonsense.frames([nonsense.noise(rng)] * 3, rng))),
    "depacketize": Parser(_read_payloads, lambda rng: rng.randbytes(rng.randrange(400)), ()),
    "rtp receiver": Parser(_receive, _published, ()),
    "rtp receiver of layers": Parser(_receive_layers, _published, ()),
    "packetize": Parser(_packetize, lambda rng: rng.randbytes(8), ()),
    "sdp": Parser(parse_offer, lambda rng: rng.choice(_OFFERS)),
    "offer": Parser(lambda data: read_offer(data.decode(errors="replace")), lambda rng: rng.choice(_OFFERS)),
    "trickle": Parser(parse_trickle_fragment, lambda rng: rng.choice(_OFFERS)[:600]),
    "mpegts": Parser(_read_stream, _stream, ()),
    "rtmp tags": Parser(_read_tags, _tags, ()),
    "stream id": Parser(parse_stream_id, lambda rng: rng.choice(_STREAM_IDS)),
    "amf0": Parser(amf0.parse, lambda rng: _AMF0),
    "rtmp server": Parser(_read_rtmp_server, lambda rng: _bent_behind_the_handshake(_TO_SERVER, rng)),
    "rtmp client": Parser(_read_rtmp_client, lambda rng: _bent_behind_the_handshake(_TO_CLIENT, rng), ()),
    "rtmp url": Parser(
        lambda data: parse_rtmp_url(data.decode("utf-8", "surrogateescape")),
        lambda rng: rng.choice(_RTMP_URLS),
    ),
    "rtsp server": Parser(rtsp.read_dialogue, rtsp.make_dialogue),
    "rtsp announcement": Parser(rtsp.read_announcement, lambda rng: rtsp.ANNOUNCEMENT),
    "rtsp packets": Parser(rtsp.read_packets, rtsp.make_packets, ()),
    "rtsp payloads": Parser(rtsp.read_payloads, rtsp.make_payloads, (WireError, UnsupportedAudio)),
    "srt url": Parser(
        lambda data: parse_srt_url(data.decode("utf-8", "surrogateescape")), lambda rng: rng.choice(_URLS)
    ),
}


def run(seconds: float, rng: random.Random) -> int:
    """Feed them all in turn; returns the number of inputs.

    Raises:
        AssertionError: one raised what it must not; says which, and the input.
    """
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for name, parser in PARSERS.items():
            data = parser.make(rng)
            for _ in range(rng.randrange(4)):
                data = nonsense.bent(data, rng)
            feed(name, data)
            count += 1
    return count


def feed(name: str, data: bytes) -> None:
    """One input to one parser.

    Raises:
        AssertionError: as `run`.
    """
    parser = PARSERS[name]
    try:
        parser.read(data)
    except parser.raises:
        pass
    except Exception as error:
        raise AssertionError(f"{name} raised {error!r} for bytes.fromhex({data.hex()!r})") from error
