"""Takes what players say about their sessions: from who knows the session's key, and not too often."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice

from streamer.engagement.audience import Audience
from streamer.engagement.session import Report
from streamer.errors import StreamerError

_AT_MOST_EVERY_S = 1.0
#: Players report every 10 s, and once more when they go. Each time they say all there was so far, so that who
#: is one of thousands may say it less often: a report costs a request.
_EVERY_S = 10
_MOST_EVERY_S = 600
_REPORTS_PER_S = 5


class NoSuchSession(StreamerError):
    """A session that has ended, never was, or is not followed."""


class TooOften(StreamerError):
    """A player that reports more than once a second."""


class Beacons:
    """Where reports arrive. Event loop only.

    Args:
        audience: whose they are.

    Attributes:
        taken: reports.
        refused: and those that were not taken.
    """

    def __init__(self, audience: Audience) -> None:
        self.taken = 0
        self.refused = 0
        self._audience = audience
        # Those that were not looked at for longest first.
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._last: dict[str, float] = {}

    def __len__(self) -> int:
        """Keys that are known."""
        return len(self._sessions)

    @property
    def pause_s(self) -> int:
        """After how long a player is to report again."""
        return min(_MOST_EVERY_S, max(_EVERY_S, len(self._audience) // _REPORTS_PER_S))

    def expect(self, key: str, session: str) -> None:
        """Take reports on a session from whoever presents its key."""
        self._sessions[key] = session
        # Many leave without a last word. For each that comes two are looked at, so that what is kept does not
        # grow beyond twice as many as watch at a time.
        for oldest, watched in list(islice(self._sessions.items(), 2)):
            if self._audience.is_open(watched):
                self._sessions.move_to_end(oldest)
            else:
                self._forget(oldest)

    def take(self, key: str, report: Report, *, last: bool) -> None:
        """Take a report.

        Args:
            key: of the session.
            report: on it.
            last: said to be the last one, which may come at any time.

        Raises:
            NoSuchSession: the key is none.
            TooOften: says when to come again.
        """
        now = self._audience.clock()
        session = self._sessions.get(key)
        if session is None or not self._audience.is_open(session):
            self._forget(key)
            self.refused += 1
            raise NoSuchSession("this session has ended, never was, or is not followed")
        # A clock that was set back must not refuse everybody until it is there again.
        if not last and 0 <= now - self._last.get(key, float("-inf")) < _AT_MOST_EVERY_S:
            self.refused += 1
            raise TooOften(f"expected a report every {self.pause_s} s")
        self._last[key] = now
        self._audience.reported(session, report)
        self.taken += 1
        if last:
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._sessions.pop(key, None)
        self._last.pop(key, None)
