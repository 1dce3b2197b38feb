"""One time axis for the tracks of a sender, whose RTP clocks start anywhere and know nothing of each other.

Where a track begins on the axis follows from when it arrives. Once sender reports have said which RTP
timestamps belong to one moment (RFC 3550 6.4.1), the track that stands too early moves on. None moves back.
"""

from __future__ import annotations

#: What is further off than this moves at once, by less little by little; nobody sees or hears so much.
_SMALL_S = 0.010
_FOLLOW = 1 / 8
#: Reports that are further apart from arrival are not of one clock.
_MAX_MOVE_S = 5.0
#: A timestamp that falls by so much, or runs so far ahead of the time that passed, is another clock's.
_MAX_BACK_S = 1.0
_MAX_AHEAD_S = 10.0
# After such a jump, or with another source, a track goes on at least so much later.
_STEP_S = 1 / 30
_HALF = 1 << 31


class TimeAxis:
    """The axis; its second 0 is where the first track begins."""

    def __init__(self) -> None:
        self._clocks: list[TrackClock] = []
        self._first_ntp: int | None = None

    def clock(self, clock_rate: int) -> TrackClock:
        """A clock for one more track."""
        clock = TrackClock(self, clock_rate)
        self._clocks.append(clock)
        return clock

    def position_s(self, now: float) -> float:
        """Where on the axis belongs what arrives now: behind what arrived last, by the time since."""
        placed = [clock for clock in self._clocks if clock.is_placed]
        if not placed:
            return 0.0
        latest = max(placed, key=lambda clock: clock.newest_at)
        return latest.newest_s + now - latest.newest_at

    def sender_s(self, ntp: int) -> float:
        """A sender's NTP time in seconds since the first that was heard of, exact to the microsecond."""
        if self._first_ntp is None:
            self._first_ntp = ntp
        return (ntp - self._first_ntp) / (1 << 32)

    def renew(self) -> None:
        """A clock began anew: what the others reported counts again."""
        for clock in self._clocks:
            clock.is_fresh = clock.origin_s is not None

    def align(self) -> None:
        """Move what stands too early, once every track with reports has a new one.

        A sender whose NTP time is set moves all its reports alike, though not in one moment.
        """
        clocks = [clock for clock in self._clocks if clock.origin_s is not None]
        if len(clocks) < 2 or not all(clock.is_fresh for clock in clocks):
            return
        leads = [clock.lead_s for clock in clocks]
        furthest = max(leads)
        for clock, lead in zip(clocks, leads, strict=True):
            clock.is_fresh = False
            behind = furthest - lead
            if behind <= _MAX_MOVE_S:
                clock.move(behind if behind > _SMALL_S else behind * _FOLLOW)


class TrackClock:
    """Unwraps one track's RTP timestamps and puts them on the axis.

    Attributes:
        newest_at: arrival of the newest timestamp, seconds.
        origin_s: the sender's time when this clock's ticks were 0, None until it reported.
        is_fresh: reported since the tracks were last aligned.
        is_placed: it has begun.
    """

    def __init__(self, axis: TimeAxis, clock_rate: int) -> None:
        self.newest_at = 0.0
        self.origin_s: float | None = None
        self.is_fresh = False
        self.is_placed = False
        self._axis = axis
        self._rate = clock_rate
        self._ticks = 0
        self._offset = 0

    @property
    def newest_s(self) -> float:
        """The newest timestamp on the axis."""
        return (self._ticks + self._offset) / self._rate

    @property
    def lead_s(self) -> float:
        """By how much the axis is ahead of the sender's time on this track; only after a report."""
        assert self.origin_s is not None
        return self._offset / self._rate - self.origin_s

    def begin(self, timestamp: int, now: float) -> None:
        """Start with another RTP clock, at what arrives now."""
        position_s = self._axis.position_s(now)
        if self.is_placed:
            position_s = max(position_s, self.newest_s + _STEP_S)
        self._ticks = timestamp
        self._offset = round(position_s * self._rate) - timestamp
        self.newest_at = now
        self.is_placed = True
        self.is_fresh = False
        self.origin_s = None
        self._axis.renew()

    def place(self, timestamp: int, now: float) -> int:
        """Ticks on the axis of a 32-bit timestamp that arrived now."""
        distance = self._distance(timestamp)
        ahead_s = _MAX_AHEAD_S + max(0.0, now - self.newest_at)
        if not -_MAX_BACK_S * self._rate < distance <= ahead_s * self._rate:
            self.begin(timestamp, now)
            distance = 0
        ticks = self._ticks + distance
        if distance > 0:
            self._ticks, self.newest_at = ticks, now
        return ticks + self._offset

    def report(self, ntp: int, timestamp: int, now: float) -> None:
        """Take what a sender report says: both are of one moment; no NTP time is 0."""
        distance = self._distance(timestamp)
        if not ntp or abs(distance) > (_MAX_AHEAD_S + max(0.0, now - self.newest_at)) * self._rate:
            return
        self.origin_s = self._axis.sender_s(ntp) - (self._ticks + distance) / self._rate
        self.is_fresh = True
        self._axis.align()

    def rest(self) -> None:
        """Its source pauses: nobody is to wait for its reports."""
        self.is_fresh = False
        self.origin_s = None

    def move(self, seconds: float) -> None:
        """Put all that comes later on the axis."""
        self._offset += round(seconds * self._rate)

    def _distance(self, timestamp: int) -> int:
        return ((timestamp - self._ticks + _HALF) & 0xFFFFFFFF) - _HALF
