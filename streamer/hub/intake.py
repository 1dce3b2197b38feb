"""A stream's picture and sound in the coding that an output takes, made on the way where need be."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction

from streamer.hub.fanout import Fanout, FirstTrack
from streamer.hub.reader import Reader
from streamer.hub.rendition import Rendition
from streamer.hub.stream import Stream
from transport.media import AccessUnit, Codec, Track
from transport.media.shape import fitting_size


class Intake:
    """One output's share of one stream. One thread, but for what the hub calls.

    It begins at the keyframe that the hub has at hand, with the sound that came since.

    Args:
        stream: where from.
        codecs: what the output takes as it is; anything else is made into H.264 and AAC.
        on_ready: called in the publisher's thread when there is something to take.
        takes: whether a track in one of the codecs is taken as it is; all are unless it says otherwise.

    Raises:
        RuntimeError: the machine allows no thread to make something on the way.
    """

    def __init__(
        self,
        stream: Stream,
        codecs: Collection[Codec],
        on_ready: Callable[[], None],
        *,
        takes: Callable[[Track], bool] = lambda track: True,
    ) -> None:
        self._stream = stream
        self._codecs = frozenset(codecs)
        self._takes = takes
        self._reader = Reader(on_ready=on_ready)
        self._taken: dict[bool, tuple[Fanout | Rendition, _Matching]] = {}
        stream.demand.acquire()
        try:
            self.follow()
        except BaseException:
            self.close()
            raise

    @property
    def skipped(self) -> int:
        """Units that were not taken in time, or that a rendition was too slow for."""
        return self._reader.skipped

    @property
    def video(self) -> Track | None:
        """The picture as the stream has it."""
        return self._stream.source.video

    @property
    def audio(self) -> Track | None:
        """The sound as the stream has it."""
        return self._stream.source.audio

    @property
    def video_codec(self) -> Codec | None:
        """What the picture is taken as; None when there is none."""
        return self._codec(self.video, Codec.H264)

    @property
    def audio_codec(self) -> Codec | None:
        """What the sound is taken as; None when there is none."""
        return self._codec(self.audio, Codec.AAC)

    @property
    def video_size(self) -> tuple[int, int]:
        """Width and height as the picture is taken, in pixels; 0 while unknown."""
        video = self.video
        if video is None or not video.width:
            return 0, 0
        if not self.is_transcoded:
            return video.width, video.height
        return fitting_size(video.width, video.height, Fraction(video.pixel_aspect))

    @property
    def is_transcoded(self) -> bool:
        """Whether the picture is coded anew."""
        return self.video is not None and not self._is_taken(self.video)

    @property
    def refusal(self) -> str:
        """Why the picture cannot be had, in words; "" when it can."""
        if self.is_transcoded and self._stream.config.renditions == "off":
            codec = self.video.codec.label if self.video is not None else ""
            return (
                f"the destination does not take {codec}, and the stream's renditions are off; "
                'expected H.264, renditions = "auto", or h265 = true where the destination takes it'
            )
        return ""

    def take(self) -> list[AccessUnit]:
        """Everything that came."""
        return self._reader.take()

    def restart(self) -> None:
        """Forget what waits, and begin again at the keyframe that the hub has at hand."""
        self._release(True)
        self._release(False)
        self._reader.take()
        self.follow()

    def follow(self) -> None:
        """Look again at what the stream has; call when its tracks changed."""
        together: list[_Matching] = []
        for video, track in ((True, self.video), (False, self.audio)):
            codec = self._codec(track, Codec.H264 if video else Codec.AAC)
            if track is None or codec is None or (video and self.refusal):
                continue  # what was taken stays: a publisher that comes back mostly brings the same
            origin: Fanout | Rendition = self._stream.source
            if not self._is_taken(track):
                origin = self._stream.h264 if video else self._stream.aac
            taken = self._taken.get(video)
            if taken is not None and taken[0] is origin and taken[1].codec is codec:
                continue
            self._release(video)
            sink = self._sink(origin, video, codec)
            if origin is self._stream.source and (video or together):
                together.append(sink)
            else:
                # Sound of the past would only be late without its picture, which needs its keyframe.
                self._attach(origin, sink)
            self._taken[video] = (origin, sink)
        if together:
            self._stream.source.attach(*together)

    def close(self) -> None:
        """Let go of the stream. Idempotent."""
        if not self._reader.closed:
            self._reader.close()
            self._release(True)
            self._release(False)
            self._stream.demand.release()

    def _codec(self, track: Track | None, otherwise: Codec) -> Codec | None:
        if track is None:
            return None
        return track.codec if self._is_taken(track) else otherwise

    def _is_taken(self, track: Track) -> bool:
        return track.codec in self._codecs and self._takes(track)

    def _sink(self, origin: Fanout | Rendition, video: bool, codec: Codec) -> _Matching:
        fanout = origin if isinstance(origin, Fanout) else origin.out
        return _Matching(self._reader, fanout, video=video, codec=codec)

    def _attach(self, origin: Fanout | Rendition, sink: _Matching) -> None:
        try:
            if isinstance(origin, Fanout):
                origin.attach(sink, replay=False)
            else:
                origin.attach(sink)
        except BaseException:
            origin.detach(sink)
            raise

    def _release(self, video: bool) -> None:
        taken = self._taken.pop(video, None)
        if taken is not None:
            taken[0].detach(taken[1])


class _Matching:
    """Lets through a fanout's first picture or sound in the codec that is wanted."""

    def __init__(self, reader: Reader, fanout: Fanout, *, video: bool, codec: Codec) -> None:
        self.codec = codec
        self._sink = FirstTrack(fanout, reader, video=video)

    def write(self, unit: AccessUnit) -> None:
        """Take one unit."""
        if unit.track.codec is self.codec:
            self._sink.write(unit)
