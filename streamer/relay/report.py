"""Numbers of a relay over all the connections of its broadcast."""

from __future__ import annotations

from dataclasses import dataclass, replace

from transport.output import PushStatistics


@dataclass(slots=True)
class Tally:
    """What connections that are over have sent.

    Attributes:
        position_ms: the output's time at the end of the last one.
    """

    bytes_sent: int = 0
    pictures_sent: int = 0
    pictures_dropped: int = 0
    keyframes_sent: int = 0
    sounds_sent: int = 0
    sounds_dropped: int = 0
    position_ms: int = 0

    def add(self, statistics: PushStatistics) -> None:
        """Take a connection that is over."""
        self.bytes_sent += statistics.bytes_sent
        self.pictures_sent += statistics.pictures_sent
        self.pictures_dropped += statistics.pictures_dropped
        self.keyframes_sent += statistics.keyframes_sent
        self.sounds_sent += statistics.sounds_sent
        self.sounds_dropped += statistics.sounds_dropped
        self.position_ms = max(self.position_ms, statistics.position_ms)

    def with_current(self, current: PushStatistics | None) -> PushStatistics:
        """Everything so far, with how it goes now; None for no connection."""
        now = current or PushStatistics()
        return replace(
            now,
            bytes_sent=self.bytes_sent + now.bytes_sent,
            pictures_sent=self.pictures_sent + now.pictures_sent,
            pictures_dropped=self.pictures_dropped + now.pictures_dropped,
            keyframes_sent=self.keyframes_sent + now.keyframes_sent,
            sounds_sent=self.sounds_sent + now.sounds_sent,
            sounds_dropped=self.sounds_dropped + now.sounds_dropped,
            position_ms=max(self.position_ms, now.position_ms),
        )
