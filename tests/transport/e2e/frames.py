"""Made-up frames, in any number of slices, full of zeros."""

from __future__ import annotations

import random

from transport.media import Codec

START = b"\0\0\0\1"
SETS = {
    Codec.H264: (b"\x67\x42\xe0\x1f\xda", b"\x68\xce\x3c\x80"),
    Codec.H265: (b"\x40\x01\x0c\x01", b"\x42\x01\x01\x60", b"\x44\x01\xc1\x72"),
}
_SLICES = {Codec.H264: (b"\x65", b"\x41", b"\x01"), Codec.H265: (b"\x26\x01", b"\x02\x01", b"\x00\x02")}


def annexb(*nals: bytes) -> bytes:
    return b"".join(START + nal for nal in nals)


def escaped(rbsp: bytes) -> bytes:
    """What an encoder writes, the slow and certain way: H.264 section 7.4.1, byte by byte."""
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros == 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def slice_nal(codec: Codec, chance: random.Random, *, intra: bool = False, size: int | None = None) -> bytes:
    """A slice; half of its bytes are small, as nowhere in nature, and all of them are escaped."""
    size = chance.choice((3, 4, 20, 900, 3000)) if size is None else size
    body = bytes(chance.choice((0, 0, 1, 2, 3, chance.randrange(256))) for _ in range(size)) + b"\x80"
    header = _SLICES[codec][0 if intra else chance.randrange(1, 3)]
    return escaped(header + body)


def frame(codec: Codec, seed: int) -> bytes:
    """A picture of one to four slices, with parameter sets one time in three; or a packet of Opus."""
    chance = random.Random(seed)
    if codec is Codec.OPUS:
        return chance.randbytes(chance.choice((1, 2, 80, 400)))
    intra = seed % 3 == 0
    slices = [slice_nal(codec, chance, intra=intra) for _ in range(chance.randrange(1, 5))]
    return annexb(*(SETS[codec] if intra else ()), *slices)
