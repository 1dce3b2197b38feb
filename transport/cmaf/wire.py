"""Writes boxes of the ISO base media file format (ISO/IEC 14496-12) and what stands in them for a coding."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction

from transport.cmaf.boxes import all_inside
from transport.errors import WireError
from transport.media import Codec, Track
from transport.media.configuration import video_configuration

_IDENTITY = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
_NO_LANGUAGE = "und"
#: Of the movie's own clock; tracks have theirs.
MOVIE_TICKS_PER_S = 1000
#: Larger terms of a pixel's shape are an encoder's rounding.
_MOST_OF_ASPECT = 255
# Of a sample (8.8.3.1): depends on no other, or does and is no place to begin.
_BEGINS, _CONTINUES = 2 << 24, 1 << 24 | 1 << 16
_BASE_IS_MOOF = 0x020000
# In `trun`: where its data begin; then, for each sample, duration, size, flags and offset of composition.
_RUN_FLAGS = 0x000001 | 0x000100 | 0x000200 | 0x000400 | 0x000800
#: Of a `trun`: duration, size, flags, and how long after its decoding a sample is shown.
SAMPLE_ROW = struct.Struct(">IIIi")
#: RFC 6716: what a decoder gives first and is not heard, of 48 kHz; libopus has this much.
_OPUS_PRE_SKIP = 312


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box (4.2): its size, its kind of four letters, what is in it."""
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """One box with a version and 24 bits of flags in front."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)


def u16(*values: int) -> bytes:
    """Numbers of 16 bits."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def u32(*values: int) -> bytes:
    """Numbers of 32 bits."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def movie_header(next_track: int) -> bytes:
    """`mvhd` (8.2.2), of no length, as the rest of the movie is in fragments."""
    plain = u32(0, 0, MOVIE_TICKS_PER_S, 0, 1 << 16) + u16(1 << 8) + bytes(10)
    return full_box(b"mvhd", 0, 0, plain, _IDENTITY, bytes(24), u32(next_track))


def movie_length(duration_s: float) -> bytes:
    """`mehd` (8.8.2): how long the movie is with its fragments."""
    return full_box(b"mehd", 1, 0, movie_ticks(duration_s))


def movie_ticks(duration_s: float) -> bytes:
    """A time of the movie's clock."""
    return round(duration_s * MOVIE_TICKS_PER_S).to_bytes(8, "big")


def track(number: int, of: Track) -> bytes:
    """`trak` (8.3.1) without samples.

    Raises:
        WireError: its coding's configuration is not known, or malformed.
    """
    width, height = _shown(of) if of.is_video else (0, 0)
    volume = 0 if of.is_video else 1 << 8
    head = full_box(
        b"tkhd",
        0,
        3,  # enabled, in the movie
        u32(0, 0, number, 0, 0),
        bytes(8),
        u16(0, 0, volume, 0),
        _IDENTITY,
        u32(width << 16, height << 16),
    )
    kind, name = (b"vide", b"picture\0") if of.is_video else (b"soun", b"sound\0")
    handler = full_box(b"hdlr", 0, 0, bytes(4), kind, bytes(12), name)
    language = of.language if len(of.language) == 3 and of.language.isascii() else _NO_LANGUAGE
    packed = sum((ord(letter) - 0x60 & 31) << 10 - 5 * at for at, letter in enumerate(language.lower()))
    media_head = full_box(b"mdhd", 0, 0, u32(0, 0, of.clock_rate, 0), u16(packed, 0))
    return box(b"trak", head, box(b"mdia", media_head, handler, _media_information(of)))


def defaults(number: int) -> bytes:
    """`trex` (8.8.3): fragments say everything themselves."""
    return full_box(b"trex", 0, 0, u32(number, 1, 0, 0, 0))


def movie_fragment(number: int, tracks: Sequence[bytes]) -> bytes:
    """`moof` (8.8.4) of what `track_fragment` made."""
    return box(b"moof", full_box(b"mfhd", 0, 0, u32(number)), *tracks)


def track_fragment(number: int, time: int, rows: bytes, start: int) -> bytes:
    """`traf` (8.8.6) with one run.

    Args:
        number: of the track.
        time: of decoding its first sample, in ticks of the track.
        rows: what `sample_row` made, one after the other.
        start: where the data begin, counted from the first byte of its `moof`.
    """
    return box(
        b"traf",
        full_box(b"tfhd", 0, _BASE_IS_MOOF, u32(number)),
        full_box(b"tfdt", 1, 0, time.to_bytes(8, "big")),
        full_box(b"trun", 1, _RUN_FLAGS, u32(len(rows) // SAMPLE_ROW.size, start), rows),
    )


def read_track_fragment(body: memoryview) -> tuple[int, int, bytes, int]:
    """What `track_fragment` was given.

    Raises:
        WireError: it was not made by it.
    """
    boxes = [(kind, bytes(part)) for kind, part in all_inside(body)]
    if [kind for kind, _ in boxes] != [b"tfhd", b"tfdt", b"trun"]:
        raise WireError("mp4: a fragment that is not written here")
    head, time, run = (part for _, part in boxes)
    count = int.from_bytes(run[4:8], "big")
    if (
        head[:4] != u32(_BASE_IS_MOOF)
        or (len(head), len(time)) != (8, 12)
        or run[:4] != u32(1 << 24 | _RUN_FLAGS)
        or len(run) != 12 + count * SAMPLE_ROW.size
    ):
        raise WireError("mp4: a fragment that is not written here")
    number, start = int.from_bytes(head[4:], "big"), int.from_bytes(run[8:12], "big")
    return number, int.from_bytes(time[4:], "big"), run[12:], start


def sample_row(duration: int, size: int, shown_after: int, *, begins: bool) -> bytes:
    """One sample in a `trun` (8.8.8).

    Args:
        duration: in ticks of the track.
        size: bytes.
        shown_after: from its decoding on, in ticks; may be negative.
        begins: whether decoding can begin with it.
    """
    return u32(duration, size, _BEGINS if begins else _CONTINUES, shown_after & 0xFFFF_FFFF)


def begins(flags: int) -> bool:
    """Whether decoding can begin with a sample that has these."""
    return flags == _BEGINS


def _media_information(of: Track) -> bytes:
    head = full_box(b"vmhd", 0, 1, bytes(8)) if of.is_video else full_box(b"smhd", 0, 0, bytes(4))
    here = box(b"dinf", full_box(b"dref", 0, 0, u32(1), full_box(b"url ", 0, 1)))
    entry = _picture_entry(of) if of.is_video else _sound_entry(of)
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, u32(1), entry),
        full_box(b"stts", 0, 0, u32(0)),
        full_box(b"stsc", 0, 0, u32(0)),
        full_box(b"stsz", 0, 0, u32(0, 0)),
        full_box(b"stco", 0, 0, u32(0)),
    )
    return box(b"minf", head, here, table)


def _aspect(of: Track) -> Fraction:
    return Fraction(of.pixel_aspect).limit_denominator(_MOST_OF_ASPECT)


def _shown(of: Track) -> tuple[int, int]:
    return min(0xFFFF, round(of.width * _aspect(of))), of.height


def _picture_entry(of: Track) -> bytes:
    """`avc1` or `hvc1`: parameter sets stand here alone (ISO/IEC 14496-15 sections 5.4.2, 8.4.1)."""
    kind, name = (b"avc1", b"avcC") if of.codec is Codec.H264 else (b"hvc1", b"hvcC")
    aspect = _aspect(of)
    shape = b"" if aspect == 1 else box(b"pasp", u32(aspect.numerator, aspect.denominator))
    return box(
        kind,
        bytes(6) + u16(1),
        bytes(16),
        u16(of.width, of.height),
        u32(72 << 16, 72 << 16, 0),
        u16(1),
        bytes(32),
        u16(24, 0xFFFF),
        box(name, video_configuration(of)),
        shape,
    )


def _sound_entry(of: Track) -> bytes:
    kind, configuration = (b"Opus", _opus(of)) if of.codec is Codec.OPUS else (b"mp4a", _elementary(of))
    rate = of.sample_rate if of.sample_rate <= 0xFFFF else 0
    return box(kind, bytes(6) + u16(1), bytes(8), u16(of.channels, 16, 0, 0), u32(rate << 16), configuration)


def _opus(of: Track) -> bytes:
    """`dOps` (Encapsulation of Opus in ISO Base Media File Format, section 4.3.2)."""
    if of.channels > 2:
        raise WireError(f"cmaf: Opus of {of.channels} channels, expected 1 or 2")
    return box(b"dOps", bytes((0, of.channels)), u16(_OPUS_PRE_SKIP), u32(of.sample_rate), bytes(3))


def _elementary(of: Track) -> bytes:
    """`esds` (ISO/IEC 14496-14 section 5.6.1) around an AudioSpecificConfig."""
    if not of.parameter_sets:
        raise WireError("cmaf: no AAC without its AudioSpecificConfig")
    specific = _descriptor(5, of.parameter_sets[0])
    decoder = _descriptor(4, b"\x40\x15" + bytes(11) + specific)  # MPEG-4 audio, an audio stream
    return full_box(b"esds", 0, 0, _descriptor(3, u16(0) + b"\0" + decoder + _descriptor(6, b"\x02")))


def _descriptor(tag: int, body: bytes) -> bytes:
    """With a length of four bytes, as all readers know it (ISO/IEC 14496-1 section 8.3.3)."""
    length = bytes((len(body) >> shift & 0x7F | (0x80 if shift else 0)) for shift in (21, 14, 7, 0))
    return bytes((tag,)) + length + body
