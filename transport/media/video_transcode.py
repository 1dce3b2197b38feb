"""Any picture to H.264 that every browser plays: Constrained Baseline, no B-frames, one picture in, one out.

Three steps: `decode.py` decodes, `shape.py` makes progressive pictures of 8 bits with square pixels and at
most 1080 lines, `_Encoder` is libx264 without look-ahead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange

from transport.media.decode import TolerantDecoder
from transport.media.shape import FULL, PictureShaper
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import VideoNormalizer

_DECODERS = {Codec.H264: "h264", Codec.H265: "hevc", Codec.MPEG2: "mpeg2video", Codec.MJPEG: "mjpeg"}

_ASSUMED_RATE = Fraction(30)
_RATE_WINDOW = 30  # pictures
_COLORSPACE_RGB = 0
_COLORSPACE_UNSPECIFIED = 2


def suggested_bitrate(width: int, height: int, rate: float) -> int:
    """Bits per second that baseline H.264 needs for a good live picture: 2.8 Mb/s for 720p30, 5 for 1080p30.

    Grows slower than the number of pixels, because larger pictures hold more of what is easily predicted.
    """
    return max(300_000, int(2_800_000 * (width * height * rate / (1280 * 720 * 30)) ** 0.75))


@dataclass(frozen=True, slots=True)
class H264Options:
    """How to encode.

    Attributes:
        keyframe_interval_s: at most this far apart; what a viewer waits for after a loss.
        max_bitrate: bits per second, over half a second; None: `suggested_bitrate` of the picture.
        crf: x264's quality aim, lower is better; the bit rate stays below the maximum when it suffices.
        preset: x264's; `superfast` costs two thirds of `veryfast` and needs a fifth more bits.
        scale: of what fits, so much of its width and of its height: 1 or less.
        threads: slices of a picture that are encoded, and decoded where the source has any, in parallel.
    """

    keyframe_interval_s: float = 2.0
    max_bitrate: int | None = None
    crf: int = 23
    preset: str = "veryfast"
    scale: Fraction = FULL
    threads: int = 2


class H264Transcoder:
    """Turns one picture track into H.264 Constrained Baseline on the same clock.

    Latency: a unit's picture leaves in the same call when the source has no reordering. With B-frames a
    picture leaves when its turn has come, that is as many units later as the source's reordering depth (2 for
    x264 and x265 with 3 B-frames and a pyramid); slice threads add nothing, unlike frame threads, which would
    add one unit each. Interlaced sources are deinterlaced, which adds one unit.

    Output begins at the source's first keyframe, and again after the decoder had to be given up. A change
    of the picture's size starts a new encoder, hence a keyframe with new parameter sets and a new Track.
    HDR transfer curves are passed on, not converted.

    Not safe for use from several threads at once.

    Attributes:
        track: what comes out; parameter sets and size are empty before the first unit.
        skipped: units not given to the decoder, because it was waiting for a keyframe.
        repeated: pictures dropped because their time was not later than the one before.
        passed_over: pictures not encoded, to catch up with the source.
    """

    def __init__(self, track: Track, options: H264Options | None = None) -> None:
        """Make a transcoder.

        Args:
            track: the source.
            options: defaults suit a live picture.

        Raises:
            ValueError: not a picture track.
        """
        if track.codec not in _DECODERS:
            raise ValueError(f"{track.codec} is not a picture")
        self.track = Track(
            id=track.id, codec=Codec.H264, clock_rate=track.clock_rate, language=track.language
        )
        self.skipped = 0
        self.repeated = 0
        self.passed_over = 0
        self._options = options or H264Options()
        self._source = track
        self._context: VideoCodecContext | None = None
        self._decoder: TolerantDecoder[VideoFrame] = TolerantDecoder(self._open_decoder)
        self._restarts_seen = 0
        self._waiting = True
        self._shaper = PictureShaper(track.clock_rate, self._options.scale)
        self._encoder: _Encoder | None = None
        self._rate = _RateMeter(track.clock_rate)
        self._keyframe_wanted = False
        self._last_pts: int | None = None
        self._source_pts = 0  # of the latest unit

    @property
    def errors(self) -> int:
        """Units that could not be decoded."""
        return self._decoder.errors

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self._keyframe_wanted = True

    def transcode(self, unit: AccessUnit, *, late: bool = False) -> list[AccessUnit]:
        """Give it one unit, take the pictures that are ready.

        Args:
            unit: the next one of the source.
            late: more of the source is waiting: decode, but do not spend time on encoding.

        Returns:
            H.264 units, pts equal to dts and increasing, on the input's clock; parameter sets on keyframes.
        """
        if unit.track.codec != self._source.codec:
            self._decoder.restart()
        self._source = unit.track
        self._source_pts = unit.pts
        if self._restarts_seen != self._decoder.restarts:
            self._restarts_seen = self._decoder.restarts
            self._waiting = True
        if self._waiting and not unit.keyframe:
            self.skipped += 1
            return []
        self._waiting = False
        frames = self._decoder.decode(unit)
        if late:
            self.passed_over += len(frames)
            return []
        return self._encode_all(frames, unit.received_at)

    def flush(self) -> list[AccessUnit]:
        """End: the pictures that waited for their turn. A unit given later must be a keyframe."""
        self._waiting = True
        return self._encode_all(self._decoder.drain(), 0.0)

    def _encode_all(self, frames: list[VideoFrame], received_at: float) -> list[AccessUnit]:
        units = []
        pixel_aspect = self._context.sample_aspect_ratio if self._context else None
        for decoded in frames:
            try:
                for frame in self._shaper.shape(decoded, pixel_aspect or Fraction(1)):
                    units += self._encode(frame, received_at)
            except av.error.FFmpegError:
                # A picture of a size or format that a filter or the encoder does not take.
                self._decoder.errors += 1
                self._encoder = None
        return units

    def _encode(self, frame: VideoFrame, received_at: float) -> list[AccessUnit]:
        pts = frame.pts
        if pts is None:
            return []
        if self._last_pts is not None and pts <= self._last_pts:
            # After a loss, decoders may hand out a picture that they held for all that time.
            is_stale = self._source_pts > self._last_pts
            if is_stale or self._last_pts - pts < self.track.clock_rate:
                self.repeated += 1
                return []
            self._encoder = None  # the source's clock started again; x264 wants time to grow
        self._last_pts = pts
        self._rate.measure(pts)
        rate = self._rate.measured or self._declared_rate()
        if self._encoder is None or not self._encoder.suits(frame, rate):
            self._encoder = _Encoder(self._source, frame, rate, self._options)
        unit = self._encoder.encode(frame, received_at, force_keyframe=self._keyframe_wanted)
        if unit is None:
            return []
        self._keyframe_wanted = False
        self.track = unit.track
        return [unit]

    def _declared_rate(self) -> Fraction:
        declared = self._context.framerate if self._context else None
        return declared if declared and 1 <= declared <= 240 else _ASSUMED_RATE

    def _open_decoder(self, track: Track) -> VideoCodecContext:
        context = VideoCodecContext.create(_DECODERS[track.codec], "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_type = "SLICE"
        context.thread_count = self._options.threads
        self._context = context
        return context


class _Encoder:
    """libx264 for one picture size and rate."""

    def __init__(self, source: Track, frame: VideoFrame, rate: Fraction, options: H264Options) -> None:
        maximum = options.max_bitrate or suggested_bitrate(frame.width, frame.height, float(rate))
        context = VideoCodecContext.create("libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.width = frame.width
        context.height = frame.height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, source.clock_rate)
        context.framerate = rate
        context.thread_count = options.threads
        context.colorspace = (
            _COLORSPACE_UNSPECIFIED if frame.colorspace == _COLORSPACE_RGB else frame.colorspace
        )
        context.color_primaries = frame.color_primaries
        context.color_trc = frame.color_trc
        context.color_range = ColorRange.MPEG
        context.gop_size = 1 << 16  # keyframes are placed by time, below
        context.options = {
            "preset": options.preset,
            "tune": "zerolatency",
            "profile": "baseline",
            "crf": str(options.crf),
            "maxrate": str(maximum),
            "bufsize": str(maximum // 2),
            "sc_threshold": "0",  # a keyframe at every cut would break the rate just when the picture is hard
            "forced-idr": "1",
        }
        context.open()
        self._context = context
        self._rate = rate
        self._normalizer = VideoNormalizer(source.id, Codec.H264, source.clock_rate, language=source.language)
        # Half a picture early, or the interval would be one picture longer than asked for.
        half_picture = source.clock_rate / (2 * float(rate))
        self._interval = options.keyframe_interval_s * source.clock_rate - half_picture
        self._keyframe_at: float | None = None

    def suits(self, frame: VideoFrame, rate: Fraction) -> bool:
        """False when this picture needs another encoder."""
        return (
            (frame.width, frame.height) == (self._context.width, self._context.height)
            # x264's rate control counts pictures, not time.
            and 0.8 < rate / self._rate < 1.25
        )

    def encode(self, frame: VideoFrame, received_at: float, *, force_keyframe: bool) -> AccessUnit | None:
        """Encode one picture; it comes out at once."""
        assert frame.pts is not None
        key = force_keyframe or self._keyframe_at is None or frame.pts - self._keyframe_at >= self._interval
        if key:
            self._keyframe_at = frame.pts
        # Decoded pictures still carry the source's type, which x264 would take for an order.
        frame.pict_type = PictureType.I if key else PictureType.NONE
        frame.time_base = self._context.time_base
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        return self._normalizer.unit(data, frame.pts, frame.pts, received_at) if data else None


class _RateMeter:
    """Pictures per second, from the distance of their timestamps."""

    def __init__(self, clock_rate: int) -> None:
        self.measured: Fraction | None = None
        self._clock_rate = clock_rate
        self._last: int | None = None
        self._distances: deque[int] = deque(maxlen=_RATE_WINDOW)

    def measure(self, pts: int) -> None:
        """Take the next picture's time, in the order they are shown."""
        if self._last is not None and pts > self._last:
            self._distances.append(pts - self._last)
        self._last = pts
        if len(self._distances) == _RATE_WINDOW:
            median = sorted(self._distances)[_RATE_WINDOW // 2]
            usual = [distance for distance in self._distances if distance < 3 * median]  # nothing lost
            self._distances.clear()
            rate = Fraction(self._clock_rate * len(usual), sum(usual))
            self.measured = min(max(rate, Fraction(1)), Fraction(240))
