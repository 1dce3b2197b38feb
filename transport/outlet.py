"""What an output keeps beside its connection: which unit goes out, at which time, and what was counted.

No I/O and no clock of its own; `rtmp/endpoint.py` and `srt/push.py` own one each.
"""

from __future__ import annotations

from collections import deque

from transport.media import AccessUnit, Track
from transport.media.outclock import TICKS_PER_MS, OutputClock
from transport.output import PushOptions, PushStatistics

#: Half a second apart, so that the rate is that of the last one to one and a half seconds.
TICK_S = 0.5
_RATE_SAMPLES = 4


class Outlet:
    """Admits units to an output with a bounded queue. Full or late: leaves pictures out up to a keyframe.

    Attributes:
        tracks: what was announced.
    """

    def __init__(self, options: PushOptions) -> None:
        self.tracks: tuple[Track, ...] = ()
        self._max_queued_bytes = options.max_queued_bytes
        self._max_lag_s = options.max_lag_s
        self._clock = OutputClock(options.start_ms)
        self._skipping = False
        self._pictures_sent = 0
        self._pictures_dropped = 0
        self._keyframes_sent = 0
        self._sounds_sent = 0
        self._sounds_dropped = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_RATE_SAMPLES)

    def announce(self, tracks: tuple[Track, ...]) -> None:
        """Set which tracks come. Without any, a picture track is expected."""
        self.tracks = tracks
        self._clock.expects_video = not tracks or any(track.is_video for track in tracks)

    def splice(self) -> None:
        """What follows comes from another source."""
        self._clock.splice()

    def admit(self, unit: AccessUnit, queued_bytes: int, lag_s: float = 0.0) -> tuple[int, int] | None:
        """When a unit goes out: dts and pts in ticks of 90 kHz; None to leave it out.

        Args:
            unit: the next one.
            queued_bytes: what waits already.
            lag_s: how old the first of it is that has not arrived.
        """
        placed = self._clock.place(unit)
        if placed is None:
            return None
        is_late = lag_s > self._max_lag_s
        is_full = is_late or (queued_bytes > 0 and queued_bytes + len(unit.data) > self._max_queued_bytes)
        if not unit.track.is_video:
            if is_full:
                self._sounds_dropped += 1
                return None
            self._sounds_sent += 1
            return placed
        # A keyframe that only just fits would not leave room for what depends on it.
        has_room = queued_bytes <= self._max_queued_bytes // 2 and lag_s <= self._max_lag_s / 2
        if self._skipping and unit.keyframe and has_room:
            self._skipping = False
        if self._skipping or is_full:
            self._skipping = True
            self._pictures_dropped += 1
            return None
        self._pictures_sent += 1
        self._keyframes_sent += unit.keyframe
        return placed

    def refuse(self, unit: AccessUnit) -> None:
        """The connection had no room after all for a unit that was admitted."""
        if unit.track.is_video:
            self._skipping = True
            self._pictures_sent -= 1
            self._keyframes_sent -= unit.keyframe
            self._pictures_dropped += 1
        else:
            self._sounds_sent -= 1
            self._sounds_dropped += 1

    def tick(self, now: float, bytes_sent: int) -> None:
        """Note the count of bytes; every `TICK_S`."""
        self._samples.append((now, bytes_sent))

    def statistics(
        self,
        *,
        bytes_sent: int,
        queued_bytes: int,
        unacknowledged_bytes: int | None,
        lag_s: float,
        rtt_ms: float | None,
        encryption: str,
        peer: str,
    ) -> PushStatistics:
        """Everything together."""
        bitrate = 0
        if len(self._samples) > 1:
            (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
            bitrate = round((last - first) * 8 / max(last_at - first_at, 1e-3))
        return PushStatistics(
            bitrate_bps=bitrate,
            bytes_sent=bytes_sent,
            pictures_sent=self._pictures_sent,
            pictures_dropped=self._pictures_dropped,
            keyframes_sent=self._keyframes_sent,
            sounds_sent=self._sounds_sent,
            sounds_dropped=self._sounds_dropped,
            queued_bytes=queued_bytes,
            unacknowledged_bytes=unacknowledged_bytes,
            lag_s=lag_s,
            rtt_ms=rtt_ms,
            position_ms=self._clock.position // TICKS_PER_MS,
            encryption=encryption,
            peer=peer,
        )
