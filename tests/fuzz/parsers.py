"""Everything in Python that reads what a stranger sent: bent vectors in, only the documented errors out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.media import AUDIO, VIDEO, VIDEO_H265
from tests.fuzz import nonsense
from tests.transport.mpegts.test_hostile import everything
from transport.errors import WireError
from transport.media import Codec
from transport.mpegts.demux import TsDemuxer
from transport.plane import stun
from transport.plane.framing import Framer
from transport.rtp import header, rtcp
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import RtpPacket
from transport.rtp.packetize import packetize
from transport.srt.wire import parse_srt_url, parse_stream_id
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
    for codec in (Codec.H264, Codec.H265, Codec.OPUS):
        depacketizer = Depacketizer(codec)
        for number, at in enumerate(range(0, len(data), 50)):
            try:
                depacketizer.push(RtpPacket(96, number, 0, 1, data[at : at + 50], number % 5 == 4))
            except WireError:
                pass


def _packetize(data: bytes) -> None:
    rng = random.Random(data)
    for track in (VIDEO, VIDEO_H265, AUDIO):
        try:
            payloads = packetize(nonsense.unit(track, 0, rng), 64)
        except WireError:
            continue
        assert all(0 < len(payload) <= 64 for payload in payloads)


_STREAM = everything()
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
    "packetize": Parser(_packetize, lambda rng: rng.randbytes(8), ()),
    "sdp": Parser(parse_offer, lambda rng: rng.choice(_OFFERS)),
    "trickle": Parser(parse_trickle_fragment, lambda rng: rng.choice(_OFFERS)[:600]),
    "mpegts": Parser(_read_stream, _stream, ()),
    "stream id": Parser(parse_stream_id, lambda rng: rng.choice(_STREAM_IDS)),
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
