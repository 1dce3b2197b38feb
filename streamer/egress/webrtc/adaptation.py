"""Which rung of the ladder one viewer gets, by what its line carries. Sans-IO.

Down goes quickly: a picture that does not fit is no picture. Up goes a rung at a time and is a trial: nothing
tells what a line carries beyond what is sent over it. A trial that fails is taken back at once, and the next
one waits twice as long.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.egress.webrtc.lines import Line

#: A line that is full for so many looks in a row is too narrow; where no estimate says so it takes longer.
_LOOKS, _LOOKS_BLIND = 2, 4
#: In a trial one is enough if it loses. A queue may be of the keyframe that it begins with.
_LOOKS_IN_TRIAL = 1
#: Of the estimate so much is used: it is what came through, and a keyframe more must fit too.
_USED = 0.9
#: Until what was queued is through, and the other picture has begun.
_SETTLE_S = 4.0
#: A line must have been clear for so long before a trial, and again after it for the trial to have succeeded.
_CLEAR_S, _MOST_CLEAR_S = 10.0, 320.0
_TRIAL_S = 20.0
#: A look's share of the smoothed loss.
_LOSS_WEIGHT = 0.2
#: Where the estimate does not rise above what is sent, as it does by half on a good line, there is no room.
_ROOM = 1.2


class Adaptation:
    """One viewer's.

    Args:
        rung: that it begins with.
        now: seconds, monotonic.

    Attributes:
        rung: of the ladder, 0 for the full picture.
    """

    def __init__(self, rung: int = 0, now: float = float("-inf")) -> None:
        self.rung = rung
        self._full_looks = 0
        self._changed_at = now
        self._clear_since: float | None = None
        self._usual_loss = 0.0
        self._is_trial = False
        # By rung: how long the line must have been clear before it is tried again, where a trial failed.
        self._wait_s: dict[int, float] = {}

    @property
    def is_idle(self) -> bool:
        """It gets the full picture, and there is nothing to remember."""
        return self.rung == 0 and self._full_looks == 0 and not self._is_trial and not self._wait_s

    def look(self, line: Line, bitrates_bps: Sequence[int], now: float) -> int:
        """Take a second's measurement.

        Args:
            line: of this viewer, whose picture is that of `rung`.
            bitrates_bps: of each rung's picture, the full one's first; one at least.
            now: seconds, monotonic.

        Returns:
            The rung that it should get.
        """
        self.rung = min(self.rung, len(bitrates_bps) - 1)
        if self._is_trial and now >= self._changed_at + _TRIAL_S:
            self._succeed()
        if now < self._changed_at + _SETTLE_S and not self._is_trial:
            return self.rung
        self._take(line, now)
        if self._full_looks >= self._looks(line) and self.rung + 1 < len(bitrates_bps):
            self._go_down(line, bitrates_bps, now)
        elif self._may_try(line, bitrates_bps, now):
            self._succeed()
            self._change(self.rung - 1, now)
            self._is_trial = True
        return self.rung

    def stay(self, rung: int) -> None:
        """What was wanted cannot be had: it still gets this one."""
        self.rung = rung

    def _take(self, line: Line, now: float) -> None:
        if not line.is_clear:
            self._clear_since = None
        else:
            if self._clear_since is None:
                self._clear_since = now
            self._usual_loss += (line.loss - self._usual_loss) * _LOSS_WEIGHT
        self._full_looks = self._full_looks + 1 if line.is_full(self._usual_loss) else 0

    def _looks(self, line: Line) -> int:
        if self._is_trial and line.loses(self._usual_loss):
            return _LOOKS_IN_TRIAL
        return _LOOKS if line.estimate_bps else _LOOKS_BLIND

    def _go_down(self, line: Line, bitrates_bps: Sequence[int], now: float) -> None:
        rung = self.rung + 1
        if self._is_trial:
            self._wait_s[self.rung] = min(2 * self._wait_s.get(self.rung, _CLEAR_S), _MOST_CLEAR_S)
        elif line.estimate_bps:
            while rung + 1 < len(bitrates_bps) and bitrates_bps[rung] > _USED * line.estimate_bps:
                rung += 1
        self._change(rung, now)

    def _may_try(self, line: Line, bitrates_bps: Sequence[int], now: float) -> bool:
        if self.rung == 0 or self._clear_since is None:
            return False
        if now - self._clear_since < self._wait_s.get(self.rung - 1, _CLEAR_S):
            return False
        if line.estimate_bps < line.video_bps:
            # None, or one that is contradicted by what arrives: after hardly anything came it rises slowly.
            return True
        return line.estimate_bps >= min(_ROOM * line.video_bps, bitrates_bps[self.rung - 1])

    def _succeed(self) -> None:
        """This rung is what the line carries, or less."""
        if self._is_trial:
            self._wait_s.pop(self.rung, None)
        self._is_trial = False

    def _change(self, rung: int, now: float) -> None:
        self.rung = rung
        self._changed_at = now
        self._full_looks = 0
        self._clear_since = None
        self._is_trial = False
