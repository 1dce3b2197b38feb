"""Reads out of a header that `mux.header` wrote how long a file is and what is in it."""

from __future__ import annotations

from dataclasses import dataclass

from transport.cmaf.boxes import all_inside, each_inside, inside
from transport.cmaf.wire import MOVIE_TICKS_PER_S
from transport.errors import WireError
from transport.media import Codec

_CODECS = {b"avc1": Codec.H264, b"hvc1": Codec.H265, b"mp4a": Codec.AAC, b"Opus": Codec.OPUS}
#: Of an `stsd`, up to its first entry: version, flags and how many there are.
_TABLE_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class DescribedTrack:
    """One track. Width and height are 0 of sound, channels and samples a second of a picture.

    Attributes:
        clock_rate: its times are in ticks of this, 1/s.
    """

    codec: Codec
    clock_rate: int
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0


@dataclass(frozen=True, slots=True)
class Described:
    """What a file says of itself.

    Attributes:
        duration_s: as its header says; 0 where it does not.
        tracks: in the file's order.
    """

    duration_s: float
    tracks: tuple[DescribedTrack, ...]


def describe(data: bytes) -> Described:
    """Read a header.

    Args:
        data: a file's beginning, with all of its `moov`.

    Raises:
        WireError: there is none, or it is not as `mux.header` writes it.
    """
    movie = inside(memoryview(data), b"moov")
    lengths = list(each_inside(inside(movie, b"mvex"), b"mehd"))
    ticks = int.from_bytes(lengths[0][4:12], "big") if lengths and len(lengths[0]) == 12 else 0
    tracks = tuple(_track(body) for body in each_inside(movie, b"trak"))
    if not tracks:
        raise WireError("mp4: no tracks")
    return Described(ticks / MOVIE_TICKS_PER_S, tracks)


def _track(body: memoryview) -> DescribedTrack:
    media = inside(body, b"mdia")
    clock = inside(media, b"mdhd")
    rate = int.from_bytes(clock[12:16], "big")
    if len(clock) < 16 or clock[0] or not rate:
        raise WireError("mp4: a track without a clock")
    table = inside(inside(inside(media, b"minf"), b"stbl"), b"stsd")
    for kind, entry in all_inside(table[_TABLE_HEAD_BYTES:]):
        codec = _CODECS.get(kind)
        if codec is None or len(entry) < 28:
            break
        if codec.is_video:
            return DescribedTrack(codec, rate, width=_u16(entry, 24), height=_u16(entry, 26))
        return DescribedTrack(codec, rate, channels=_u16(entry, 16), sample_rate=_u16(entry, 24))
    raise WireError("mp4: a track of no coding that is written here")


def _u16(data: memoryview, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")
