"""Cuts a part out of a file that `mux` wrote; nothing is coded anew.

A part begins with a keyframe, the last one that is shown at its beginning or before, and with the sound from
there on. It ends with the last picture that is decoded before its end; of B-frames one or two may be shown
after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from transport.cmaf import wire
from transport.cmaf.boxes import HEAD_BYTES, each_inside
from transport.cmaf.describe import DescribedTrack, describe
from transport.cmaf.mux import length, length_offset
from transport.errors import WireError

#: More than any `moov` or `moof` that is written here.
_MAX_HEAD_BYTES = 16 * 1024 * 1024
#: Ticks of two tracks are rounded to different sides.
_ROUNDING_S = 0.001


class Source(Protocol):
    """A file that is read."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, at: int, count: int) -> bytes:
        """Some of it: not more than `count`, and at least one byte before the end."""
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """Bytes of the source, from `start` up to `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of a file, a file itself.

    Attributes:
        pieces: what it consists of, one after the other.
        size: bytes.
        begins_s: when its first picture, or sound, is shown in the source.
        duration_s: how long it is.
    """

    pieces: tuple[bytes | Copied, ...]
    size: int
    begins_s: float
    duration_s: float


def cut(source: Source, begin_s: float, end_s: float) -> Cut:
    """Find what makes a part. Reads the heads of all fragments up to its end, and not what is in them.

    Args:
        source: what is not there whole yet is left out.
        begin_s: 0 or more.
        end_s: more than that; infinite for all that is there.

    Raises:
        WireError: it was not written by `mux`, or has nothing of that time.
        OSError: it cannot be read.
    """
    head = _head(source)
    fragments = _fragments(source, len(head), describe(head).tracks)
    chosen, start_s, begins_s = _choose(fragments, begin_s, end_s)
    last_s = max((part.end_s for fragment in chosen for part in fragment), default=0.0)
    if last_s <= begin_s:
        raise WireError(f"mp4: nothing is there at {begin_s:g} s; what was found ends at {last_s:g} s")
    duration_s = last_s - start_s
    if b"mehd" in head:
        at = length_offset(head)
        head = head[:at] + length(duration_s) + head[at + len(length(0.0)) :]
    pieces: list[bytes | Copied] = [head]
    for number, fragment in enumerate(chosen, 1):
        pieces += _pieces(number, fragment, start_s)
    return Cut(tuple(pieces), sum(map(len, pieces)), begins_s, duration_s)


@dataclass(frozen=True, slots=True)
class _Sample:
    time: int  # of decoding, in ticks of its track
    duration: int
    size: int  # bytes
    begins: bool
    shown_after: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What one fragment has of one track, one sample or more.

    Attributes:
        number: of the track, from 1 on.
        time: of decoding the first sample, in ticks of the track.
        rows: as in `trun`.
        at: where the data of the first are in the source.
    """

    number: int
    track: DescribedTrack
    time: int
    rows: bytes
    at: int

    def samples(self) -> Iterator[_Sample]:
        time = self.time
        for duration, size, flags, shown_after in wire.SAMPLE_ROW.iter_unpack(self.rows):
            yield _Sample(time, duration, size, wire.begins(flags), shown_after)
            time += duration

    def seconds(self, ticks: int) -> float:
        return ticks / self.track.clock_rate

    @property
    def end_s(self) -> float:
        return self.seconds(self.time + sum(sample.duration for sample in self.samples()))

    @property
    def size(self) -> int:
        return sum(sample.size for sample in self.samples())

    def between(self, start_s: float, end_s: float) -> _Part | None:
        """Only what is decoded in a time; None for nothing."""
        times = [self.seconds(sample.time) for sample in self.samples()]
        first = bisect_left(times, start_s - _ROUNDING_S)
        last = bisect_left(times, end_s)
        if first >= last:
            return None
        before = list(self.samples())[:first]
        bytes_each = wire.SAMPLE_ROW.size
        return _Part(
            self.number,
            self.track,
            self.time + sum(sample.duration for sample in before),
            self.rows[first * bytes_each : last * bytes_each],
            self.at + sum(sample.size for sample in before),
        )


def _choose(
    fragments: Iterable[Sequence[_Part]], begin_s: float, end_s: float
) -> tuple[list[list[_Part]], float, float]:
    """What is of a time, and when its first picture, or sound, is decoded and shown."""
    chosen: list[Sequence[_Part]] = []
    start_s = begins_s = -1.0
    for fragment in fragments:
        if min(part.seconds(part.time) for part in fragment) >= end_s:
            break
        chosen.append(fragment)
        for decoded_s, shown_s in _places_to_begin(fragment):
            if start_s < 0 or shown_s <= begin_s + _ROUNDING_S:
                start_s, begins_s = decoded_s, shown_s
                # Sound of that moment may be at the end of the one before.
                del chosen[:-2]
    if start_s < 0 or start_s >= end_s:
        return [], 0.0, 0.0
    cut_off = [[part.between(start_s, end_s) for part in fragment] for fragment in chosen]
    kept = [[part for part in fragment if part is not None] for fragment in cut_off]
    return [fragment for fragment in kept if fragment], start_s, begins_s


def _places_to_begin(fragment: Sequence[_Part]) -> Iterator[tuple[float, float]]:
    """When each is decoded and shown: keyframes, or all sounds where there is no picture."""
    pictures = [part for part in fragment if part.track.codec.is_video]
    for part in pictures or fragment:
        for sample in part.samples():
            if sample.begins:
                yield part.seconds(sample.time), part.seconds(sample.time + sample.shown_after)


def _pieces(number: int, fragment: Sequence[_Part], start_s: float) -> Iterator[bytes | Copied]:
    """One fragment anew, its times counted from `start_s`."""
    starts = list(accumulate((part.size for part in fragment), initial=0))

    def moof(data_at: int) -> bytes:
        tracks = []
        for part, start in zip(fragment, starts, strict=False):
            time = max(0, part.time - round(start_s * part.track.clock_rate))
            tracks.append(wire.track_fragment(part.number, time, part.rows, data_at + start))
        return wire.movie_fragment(number, tracks)

    head = moof(len(moof(0)) + HEAD_BYTES)
    yield head + wire.u32(HEAD_BYTES + starts[-1]) + b"mdat"
    for part in fragment:
        yield Copied(part.at, part.at + part.size)


def _head(source: Source) -> bytes:
    """All up to the end of `moov`."""
    at = 0
    while True:
        kind, size = _box(source, at)
        if kind == b"moof":
            raise WireError("mp4: no moov before the first fragment")
        at += size
        if kind == b"moov":
            return _read(source, 0, at)


def _fragments(source: Source, at: int, tracks: Sequence[DescribedTrack]) -> Iterator[list[_Part]]:
    """Those that are there whole and are not empty."""
    while at + HEAD_BYTES <= source.size:
        kind, size = _box(source, at)
        if kind != b"moof":
            raise WireError(f"mp4: {kind!r} where a fragment should begin")
        if at + size + HEAD_BYTES > source.size:
            return
        parts = _parse(memoryview(_read(source, at, size))[HEAD_BYTES:], at, tracks)
        kind, data_size = _box(source, at + size)
        end = at + size + data_size
        if end > source.size:
            return
        if kind != b"mdat" or any(not at < part.at <= part.at + part.size <= end for part in parts):
            raise WireError("mp4: a fragment whose samples are not behind it")
        at = end
        if parts:
            yield parts


def _parse(moof: memoryview, at: int, tracks: Sequence[DescribedTrack]) -> list[_Part]:
    parts = []
    for traf in each_inside(moof, b"traf"):
        number, time, rows, start = wire.read_track_fragment(traf)
        if not 0 < number <= len(tracks):
            raise WireError(f"mp4: a fragment of track {number}, and there are {len(tracks)}")
        if rows:
            parts.append(_Part(number, tracks[number - 1], time, rows, at + start))
    return parts


def _box(source: Source, at: int) -> tuple[bytes, int]:
    """Kind and size, its head included."""
    head = _read(source, at, HEAD_BYTES)
    size = int.from_bytes(head[:4], "big")
    if size < HEAD_BYTES:
        raise WireError(f"mp4: a box of {size} bytes")
    return head[4:], size


def _read(source: Source, at: int, count: int) -> bytes:
    if count > _MAX_HEAD_BYTES or at + count > source.size:
        raise WireError("mp4: it ends too early, or is none that is written here")
    pieces = []
    while count:
        piece = source.read(at, count)
        if not piece:
            raise WireError("mp4: it became shorter")
        pieces.append(piece)
        at, count = at + len(piece), count - len(piece)
    return b"".join(pieces)
