"""What arrived under one stream key. The sink writes it, the faces read it.

A platform takes a stream for running when the picture's codec header and a keyframe arrived, as long as
there is no silence. Silence is measured in real time: putting the sandbox's clock forward silences nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.sandbox.clock import Clock
from ops.sandbox.parties import Platform

#: The application under which the sink takes any key, for destinations that are no platform's.
OPEN_APP = "live"
_MAX_KEYS = 10_000
_GAP_MS = 1000
# Rates are taken over so long.
_WINDOW_S = 5.0


@dataclass
class Track:
    """The picture or the sound of the present connection, and its timestamps over all of them.

    Attributes:
        codec: `h264`, `h265`, `av1`, `aac`; "" before its header came.
        gaps: how often the timestamps jumped by more than a second.
        back: how often they went back within a connection; back_on_return: from one to the next.
    """

    codec: str = ""
    frames: int = 0
    keyframes: int = 0
    bytes: int = 0
    gaps: int = 0
    back: int = 0
    back_on_return: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    key_ms: int | None = None
    longest_gop_ms: int = 0
    largest_gap_ms: int = 0
    returned: bool = False

    def add(self, timestamp_ms: int, size: int, *, keyframe: bool) -> None:
        """Count one frame."""
        self.frames += 1
        self.bytes += size
        if self.last_ms is None:
            self.first_ms = timestamp_ms
        elif timestamp_ms < self.last_ms:
            if self.returned:
                self.back_on_return += 1
            else:
                self.back += 1
        elif timestamp_ms - self.last_ms > _GAP_MS:
            self.gaps += 1
            self.largest_gap_ms = max(self.largest_gap_ms, timestamp_ms - self.last_ms)
        self.last_ms = timestamp_ms
        if keyframe:
            self.keyframes += 1
            if self.key_ms is not None and not self.returned:
                self.longest_gop_ms = max(self.longest_gop_ms, timestamp_ms - self.key_ms)
            self.key_ms = timestamp_ms
        self.returned = False


@dataclass(eq=False)
class Reception:
    """What one stream key received.

    Attributes:
        connections: how many there were; connected: whether there is one now.
        refused: how many were turned away.
        last_at: by the sandbox's clock, as first_at.
        said_goodbye: the last publisher ended its publication in the protocol's way.
        metadata: what it said about its tracks.
        recordings: the files in which it was kept.
        deaf_until: until then nothing is read from who publishes; time.monotonic().
        cut: ends the present connection; set by the sink.
    """

    clock: Clock
    silence_s: float
    connections: int = 0
    connected: bool = False
    secure: bool = False
    refused: int = 0
    said_goodbye: bool = False
    bytes: int = 0
    first_at: float | None = None
    last_at: float | None = None
    video: Track = field(default_factory=Track)
    audio: Track = field(default_factory=Track)
    metadata: dict[str, Any] = field(default_factory=dict)
    recordings: list[str] = field(default_factory=list)
    deaf_until: float = 0.0
    cut: Callable[[], None] | None = field(default=None, repr=False)
    _keyframe_seen: bool = False
    _heard: float = 0.0
    _rates: list[tuple[float, int, int, int]] = field(default_factory=list)

    def begin(self, *, secure: bool, cut: Callable[[], None] | None = None) -> None:
        """Somebody publishes."""
        self.connections += 1
        self.connected, self.secure, self.cut = True, secure, cut
        self.said_goodbye = False
        self._keyframe_seen = False
        for track in (self.video, self.audio):
            track.codec, track.returned = "", track.frames > 0
        self._rates.clear()

    def end(self, *, said_goodbye: bool = False) -> None:
        """They left, with or without saying so."""
        if self.active:  # until now, however far the clock was put forward meanwhile
            self.last_at = self.clock.now()
        self.connected, self.cut, self.said_goodbye = False, None, said_goodbye

    def picture(self, timestamp_ms: int, size: int, *, codec: str = "", keyframe: bool = False) -> None:
        """A picture, or with `codec` its header."""
        self._arrived(size)
        if codec:
            self.video.codec = codec
            return
        self.video.add(timestamp_ms, size, keyframe=keyframe)
        self._keyframe_seen = self._keyframe_seen or (keyframe and bool(self.video.codec))

    def sound(self, timestamp_ms: int, size: int, *, codec: str = "") -> None:
        """Sound, or with `codec` its header."""
        self._arrived(size)
        if codec:
            self.audio.codec = codec
            return
        self.audio.add(timestamp_ms, size, keyframe=False)

    @property
    def active(self) -> bool:
        """Whether a platform would say that the stream runs."""
        return self.connected and self._keyframe_seen and time.monotonic() - self._heard < self.silence_s

    @property
    def away_s(self) -> float:
        """How long nothing runs, by the sandbox's clock; 0 while something does or nothing ever came."""
        if self.active or self.last_at is None:
            return 0.0
        return max(0.0, self.clock.now() - self.last_at)

    def rates(self) -> tuple[int, int, float]:
        """Of the last seconds: video and audio bits per second, pictures per second."""
        if len(self._rates) < 2:
            return 0, 0, 0.0
        (began, video, audio, frames), latest = self._rates[0], self._rates[-1]
        passed_s = max(latest[0] - began, 0.001)
        return (
            int((latest[1] - video) * 8 / passed_s),
            int((latest[2] - audio) * 8 / passed_s),
            (latest[3] - frames) / passed_s,
        )

    def _arrived(self, size: int) -> None:
        self._heard = time.monotonic()
        self.last_at = self.clock.now()
        self.first_at = self.first_at or self.last_at
        self.bytes += size
        if not self._rates or self._heard - self._rates[-1][0] > _WINDOW_S / 20:
            self._rates.append((self._heard, self.video.bytes, self.audio.bytes, self.video.frames))
            while self._heard - self._rates[0][0] > _WINDOW_S:
                self._rates.pop(0)


@dataclass(eq=False)
class StreamKey:
    """An address at which the sink takes a stream.

    Attributes:
        app: the first part of the RTMP address; name: the rest, the key itself.
        admit: why nobody may publish here now, "" if they may.
        secure_only: over RTMPS only.
    """

    platform: Platform
    app: str
    name: str = field(repr=False)
    reception: Reception
    admit: Callable[[], str] = field(default=lambda: "", repr=False)
    secure_only: bool = False


class StreamKeys:
    """All addresses of the sink."""

    def __init__(self, clock: Clock, silence_s: float) -> None:
        self._clock = clock
        self._silence_s = silence_s
        self._keys: dict[tuple[str, str], StreamKey] = {}

    def add(
        self,
        platform: Platform,
        app: str,
        name: str,
        admit: Callable[[], str] = lambda: "",
        *,
        secure_only: bool = False,
    ) -> StreamKey:
        """Open an address."""
        reception = Reception(self._clock, self._silence_s)
        key = StreamKey(platform, app, name, reception, admit, secure_only)
        self._keys[app, name] = key
        return key

    def find(self, app: str, name: str) -> StreamKey | None:
        """The address; what follows a question mark is not part of it. Any key will do for `OPEN_APP`."""
        app, name = app.partition("?")[0].strip("/"), name.partition("?")[0]
        key = self._keys.get((app, name))
        if key is None and app == OPEN_APP and name and len(self._keys) < _MAX_KEYS:
            key = self.add(Platform.CUSTOM, app, name)
        return key

    def remove(self, key: StreamKey) -> None:
        """Close an address; who publishes there is cut off."""
        self._keys.pop((key.app, key.name), None)
        if key.reception.cut is not None:
            key.reception.cut()

    def __iter__(self) -> Iterator[StreamKey]:
        return iter(list(self._keys.values()))
