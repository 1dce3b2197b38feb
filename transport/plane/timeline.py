"""How a viewer's RTP timestamps follow the feed's, so that nobody sees a fast-forward.

**Joining.** A viewer who joins in the middle of a GOP needs the pictures since its keyframe. Sent with their
own timestamps they would arrive seconds late. A browser's jitter buffer takes the delay of the first pictures
for the delay of the path: it either shows everything that late for the rest of the session or hurries through
the backlog, which looks like a fast-forward. So the backlog gets other timestamps. Let `T_g` be that of the
keyframe, `T_n` that of the newest unit and `B` a short time. Everything up to `T_n + B` is squeezed from
`[T_g, T_n + B]` into `[T_n, T_n + B]`, and each picture is sent when its new timestamp is due. The browser
sees a stream that starts now, is on time from its first picture and has, for `B`, a high frame rate; from
`T_n + B` on the timestamps are the feed's own, which are those of the sender reports, so that sound, which
was never changed, is in step. Units that arrive during `B` are part of the map and queue behind the backlog.

**Moving.** A subscription that moves to another feed must not go back in time either; if the new feed is a
little behind, its first timestamps are squeezed the same way until it has caught up.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIN_BURST_S = 0.1
_MAX_BURST_S = 1.0
#: The backlog is shown this many times faster than it was made; a decoder manages that.
_BURST_SPEED = 8
#: A feed whose clock is off by more than this does not share the wall clock at all.
_MAX_DRIFT_S = 10.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A map from the feed's timestamps to the viewer's: `shift` always, a straight line until `until`.

    Attributes:
        shift: ticks added to everything.
        start: feed timestamp (shifted) of the first unit.
        first: what the viewer gets for it.
        until: where the line ends and timestamps are the feed's (shifted) own again; `start` for none.
    """

    shift: int = 0
    start: int = 0
    first: int = 0
    until: int = 0

    def map(self, timestamp: int) -> int:
        """The viewer's timestamp for one of the feed's. Both unwrapped."""
        timestamp += self.shift
        if timestamp >= self.until or self.until <= self.start:
            return timestamp
        return self.first + (timestamp - self.start) * (self.until - self.first) // (self.until - self.start)

    @property
    def squeeze(self) -> float:
        """Viewer's ticks per feed's tick on the line, 1.0 without one."""
        if self.until <= self.start:
            return 1.0
        return (self.until - self.first) / (self.until - self.start)


def burst_ticks(gop_ticks: int, clock_rate: int) -> int:
    """How long the backlog of a GOP may take, in ticks."""
    return int(max(_MIN_BURST_S, min(_MAX_BURST_S, gop_ticks / clock_rate / _BURST_SPEED)) * clock_rate)


def begin(
    start: int, newest: int, backlog_units: int, clock_rate: int, last: tuple[int, float] | None = None
) -> Timeline:
    """The timeline of a viewer who starts at a unit of the feed.

    Args:
        start: timestamp of that unit.
        newest: timestamp of the feed's newest unit.
        backlog_units: how many units from the one to the other; up to two are not worth a burst.
        clock_rate: ticks per second.
        last: what this viewer got before, from another feed: its last timestamp, and the seconds since.
    """
    shift = 0
    if last is not None:
        expected = last[0] + max(1, int(last[1] * clock_rate))
        if abs(newest - expected) > _MAX_DRIFT_S * clock_rate:
            shift = expected - newest
    start, newest = start + shift, newest + shift
    is_burst = backlog_units > 2 and newest > start
    first = newest if is_burst else start
    if last is not None:
        first = max(first, last[0] + 1)
    if is_burst:
        return Timeline(shift, start, first, first + burst_ticks(newest - start, clock_rate))
    # Behind by first - start: half speed until that is made up.
    return Timeline(shift, start, first, first + (first - start))
