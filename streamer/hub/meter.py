"""What a stream measures of itself: bit rate, frame rate, keyframe interval; and what it advises.

Written in the publisher's thread, read from others: plain numbers, each replaced in one step.
"""

from __future__ import annotations

import time

from transport.media import AccessUnit, Codec, Track

_WINDOW_S = 2.0
# Above this a viewer's first picture is rebuilt from more frames than is comfortable on a slow phone.
_LONG_GOP_S = 10.5
_ADVISE_GOP = "set the encoder's keyframe interval to 2 s"
_ADVISE_B_FRAMES = "set B-frames to 0 in the encoder (x264: bframes=0 or tune=zerolatency)"
_ADVISE_PLAIN = "send progressive pictures of square pixels, 4:2:0 and 8 bits (H.264 Main or High)"


class Meter:
    """Rates over the last two seconds, totals since the publisher came."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new publisher."""
        self.since: float | None = None
        self.bytes = 0
        self.units = 0
        self.keyframes = 0
        self.keyframe_interval_s = 0.0
        self._bitrate_bps = 0.0
        self._fps = 0.0
        self._last_keyframe_s: float | None = None
        self._since_keyframe_s = 0.0
        self._last_at = 0.0
        self._window = (0.0, 0, 0)
        self._pictures = 0

    def count(self, unit: AccessUnit) -> None:
        """Take one unit as the publisher wrote it."""
        now = unit.received_at
        if self.since is None:
            self.since = time.time()
            self._window = (now, 0, 0)
        self.units += 1
        self.bytes += len(unit.data)
        self._last_at = now
        if unit.track.is_video:
            self._pictures += 1
            if unit.keyframe:
                self._keyframe(unit.dts_s)
            elif self._last_keyframe_s is not None:
                self._since_keyframe_s = unit.dts_s - self._last_keyframe_s
        start, size, pictures = self._window
        if now - start >= _WINDOW_S:
            self._bitrate_bps = (self.bytes - size) * 8 / (now - start)
            self._fps = (self._pictures - pictures) / (now - start)
            self._window = (now, self.bytes, self._pictures)

    def _keyframe(self, at_s: float) -> None:
        self.keyframes += 1
        if self._last_keyframe_s is not None:
            self.keyframe_interval_s = max(0.0, at_s - self._last_keyframe_s)
        self._last_keyframe_s = at_s
        self._since_keyframe_s = 0.0

    @property
    def bitrate_bps(self) -> float:
        """Bits per second over the last full window; 0 when nothing arrives."""
        return self._bitrate_bps if self._flowing else 0.0

    @property
    def fps(self) -> float:
        """Pictures per second over the last full window; 0 when nothing arrives."""
        return self._fps if self._flowing else 0.0

    @property
    def _flowing(self) -> bool:
        return time.monotonic() - self._last_at < 2 * _WINDOW_S

    def warnings(self, tracks: tuple[Track, ...], *, transcoding: bool) -> list[str]:
        """What the producer could change, in words."""
        found = []
        video = next((track for track in tracks if track.is_video), None)
        cost = "an H.264 rendition is being made" if transcoding else "an H.264 rendition is made when needed"
        if video is not None and not video.codec.in_browsers:
            found.append(
                f"The picture is {video.codec.label}, which browsers do not play; {cost}, which costs "
                "about a core. To avoid it, encode H.264."
            )
        elif video is not None and video.has_b_frames:
            found.append(
                f"The picture has B-frames, which browsers cannot play over WebRTC; {cost}, which costs "
                f"about a core. To avoid it, {_ADVISE_B_FRAMES}."
            )
        elif video is not None and video.gradual:
            found.append(
                f"The picture is refreshed gradually, without keyframes for viewers to start from; {cost}, "
                f"which costs about a core. To avoid it, switch intra refresh off and {_ADVISE_GOP}."
            )
        elif video is not None and video.hindrance:
            found.append(
                f"The picture has {video.hindrance}, which not all browsers show as they are over WebRTC; "
                f"{cost}, which costs about a core. To avoid it, {_ADVISE_PLAIN}."
            )
        elif video is not None and video.codec is Codec.H265:
            found.append(
                f"The picture is H.265, which many browsers lack; for those {cost}, which costs about a "
                "core. To avoid it, encode H.264."
            )
        interval_s = max(self.keyframe_interval_s, self._since_keyframe_s)
        if interval_s > _LONG_GOP_S:
            found.append(
                f"Keyframes are {interval_s:.0f} s apart; viewers start slowly. To avoid it, {_ADVISE_GOP}."
            )
        return found
