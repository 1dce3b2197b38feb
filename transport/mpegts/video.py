"""Pictures out of PES packets: usually one access unit each, but not always.

`transport/media/video.py` and `mpeg2.py` make the units fit for every output, `pictures.py` finds where they
begin and end; this file decides when they are shown, and what happens to damaged ones.
"""

from __future__ import annotations

from transport.media import AccessUnit, Codec, Track
from transport.media.programclock import MAX_HELD, TICKS_PER_S
from transport.mpegts.counters import DemuxCounters
from transport.mpegts.pes import MAX_PES_BYTES
from transport.mpegts.pictures import picture_framing

# A frame of 30 per second, while nothing better is known.
_DEFAULT_STEP = 3_000


class VideoTrack:
    """The access units of one video PID.

    Nothing is given out before the first keyframe. After that a unit with missing packets is given out all
    the same, up to the gap and from the next NAL unit after it, and counted. Dropping it would not help:
    whatever refers to it breaks either way, decoders conceal a torn slice better than a missing picture, and
    no receiver could tell that a unit which was never sent is missing. A damaged keyframe is a keyframe as
    long as its parameter sets are known, for the same reason: the next one may be seconds away.

    A PES packet without a timestamp continues the unit before when it does not look like the beginning of
    one. That unit is gone by then, so this track holds every unit back until the next one begins, from the
    first time that happens.
    """

    def __init__(self, track_id: int, codec: Codec, language: str, counters: DemuxCounters) -> None:
        self._framing = picture_framing(track_id, codec, language)
        self._counters = counters
        self._waiting = True
        self._dts: int | None = None
        self._step = 0
        self._units_since_stamp = 0
        self._holding = False
        self._held: tuple[bytes, int, int] | None = None
        self._torn = False
        # Of a PES packet without a picture: parameter sets may come in one of their own.
        self._unused_stamp: tuple[int, int] | None = None

    @property
    def track(self) -> Track:
        """As known so far."""
        return self._framing.track

    @property
    def reason(self) -> str:
        """Why nothing can be carried; video that is mapped is always carried."""
        return ""

    def relabel(self, language: str) -> None:
        """Change the track's language."""
        self._framing.relabel(language)

    def take(
        self, segments: list[bytes], pts: int | None, dts: int | None, now: float, *, broken: bool
    ) -> list[AccessUnit]:
        """Take one PES packet's payload.

        Args:
            segments: its payload; more than one where transport packets are missing between them.
            pts: unwrapped, None when the PES packet has none.
            dts: as pts.
            now: arrival of its last byte.
            broken: its end is missing.
        """
        data = segments[0]
        if len(segments) > 1:
            # What follows a gap is the middle of some NAL unit, up to the next start code.
            tails = [tail[at:] for tail in segments[1:] if (at := tail.find(b"\x00\x00\x01")) >= 0]
            data = b"".join([data, *tails])
        if broken or len(segments) > 1:
            self._counters.damaged_units += 1
        if pts is None or dts is None:
            if not self._framing.begins_unit(data):
                return self._continue(data)
            if self._unused_stamp is not None:
                pts, dts = self._unused_stamp
            elif self._dts is not None:
                pts = dts = self._dts + self._frame_ticks()
            else:
                self._counters.dropped_units += 1
                return []
        else:
            self._measure(dts)
        self._torn = False
        if not self._holding:
            return self._units(data, pts, dts, now)
        units = self.flush(now)
        self._held = (data, pts, dts)
        return units

    def flush(self, now: float) -> list[AccessUnit]:
        """Give out what is held back."""
        if self._held is None:
            return []
        held, self._held = self._held, None
        return self._units(*held, now)

    def interrupt(self) -> None:
        """Packets are missing before the next PES packet, so it may not continue the last unit."""
        self._torn = True

    def _continue(self, data: bytes) -> list[AccessUnit]:
        if not self._holding:
            self._holding = True
            self._counters.early_flush_misses += 1
        elif self._held is not None and not self._torn and len(self._held[0]) + len(data) <= MAX_PES_BYTES:
            self._held = (self._held[0] + data, *self._held[1:])
        else:
            self._counters.dropped_units += 1
        return []

    def _units(self, data: bytes, pts: int, dts: int, now: float) -> list[AccessUnit]:
        units = []
        for part in self._framing.split(data):
            if self._dts is not None and 0 < self._dts - dts <= MAX_HELD:
                # The pts stays: it is the order of the pictures on the screen.
                self._counters.clamped_timestamps += 1
                dts = self._dts
            unit = self._framing.unit(part, pts, dts, now)
            if unit is None:
                self._unused_stamp = (pts, dts)
                continue
            self._unused_stamp = None
            self._dts = dts
            self._units_since_stamp += 1
            if unit.keyframe or not self._waiting:
                self._waiting = False
                units.append(unit)
            else:
                self._counters.dropped_units += 1
            dts += self._frame_ticks()
            pts = dts if self._framing.tells_order else pts + self._frame_ticks()
        return units

    def _measure(self, dts: int) -> None:
        """Learn how long a frame lasts, for units that have no timestamp of their own."""
        if self._dts is not None and self._units_since_stamp:
            step = (dts - self._dts) if self._units_since_stamp == 1 else 0
            if 0 < step <= TICKS_PER_S:
                self._step = step
        self._units_since_stamp = 0

    def _frame_ticks(self) -> int:
        rate = self._framing.frame_rate
        if 1.0 <= rate <= 300.0:
            return round(TICKS_PER_S / rate)
        return self._step or _DEFAULT_STEP
