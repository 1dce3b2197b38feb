"""One picture and one sound without a gap, of what comes and what does not. No I/O.

Each of the two is a lane. Units pass as they are. A lane that has had nothing for a while is filled, with a
still picture or with silence, on the same clock; a picture comes back at a keyframe, and time goes on. Slides
may come seconds apart: they are missed only when they stay away for longer than they use to.

A connection begins with the pictures since the last keyframe, which may be long ago. Sent as they are, they
would put the output's clock ahead of the broadcast's by as much, and show once more what was shown; with each
connection that is made anew. So they are shown in little time, up to what the stream has now.
"""

from __future__ import annotations

import dataclasses
from collections import deque

from transport.media import AccessUnit
from transport.media.silence import Silence
from transport.media.still import Still

#: Nothing for so long, and a lane is filled. Longer than what a network or an encoder hiccups.
PATIENCE_S = 1.0
# What is filled in at once after a stall; more would be a burst that a receiver takes for a fault.
_LONGEST_FILL_S = 2.0
# Encoders send sound up to seconds after its picture, and so behind silence that was filled in beside that.
_LONGEST_LAG_S = 5.0
# Pictures are missed after so many times the distance of the last few; after one alone, of the patience.
_MISSED_AFTER = 3
_REMEMBERED = 8
# What is further apart is no rate.
_LONGEST_DISTANCE_S = 10.0
# Pictures from before the connection that go back further than this are shown so many times faster.
_LONGEST_BACKLOG_S = 1.0
_BACKLOG_SPEED = 16


class Programme:
    """What one connection is given. A new connection begins a new one.

    Args:
        now: a steady clock, seconds.
        has_picture: whether a picture is expected; sound waits for it.
        has_sound: whether sound is expected; where none is, silence does not wait for it.
        wants_sound: whether silence is filled in where there is no sound.
        patience_s: how long a lane may have nothing, unless its pictures are as far apart.

    Attributes:
        still: fills in for the picture; None while there is none.
        silence: fills in for the sound.
        left_out: units that did not fit: before the first keyframe, or out of time.
    """

    def __init__(
        self,
        now: float,
        *,
        has_picture: bool,
        has_sound: bool,
        wants_sound: bool,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.still: Still | None = None
        self.silence = Silence()
        self.left_out = 0
        self._picture = _Lane(now) if has_picture else None
        self._sound = _Lane(now)
        self._wants_sound = wants_sound
        self._patience_s = patience_s
        self._has_sound = has_sound
        self._needs_keyframe = True
        self._filled = 0
        # What is added to the units' seconds; filling may have run ahead of a publisher that comes back.
        self._shift_s = 0.0
        self._backlog: _Backlog | None = None
        self._is_anchored = False
        self._clock: tuple[float, float] | None = None

    @property
    def is_filling(self) -> bool:
        """Whether the still picture is shown instead of the stream's."""
        return self._filled > 0

    @property
    def interval_s(self) -> float:
        """How often `fill` should be called."""
        return self.still.interval_s if self.is_filling and self.still is not None else self._patience_s / 4

    def expect(self, *, picture: bool, sound: bool, now: float) -> None:
        """Say what the stream has now."""
        if picture and self._picture is None:
            self._picture = _Lane(now)
            self._needs_keyframe = True
        self._has_sound = sound

    def write(self, unit: AccessUnit, now: float) -> list[AccessUnit]:
        """Take one unit of the stream, on its clock; return what is to be sent."""
        if unit.track.is_video:
            return self._write_picture(unit, now)
        self._has_sound = True
        if self._picture is not None and self._picture.last_s is None:
            self.left_out += 1
            return []
        if self._backlog is not None and unit.dts_s < self._backlog.until_s:
            self.left_out += 1
            return []
        placed = self._place(unit, now)
        last_s = self._sound.last_s
        if last_s is not None and placed.dts_s <= last_s:
            self.left_out += 1
            if last_s - placed.dts_s <= _LONGEST_LAG_S:
                self._sound.fed_at = now  # it follows the silence as soon as that grows no more
            return []
        self._pass(self._sound, placed, now)
        return [placed]

    def fill(self, now: float) -> list[AccessUnit]:
        """Fill in what is missing until now; call every `interval_s`."""
        made: list[AccessUnit] = []
        lane = self._picture
        if lane is not None and self.still is not None and self._starves(lane, now):
            made += self._fill_picture(lane, self.still, now)
        if lane is None or lane.last_s is not None:
            silent = not self._has_sound or self._starves(self._sound, now)
            if self._wants_sound and silent and self._clock is not None:
                made += self._fill_sound(self._time(now), now)
        return sorted(made, key=lambda unit: unit.dts_s) if len(made) > 1 else made

    def _write_picture(self, unit: AccessUnit, now: float) -> list[AccessUnit]:
        lane = self._picture
        if lane is None:
            self._picture = lane = _Lane(now)
        lane.observe(unit.dts_s)
        if self._needs_keyframe:
            if not unit.keyframe:
                self.left_out += 1
                return []
            self._come_back(lane, unit, now)
        if lane.last_s is None and now - unit.received_at > _LONGEST_BACKLOG_S:
            self._backlog = _Backlog(unit.dts_s, now - unit.received_at)
        placed = self._place(unit, now)
        if lane.last_s is not None and placed.dts_s <= lane.last_s:
            dts = round(lane.last_s * placed.track.clock_rate) + 1
            placed = dataclasses.replace(placed, dts=dts, pts=max(placed.pts, dts))
        self._pass(lane, placed, now)
        self._clock = (placed.dts_s, now)
        out = [placed]
        if self._wants_sound and not self._has_sound:
            out += self._fill_sound(placed.dts_s, now)
        return out

    def _come_back(self, lane: _Lane, unit: AccessUnit, now: float) -> None:
        self._needs_keyframe = False
        if not self._filled:
            return
        self._filled = 0
        assert lane.last_s is not None
        # In the time that has really passed, and after the last still picture.
        earliest = max(self._time(now), lane.last_s + 0.001)
        if not self._is_anchored or unit.dts_s + self._shift_s < earliest:
            self._shift_s = earliest - unit.dts_s
            self._is_anchored = True

    def _place(self, unit: AccessUnit, now: float) -> AccessUnit:
        if self._backlog is not None and unit.dts_s < self._backlog.until_s:
            unit = self._backlog.place(unit)
        if not self._is_anchored:
            self._is_anchored = True
            self._shift_s = self._time(now) - unit.dts_s if self._clock is not None else 0.0
        if self._shift_s == 0.0:
            return unit
        ticks = round(self._shift_s * unit.track.clock_rate)
        return dataclasses.replace(unit, pts=unit.pts + ticks, dts=unit.dts + ticks)

    def _pass(self, lane: _Lane, unit: AccessUnit, now: float) -> None:
        lane.last_s = unit.dts_s
        lane.fed_at = now
        if self._clock is None:
            self._clock = (unit.dts_s, now)

    def _fill_picture(self, lane: _Lane, still: Still, now: float) -> list[AccessUnit]:
        if self._clock is None:
            self._clock = (0.0, now)
        until = self._time(now)
        at = lane.last_s + still.interval_s if lane.last_s is not None else until
        if not self._filled or until - at > _LONGEST_FILL_S:
            at = max(at, until)
        made = []
        while at <= until:
            made.append(still.unit(self._filled, at, now))
            self._filled += 1
            lane.last_s = at
            at += still.interval_s
        if made:
            self._needs_keyframe = True
            if self._filled == len(made):
                lane.interrupt()
        return made

    def _fill_sound(self, until: float, now: float) -> list[AccessUnit]:
        silence, lane = self.silence, self._sound
        at = lane.last_s + silence.frame_s if lane.last_s is not None else until
        at = max(at, until - _LONGEST_FILL_S)
        made = []
        while at <= until:
            made.append(silence.unit(at, now))
            lane.last_s = at
            at += silence.frame_s
        return made

    def _starves(self, lane: _Lane, now: float) -> bool:
        if lane is self._picture and self._filled:
            return True
        return now - lane.fed_at >= lane.patience(self._patience_s)

    def _time(self, now: float) -> float:
        """The output's time now, as the last unit of the picture has it."""
        assert self._clock is not None
        at_s, since = self._clock
        return at_s + now - since


class _Backlog:
    """Pictures from before the connection, in less time than they took.

    Args:
        from_s: when the first of them is decoded.
        age_s: how long ago it came.

    Attributes:
        until_s: from here on times are the stream's own.
    """

    def __init__(self, from_s: float, age_s: float) -> None:
        self.until_s = from_s + age_s

    def place(self, unit: AccessUnit) -> AccessUnit:
        """One of them; neither their order nor that of showing them changes."""
        rate = unit.track.clock_rate
        return dataclasses.replace(
            unit, pts=round(self._at(unit.pts_s) * rate), dts=round(self._at(unit.dts_s) * rate)
        )

    def _at(self, at_s: float) -> float:
        return max(at_s, self.until_s - (self.until_s - at_s) / _BACKLOG_SPEED)


class _Lane:
    """What was sent last, and how far apart the source's units are, where that is observed.

    Attributes:
        last_s: when, on the output's clock; None for nothing.
        fed_at: when something came.
    """

    def __init__(self, now: float) -> None:
        self.last_s: float | None = None
        self.fed_at = now
        self._came_s: float | None = None
        self._distances: deque[float] = deque(maxlen=_REMEMBERED)

    def observe(self, at_s: float) -> None:
        """A unit came, on the source's clock."""
        if self._came_s is not None and 0 < at_s - self._came_s <= _LONGEST_DISTANCE_S:
            self._distances.append(at_s - self._came_s)
        self._came_s = at_s

    def interrupt(self) -> None:
        """How long nothing came now says nothing about how far apart units are."""
        self._came_s = None

    def patience(self, least_s: float) -> float:
        """How long nothing may come."""
        if self._distances:
            return max(least_s, _MISSED_AFTER * max(self._distances))
        return least_s if self._came_s is None else _MISSED_AFTER * least_s
