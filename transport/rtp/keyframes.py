"""When to ask a sender for a keyframe (PLI, RFC 4585 6.3.1)."""

from __future__ import annotations

import math

_APART_S = 0.5
_UNANSWERED_S = 1.0
#: One that comes by itself at just this interval is not asked for.
_GRACE_S = 0.1


class KeyframeRequests:
    """Asks at once when pictures are lost, again until a keyframe comes, and when none came for long.

    Args:
        interval_s: the longest time between keyframes.

    Attributes:
        needed: no picture can be shown before the next keyframe.
    """

    def __init__(self, interval_s: float) -> None:
        self.needed = True
        self._interval_s = interval_s + _GRACE_S
        self._asked_at = -math.inf
        self._wanted = False
        self._at = math.inf

    def begin(self, now: float, *, with_keyframe: bool) -> None:
        """A sender's first packet came; whether it seems to be of a keyframe."""
        self.needed = True
        self._at = now + _UNANSWERED_S if with_keyframe else now

    def need(self, now: float) -> None:
        """Pictures are missing."""
        if not self.needed:
            self.needed = True
            self._at = now

    def want(self) -> None:
        """Somebody would like one, though nothing is missing."""
        self._wanted = True

    def came(self, now: float) -> None:
        """A whole keyframe is here."""
        self.needed = self._wanted = False
        self._at = now + self._interval_s

    def take(self, now: float) -> bool:
        """True when a request has to be sent now; it counts as sent then."""
        if now < self.deadline():
            return False
        self._wanted = False
        self._asked_at = now
        self._at = now + (_UNANSWERED_S if self.needed else self._interval_s)
        return True

    def deadline(self) -> float:
        """When the next request has to be sent, as things are."""
        return max(self._asked_at + _APART_S, -math.inf if self._wanted else self._at)
