"""Writes the header and the fragments of one programme with a picture, a sound, or both.

header([video, audio])                     once, and again when either is coded otherwise
fragment(1, [Run(0, samples), Run(1, …)])  any number, each decodable after the header and those before it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transport.cmaf import wire
from transport.cmaf.wire import box, u32
from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.configuration import length_prefixed

#: What can be carried. Of Opus one or two channels.
CARRIED = frozenset({Codec.H264, Codec.H265, Codec.AAC, Codec.OPUS})

_BRANDS = b"cmfc" + u32(0) + b"iso6cmfcmp41"


@dataclass(frozen=True, slots=True)
class Sample:
    """One access unit and how long it lasts, in ticks of its track's clock; 0 or more."""

    unit: AccessUnit
    duration: int


@dataclass(frozen=True, slots=True)
class Run:
    """Samples of one track that follow each other.

    Attributes:
        track: its place in what `header` was given.
        samples: one or more, in the order of decoding.
        zero: what of the track's clock is time 0 here, in its ticks; no sample is before it.
        repeats_sets: whether keyframes have their parameter sets before them too, and not the header alone.
    """

    track: int
    samples: Sequence[Sample]
    zero: int = 0
    repeats_sets: bool = False


def header(tracks: Sequence[Track], *, has_length: bool = False) -> bytes:
    """What a decoder needs first: `ftyp` and `moov` (CMAF header, ISO/IEC 23000-19 section 7.3.1).

    Args:
        tracks: one or more, in `CARRIED` codings, their parameter sets known.
        has_length: whether it has a place for how long everything is, which is `length` at `length_offset`.

    Raises:
        WireError: parameter sets are missing or malformed, or a coding cannot be carried.
    """
    for track in tracks:
        if track.codec not in CARRIED:
            raise WireError(f"cmaf: {track.codec.label} is not carried")
    numbered = list(enumerate(tracks, 1))
    movie = box(
        b"moov",
        wire.movie_header(len(tracks) + 1),
        *(wire.track(number, track) for number, track in numbered),
        box(
            b"mvex",
            wire.movie_length(0) if has_length else b"",
            *(wire.defaults(number) for number, _ in numbered),
        ),
    )
    return box(b"ftyp", _BRANDS) + movie


def length_offset(header: bytes) -> int:
    """Where in a header that has such a place `length` belongs."""
    # Behind it come only `trex` boxes, of numbers.
    return header.rindex(b"mehd") + 8


def length(duration_s: float) -> bytes:
    """How long everything is that a header and its fragments make, as it stands in the header."""
    return wire.movie_ticks(duration_s)


def fragment(number: int, runs: Sequence[Run]) -> bytes:
    """`moof` and `mdat` (ISO/IEC 14496-12 section 8.8).

    Args:
        number: of the fragment, from 1 on and rising.
        runs: at most one for each track; those without samples are left out.
    """
    runs = [run for run in runs if run.samples]
    payloads = [[_payload(sample.unit, run.repeats_sets) for sample in run.samples] for run in runs]
    sizes = [sum(map(len, payload)) for payload in payloads]
    # Where data begin is counted from the fragment's first byte; its length does not depend on the number.
    size = len(_moof(number, runs, payloads, [0] * len(runs)))
    starts = [size + 8 + sum(sizes[:at]) for at in range(len(runs))]
    moof = _moof(number, runs, payloads, starts)
    return b"".join((moof, u32(8 + sum(sizes)), b"mdat", *(each for payload in payloads for each in payload)))


def _payload(unit: AccessUnit, repeats_sets: bool) -> bytes:
    if not unit.track.is_video:
        return unit.data
    sets = unit.track.parameter_sets if repeats_sets and unit.keyframe else ()
    return b"".join((*(u32(len(nal)) + nal for nal in sets), length_prefixed(unit.data, unit.track.codec)))


def _moof(
    number: int, runs: Sequence[Run], payloads: Sequence[Sequence[bytes]], starts: Sequence[int]
) -> bytes:
    fragments = [
        _traf(run, payload, start) for run, payload, start in zip(runs, payloads, starts, strict=True)
    ]
    return wire.movie_fragment(number, fragments)


def _traf(run: Run, payload: Sequence[bytes], start: int) -> bytes:
    rows = [
        wire.sample_row(
            sample.duration,
            len(data),
            sample.unit.pts - sample.unit.dts,
            begins=sample.unit.keyframe,
        )
        for sample, data in zip(run.samples, payload, strict=True)
    ]
    return wire.track_fragment(
        run.track + 1, max(0, run.samples[0].unit.dts - run.zero), b"".join(rows), start
    )
