"""One RTSP client that plays, as its output sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from transport.rtsp.batch import Batch
from transport.rtsp.listener import RtspConnection


class Player:
    """Passes on what a decoder can do something with. One thread at a time.

    Args:
        connection: the client's.
        end: hangs up, for a reason; must return at once.

    Attributes:
        is_flowing: what comes next is for it, whatever it is; otherwise it waits for where it can begin.
        given: the number of the last batch that it got; 0 for none, or not all before it.
        skipped: pictures and sounds that were left out, as its link had no room for them.
    """

    def __init__(self, connection: RtspConnection, end: Callable[[str], None]) -> None:
        self.is_flowing = False
        self.given = 0
        self.skipped = 0
        self.end = end
        self._connection = connection
        self._is_behind = False

    def takes(self, track: int) -> bool:
        """Whether it set up this track."""
        return track in self._connection.session.ways

    def begin(self, firsts: Mapping[int, tuple[int, int]], *, goes_on: bool) -> None:
        """Tell it that packets come, in its connection's thread.

        Args:
            firsts: see `RtspConnection.start`.
            goes_on: what comes next follows what it was given.
        """
        self._connection.start(firsts)
        self.is_flowing = goes_on
        self._is_behind = False

    def send(self, *batches: Batch) -> None:
        """Send it these; what has no room is left out, and all up to where it can begin again."""
        left_out = self._connection.send(*batches)
        if left_out:
            self.skipped += left_out
            self._is_behind, self.is_flowing, self.given = True, False, 0
        else:
            self._is_behind, self.is_flowing, self.given = False, True, batches[-1].number

    def pass_over(self, batch: Batch) -> None:
        """Leave out what it cannot begin with."""
        if self._is_behind:
            self.skipped += sum(self.takes(each.track) for each in batch.portions if not each.is_rtcp)

    def pause(self) -> None:
        """Forget what waits; it may be given again."""
        first = self._connection.drop()
        if first is not None:
            self.given = min(self.given, first - 1)
