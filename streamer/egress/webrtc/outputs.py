"""What one stream offers to browsers: feeds of the plane, each made while a viewer takes it.

picture as it comes ─────────────▶ Feed(h264 | h265)     viewers whose browser plays it
picture ─▶ rendition h264 ───────▶ Feed(h264)            what no browser plays, or this one lacks the codec of
picture ─▶ smaller renditions ───▶ Feed(h264)            viewers whose lines do not carry it
sound   ─▶ rendition opus, or as it comes ─▶ Feed(opus)  everybody

With content keys, each unit is sealed once on its way into a feed, for all of the feed's viewers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from streamer.egress.webrtc.keyring import KeyRing
from streamer.hub.fanout import Fanout, FirstTrack, Sink
from streamer.hub.ladder import STILLS
from streamer.hub.rendition import Rendition
from streamer.hub.stream import Stream
from transport.errors import WireError
from transport.media import AccessUnit, Codec
from transport.plane.interface import Feed, Plane

_VIDEO_CLOCK = 90_000
_AUDIO_CLOCK = 48_000


@dataclass(frozen=True, slots=True)
class Output:
    """Names one feed of a stream: which coding, whether the server makes it itself, and how small."""

    codec: Codec
    rendition: bool
    rung: int = 0

    def __str__(self) -> str:
        """For the API: "source" or "rendition"."""
        return "rendition" if self.rendition else "source"


class Outputs:
    """The feeds of one stream, counted by who takes them. Event loop only.

    Args:
        ring: the stream's content keys, None to send frames as they are.
    """

    def __init__(self, plane: Plane, stream: Stream, ring: KeyRing | None = None) -> None:
        self._plane = plane
        self._stream = stream
        self._ring = ring
        self._taken: dict[Output, _Taken] = {}

    def picture_for(self, codec: Codec, rung: int = 0) -> Output | None:
        """Which output a viewer gets that negotiated this codec; None when nothing fits it (any more).

        Args:
            codec: that was negotiated.
            rung: of the stream's ladder; the full picture is given where it has none.
        """
        if rung and self.has_ladder(codec):
            return Output(codec, rendition=True, rung=rung)
        track = self._stream.source.video
        if track is None or (track.codec is codec and not track.hindrance):
            return Output(codec, rendition=False)
        if codec is Codec.H264 and self._stream.config.renditions == "auto":
            return Output(codec, rendition=True)
        # Some browsers play it, and what is made for the others is not to be had.
        return Output(codec, rendition=False) if track.codec is codec and not track.has_b_frames else None

    def has_ladder(self, codec: Codec) -> bool:
        """Whether smaller pictures can be had by who negotiated this codec."""
        return codec is Codec.H264 and self._stream.config.renditions == "auto"

    def sound(self) -> Output:
        """Which output carries the sound."""
        return Output(Codec.OPUS, rendition=self._stream.audio_source() is self._stream.opus)

    def feed(self, output: Output) -> Feed:
        """The feed of an output that somebody has taken."""
        return self._taken[output].feed

    def take(self, output: Output) -> None:
        """One more viewer for an output; the first one makes the feed, primed with the current GOP."""
        taken = self._taken.get(output)
        if taken is None:
            clock_rate = _VIDEO_CLOCK if output.codec.is_video else _AUDIO_CLOCK
            is_sealed = self._ring is not None
            feed = self._plane.feed(output.codec, clock_rate, epoch_s=self._stream.epoch_s, sealed=is_sealed)
            try:
                self._taken[output] = taken = _Taken(feed, output, self._origin(output), self._ring)
            except BaseException:
                feed.close()
                raise
        taken.count += 1

    def give_back(self, output: Output) -> None:
        """One viewer less; the last one ends the feed and what it was made from."""
        taken = self._taken[output]
        taken.count -= 1
        if taken.count == 0:
            del self._taken[output]
            taken.close()

    def owns(self, feed: Feed) -> Output | None:
        """The output behind a feed, None if it is not one of ours."""
        return next((output for output, taken in self._taken.items() if taken.feed is feed), None)

    def request_keyframe(self, output: Output) -> None:
        """Our own encoder makes one on request, as do browsers that publish; SRT and RTSP have no way."""
        origin = self._origin(output)
        if isinstance(origin, Rendition):
            origin.request_keyframe()
        elif (publisher := self._stream.publisher) is not None:
            publisher.request_keyframe()

    def _origin(self, output: Output) -> Fanout | Rendition:
        if not output.rendition:
            return self._stream.source
        if output.rung:
            return self._stream.smaller(output.rung)
        return self._stream.h264 if output.codec.is_video else self._stream.opus


class _Taken:
    def __init__(self, feed: Feed, output: Output, origin: Fanout | Rendition, ring: KeyRing | None) -> None:
        self.feed = feed
        self.count = 0
        self._origin = origin
        fanout = origin if isinstance(origin, Fanout) else origin.out
        sink: Sink = feed if ring is None else _Sealing(feed, ring)
        if output.rung == STILLS:
            sink = _Stills(sink)
        self._sink: Sink = FirstTrack(fanout, _Matching(sink, feed.codec), video=feed.codec.is_video)
        try:
            # Who is moved gets a keyframe that is asked for: a GOP at once is too much for a narrow line.
            origin.attach(self._sink, replay=output.rung == 0)
        except BaseException:
            origin.detach(self._sink)  # a rendition that was started for it
            raise

    def close(self) -> None:
        self._origin.detach(self._sink)
        self.feed.close()


class _Matching:
    """Lets through what the feed can carry; a publisher may return with another codec."""

    def __init__(self, sink: Sink, codec: Codec) -> None:
        self._sink = sink
        self._codec = codec

    def write(self, unit: AccessUnit) -> None:
        if unit.track.codec is self._codec:
            self._sink.write(unit)


class _Stills:
    """Lets keyframes through."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def write(self, unit: AccessUnit) -> None:
        if unit.keyframe:
            self._sink.write(unit)


class _Sealing:
    """Encrypts every unit; one that cannot be encrypted goes nowhere."""

    def __init__(self, sink: Sink, ring: KeyRing) -> None:
        self._sink = sink
        self._ring = ring

    def write(self, unit: AccessUnit) -> None:
        cipher = self._ring.cipher(time.monotonic())
        try:
            data = cipher.seal(unit.track.codec, unit.data)
        except WireError:  # no slice in it, so it is no picture
            return
        self._sink.write(replace(unit, data=data))
