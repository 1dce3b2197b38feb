"""Datagrams and access units that nearly are what they should be."""

from __future__ import annotations

import random
import struct

from transport.media import AccessUnit, Codec, Track
from transport.plane import stun
from transport.plane.framing import frame
from transport.rtp import rtcp

#: Lengths around every limit the plane has: headers, tags, datagrams, payloads, frames.
SIZES = (0, 1, 2, 3, 4, 7, 8, 11, 12, 19, 20, 27, 28, 31, 32, 63, 64, 255, 256, 257, 1199, 1200, 1301, 1472)
SIZES += (2047, 2048, 2049, 4096)
SSRCS = (0x1000, 0x1001, 0x2000, 0x3000, 0x3001, 0, 0xFFFFFFFF)
_TYPES = (0x0001, stun.USERNAME, stun.MESSAGE_INTEGRITY, stun.PRIORITY, stun.USE_CANDIDATE)
_TYPES += (stun.FINGERPRINT, stun.ICE_CONTROLLED, stun.ICE_CONTROLLING, stun.XOR_MAPPED_ADDRESS, 0x7777)


def bent(data: bytes, rng: random.Random) -> bytes:
    """The same with a few bytes changed, cut out, doubled or added."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2 and at + 2 <= len(changed):
            changed[at : at + 2] = rng.choice((*SIZES, 0x8000, 0xFFFF)).to_bytes(2, "big")
        elif kind == 3:
            del changed[at:]
        elif kind == 4:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))
        else:
            changed[at:at] = changed[at : at + rng.choice((4, 8, 32))]
    return bytes(changed)


def noise(rng: random.Random) -> bytes:
    """Any first byte, any interesting length."""
    size = rng.choice(SIZES)
    first = rng.choice((0, 1, 3, 4, 19, 20, 22, 63, 64, 127, 128, 144, 191, 192, 255))
    second = rng.choice((0, 1, 191, 192, 200, 201, 205, 206, 207, 223, 224))
    return (bytes([first, second]) + rng.randbytes(size))[:size]


def check(ufrag: str, pwd: str, rng: random.Random) -> bytes:
    """A STUN message with attributes in any number and order."""
    attributes: dict[int, bytes] = {}
    for _ in range(rng.randrange(5)):
        attributes[rng.choice(_TYPES)] = rng.randbytes(rng.choice((0, 1, 3, 4, 8, 20, 21, 100)))
    if rng.random() < 0.8:
        name = rng.choice((ufrag, ufrag, ufrag, ufrag + "x", "", "\N{SNOWMAN}" * 90, ufrag[:-1]))
        attributes[stun.USERNAME] = name.encode() + rng.choice((b":viewer", b":viewer", b"", b":", b"::"))
    kind = rng.choice((stun.BINDING_REQUEST,) * 5 + (stun.BINDING_SUCCESS, stun.BINDING_ERROR, 0x3FFF))
    message = stun.serialize(
        kind, rng.randbytes(12), attributes, rng.choice((pwd, pwd, pwd, "guessed", None))
    )
    if rng.random() < 0.2:  # the checks of what is inside, and not only of the fingerprint
        cut = bent(message[20:-8], rng)
        cut = cut[: len(cut) // 4 * 4]
        body = struct.pack("!HH", kind, len(cut) + 8) + message[4:20] + cut
        message = body + struct.pack("!HHI", stun.FINGERPRINT, 4, _crc(body))
    return bent(message, rng) if rng.random() < 0.3 else message


def _crc(message: bytes) -> int:
    return int.from_bytes(stun._fingerprint(message), "big")


def reports(rng: random.Random) -> bytes:
    """RTCP as somebody may send who has the keys: sensible, or with lengths and counts that do not fit."""
    # What libsrtp encrypts: a header and an ssrc at least, a datagram at most.
    return _reports(rng).ljust(8, b"\0")[:1400]


def _reports(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        ssrc = rng.choice(SSRCS)
        sensible: list[rtcp.RtcpPacket] = [
            rtcp.Nack(1, ssrc, tuple(rng.randrange(1 << 16) for _ in range(rng.choice((1, 17, 200))))),
            rtcp.PictureLoss(1, ssrc),
            rtcp.FullIntraRequest(1, ((ssrc, 1),) * rng.choice((1, 30))),
            rtcp.Remb(1, rng.randrange(1 << 40)),
            rtcp.ReceiverReferenceTime(1, rng.randrange(1 << 64)),
            rtcp.ReceiverReport(
                1,
                (rtcp.ReportBlock(ssrc, rng.random(), rng.randrange(1 << 20), 1, 9, rng.getrandbits(32), 0),),
            ),
        ]
        data = rtcp.serialize_compound(rng.sample(sensible, rng.randrange(1, 4)))
        return bent(data, rng) if rng.random() < 0.5 else data
    packets = bytearray()
    for _ in range(rng.randrange(1, 4)):
        body = bytearray(rng.randbytes(4 * rng.choice((0, 1, 2, 3, 4, 6, 7, 20, 64))))
        if len(body) >= 8 and rng.random() < 0.7:
            body[4:8] = rng.choice(SSRCS).to_bytes(4, "big")
        if len(body) >= 12 and rng.random() < 0.3:
            body[8:12] = b"REMB"
        words = len(body) // 4 + rng.choice((0, 0, 0, 0, 1, -1, 60_000))
        first = 0x80 | rng.choice((0, 0, 0x20)) | rng.randrange(32)
        kind = rng.choice((200, 201, 202, 203, 204, 205, 205, 206, 206, 207, 207, 223))
        packets += bytes([first, kind]) + max(0, words).to_bytes(2, "big") + body
    return bytes(packets)


def media(rng: random.Random) -> bytes:
    """RTP or RTCP as a publisher may send it, protected with keys that nobody here has."""
    first, second = rng.choice((0x80, 0x90, 0xBF)), rng.choice((96, 111, 191, 192, 200, 223, 224, 255))
    return (bytes((first, second)) + rng.randbytes(rng.choice((0, 1, 10, 98, 1000, 1198, *SIZES))))[:2100]


def frames(datagrams: list[bytes], rng: random.Random) -> list[bytes]:
    """RFC 4571 frames of these, cut and joined anywhere, now and then with a wrong length."""
    stream = b"".join(frame(datagram) for datagram in datagrams)
    if rng.random() < 0.15:
        stream = bent(stream, rng)
    if rng.random() < 0.1:
        stream += struct.pack("!H", rng.choice((0, 1, 2048, 2049, 0xFFFF)))
    pieces, at = [], 0
    while at < len(stream):
        size = rng.choice((1, 2, 3, 100, 1400, 5000, len(stream)))
        pieces.append(stream[at : at + size])
        at += size
    return pieces


def unit(track: Track, pts: int, rng: random.Random) -> AccessUnit:
    """An access unit of any size, of NAL units that need not make sense."""
    if track.codec is Codec.OPUS:
        data = rng.randbytes(rng.choice((0, 1, 80, 80, 80, 400, 1160, 1161, 5000)))
        return AccessUnit(track, pts, pts, data, True, 0.0)
    keyframe = rng.random() < 0.3
    nals = []
    for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 5))):
        size = rng.choice((0, 1, 2, 3, 100, 100, 100, 1100, 1160, 1161, 1162, 3000))
        nals.append(rng.choice((b"\0\0\1", b"\0\0\0\1")) + rng.randbytes(size))
    if rng.random() < 0.02:
        nals = rng.choice((nals * 40, [b"\0\0\1\x65" + bytes(range(1, 256)) * 2000]))
    data = b"".join(nals) if rng.random() < 0.9 else rng.randbytes(rng.choice(SIZES))
    return AccessUnit(track, pts, pts, data, keyframe, 0.0)
