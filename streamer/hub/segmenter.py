"""Cuts a stream's units into segments and parts.

A segment begins with a keyframe, the first one after `segment_s`; a part ends before it would be longer than
`part_s`. The picture sets the pace, sound goes along as it comes; where there is no picture the sound does.

What a header describes must not change within a segment. So a picture that is coded otherwise begins one,
with another header, and a sound that is waits for that. Sound that stays away is taken out of the header with
the next segment: players wait for what a header promises.

Segments that are files by themselves begin at time 0 and with a header that has a place for their length.
They may be long, so that another sound is not kept waiting: it begins one at the next keyframe.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Protocol

from transport.cmaf import Run, Sample, fragment, header
from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.aac import FRAME_SAMPLES, parse_config

#: Encoders are not as regular as all that.
_TOLERANCE_S = 0.1
#: A segment without another keyframe ends all the same: it is held in memory.
_LONGEST_S = 30.0
#: The first header waits so long for the sound that is to come, and later ones go without it after so long.
_SOUND_PATIENCE_S = 2.0
#: Units that wait for the first header.
_MAX_HELD = 4096


@dataclass(frozen=True, slots=True)
class Part:
    """A fragment that can be had before its segment is complete.

    Attributes:
        data: `moof` and `mdat`.
        duration_s: of its picture, or of its sound where there is no picture.
        independent: it begins with a keyframe.
    """

    data: bytes = field(repr=False)
    duration_s: float
    independent: bool


class Segments(Protocol):
    """Where segments go, one after the other."""

    def add_header(self, data: bytes) -> int:
        """Keep what a decoder needs first; the number that it is known by."""
        ...

    def begin(self, header: int, begins_at: float, *, breaks: bool) -> None:
        """What was begun is complete, and another segment begins.

        Args:
            header: number of the one that it needs.
            begins_at: of its first picture, seconds since 1970.
            breaks: it does not continue the one before.
        """
        ...

    def add(self, part: Part) -> None:
        """One more part of what was begun."""
        ...


class Segmenter:
    """Makes segments. One thread.

    Args:
        segments: where they go.
        part_s: parts are at most so long, where pictures come that often.
        segment_s: segments are about so long, where keyframes come that often.
        epoch_s: seconds since 1970 at pts 0.
        as_files: whether each segment is a file by itself.

    Attributes:
        header_tracks: what the header in force describes, empty before the first.
        refusal: why nothing can be made of what comes, in words; "" while something can.
        left_out: why the sound is not among it, in words; "" where nothing hinders it.
    """

    def __init__(
        self, segments: Segments, *, part_s: float, segment_s: float, epoch_s: float, as_files: bool = False
    ) -> None:
        self._segments = segments
        self._as_files = as_files
        self._part_s = part_s
        self._segment_s = segment_s
        self._epoch_s = epoch_s
        self.header_tracks: tuple[Track, ...] = ()
        self.refusal = ""
        self.left_out = ""
        self._header = 0
        self._is_another_header = False
        self._has_begun = False
        self._held: list[AccessUnit] = []
        self._held_since: float | None = None
        self._waits = True  # for a keyframe, and then a header
        self._breaks = False
        self._pending: AccessUnit | None = None  # the last picture: how long it lasts is not known yet
        self._lasted = 0  # the picture before that, in ticks
        self._pictures: list[Sample] = []
        self._sounds: list[AccessUnit] = []
        self._sound: Track | None = None
        self._sound_at = 0.0
        self._indescribable: Track | None = None
        self._zero_s: float | None = None  # of the file's times; None until they are known
        self._part_at = 0.0
        self._segment_at = 0.0
        self._fragments = 0

    def expect(self, *, picture: bool, sound: bool) -> None:
        """Say what the stream has, before the first unit and whenever that changes."""
        if not picture:
            self._pending = None
        self._has_picture = picture
        self._has_sound = sound

    def break_off(self) -> None:
        """What comes does not continue what came: another publisher, or one that was away."""
        if self._as_files and self._held and self._held_since is not None:
            self._release(self._held_since)  # the sound that it waited for comes no more
        if self._as_files and self._pending is not None:
            # Nothing tells how long it was to be shown; nobody minds longer parts of a file.
            self._pictures.append(Sample(self._pending, self._lasted))
        self._finish_part()
        self._breaks = True
        self._waits = True
        self._held.clear()
        self._held_since = None
        self._pending = None
        self._sound = None
        self._sounds.clear()

    def write(self, unit: AccessUnit, now: float) -> None:
        """Take one unit.

        Args:
            unit: in a coding that CMAF carries.
            now: seconds.
        """
        if not unit.track.is_video:
            self._sound, self._sound_at = unit.track, now
        if not self._waits:
            self._sort(unit, now)
            return
        if self._held_since is None:
            if not unit.keyframe or (self._has_picture and not unit.track.is_video):
                return
            self._held_since = now
        self._held.append(unit)
        is_heard = self._sound is not None or not self._has_sound
        if is_heard or now - self._held_since > _SOUND_PATIENCE_S or len(self._held) > _MAX_HELD:
            self._release(now)

    def _release(self, now: float) -> None:
        """Let go of what waited for the first header."""
        held, self._held, self._held_since, self._waits = self._held, [], None, False
        for each in held:
            self._sort(each, now)

    def _sort(self, unit: AccessUnit, now: float) -> None:
        if unit.track.is_video:
            self._take_picture(unit, now)
        elif self._has_picture:
            if self.header_tracks and _is_like(unit.track, self.header_tracks[-1]):
                self._sounds.append(unit)
        else:
            self._take_sound(unit, now)

    def _take_picture(self, unit: AccessUnit, now: float) -> None:
        pending, self._pending = self._pending, unit
        frame_s = 0.0
        if pending is not None:
            sample = Sample(pending, max(0, unit.dts - pending.dts))
            self._lasted = sample.duration
            frame_s = sample.duration / unit.track.clock_rate
            self._pictures.append(sample)
        if self._is_to_cut(unit, now):
            self._begin(unit, (unit.track, *self._living_sound(now)))
        elif self._pictures and unit.dts_s - self._part_at + frame_s > self._part_s + 1e-6:
            self._finish_part()
            self._part_at = unit.dts_s

    def _take_sound(self, unit: AccessUnit, now: float) -> None:
        is_other = not self.header_tracks or not _is_like(unit.track, self.header_tracks[0])
        if is_other or self._breaks or unit.dts_s - self._segment_at >= self._segment_s - 1e-6:
            self._begin(unit, (unit.track,))
        elif self._sounds and unit.dts_s - self._part_at + _frame_s(unit.track) > self._part_s + 1e-6:
            self._finish_part()
            self._part_at = unit.dts_s
        self._sounds.append(unit)

    def _is_to_cut(self, unit: AccessUnit, now: float) -> bool:
        length_s = unit.dts_s - self._segment_at
        if not unit.keyframe:
            return length_s > _LONGEST_S and not (self._breaks or self._as_files)
        is_other = not self.header_tracks or not _is_like(unit.track, self.header_tracks[0])
        is_other |= self._as_files and self._is_other_sound(now)
        return self._breaks or is_other or length_s >= self._segment_s - _TOLERANCE_S

    def _is_other_sound(self, now: float) -> bool:
        """Whether sound comes that the header does not promise, and could."""
        promised = self.header_tracks[1:] + (
            (self._indescribable,) if self._indescribable is not None else ()
        )
        return any(not any(_is_like(sound, track) for track in promised) for sound in self._living_sound(now))

    def _living_sound(self, now: float) -> tuple[Track, ...]:
        if self._sound is None or now - self._sound_at > _SOUND_PATIENCE_S:
            return ()
        return (self._sound,)

    def _begin(self, unit: AccessUnit, tracks: tuple[Track, ...]) -> None:
        """Another segment, with this unit first."""
        self._finish_part()
        known = self.header_tracks
        is_other = len(known) != len(tracks) or not all(map(_is_like, tracks, known))
        if is_other and not self._describe(tracks):
            return
        begins_at = self._epoch_s + unit.pts_s
        self._segments.begin(self._header, begins_at, breaks=self._breaks or (is_other and bool(known)))
        self._has_begun, self._breaks = True, False
        self._zero_s = None if self._as_files else 0.0
        self._part_at = self._segment_at = unit.dts_s

    def _describe(self, tracks: tuple[Track, ...]) -> bool:
        try:
            made = header(tracks, has_length=self._as_files)
        except WireError as error:
            if len(tracks) > 1:  # the picture without its sound
                self._indescribable, self.left_out = tracks[1], str(error)
                return self._describe(tracks[:1])
            self.refusal = str(error)
            self.break_off()
            return False
        self._header = self._segments.add_header(made)
        self._is_another_header = bool(self.header_tracks) and not self._as_files
        self.header_tracks, self.refusal = tracks, ""
        if len(tracks) > 1:
            self._indescribable, self.left_out = None, ""
        return True

    def _finish_part(self) -> None:
        pictures, self._pictures = self._pictures, []
        sounds, self._sounds = self._sounds, []
        if not self._has_begun or not (pictures or sounds):
            return
        self._fragments += 1
        if pictures:
            rate = pictures[0].unit.track.clock_rate
            duration_s = sum(sample.duration for sample in pictures) / rate
            independent = pictures[0].unit.keyframe
        elif self.header_tracks[0].is_video:
            self._sounds = sounds  # they go with the next picture
            return
        else:
            duration_s, independent = sum(_frame_s(unit.track) for unit in sounds), True
        if self._zero_s is None:
            self._zero_s = min(
                units[0].dts_s for units in ([each.unit for each in pictures], sounds) if units
            )
        runs = [self._run(0, pictures), self._run(len(self.header_tracks) - 1, _lasting(sounds))]
        self._segments.add(Part(fragment(self._fragments, runs), duration_s, independent))

    def _run(self, track: int, samples: list[Sample]) -> Run:
        zero = round((self._zero_s or 0.0) * self.header_tracks[track].clock_rate)
        # libav (mpv, ffmpeg) and VLC keep to the first header of a playlist that they are given.
        return Run(track, samples, zero, repeats_sets=self._is_another_header)


def _is_like(one: Track, other: Track) -> bool:
    """Whether the same header describes both."""
    return (
        one.codec is other.codec
        and one.parameter_sets == other.parameter_sets
        and one.clock_rate == other.clock_rate
        and one.channels == other.channels
        and one.sample_rate == other.sample_rate
    )


def _frame_s(track: Track) -> float:
    """How long one unit of sound lasts, where nothing else says it."""
    if track.codec is Codec.AAC and track.parameter_sets:
        config = parse_config(track.parameter_sets[0])
        return config.samples / config.sample_rate
    return FRAME_SAMPLES / (track.sample_rate or 48_000)


def _lasting(sounds: list[AccessUnit]) -> list[Sample]:
    """Each until the next, the last as long as its samples."""
    samples = [Sample(unit, max(0, later.dts - unit.dts)) for unit, later in itertools.pairwise(sounds)]
    samples += [Sample(unit, round(_frame_s(unit.track) * unit.track.clock_rate)) for unit in sounds[-1:]]
    return samples
