"""A still picture as a coded group of pictures that can be repeated for ever.

It stands in for a picture that is away: same codec, size and rate, so that a receiver's decoder goes on.
Coded once, because every repetition is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

from transport.errors import WireError
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import VideoNormalizer

_CLOCK_RATE = 90_000
#: Platforms want a keyframe at least every 4 s and advise 2.
_GOP_S = 2.0
_SMALLEST, _LARGEST = 16, 8192
# A still needs little after its keyframe; platforms that measure too little are told the rest by padding.
_ENCODERS = {Codec.H264: "libx264", Codec.H265: "libx265"}


@dataclass(frozen=True, slots=True)
class Still:
    """A coded still picture.

    Attributes:
        track: what its units belong to, clock rate 90000.
        pictures: data of one group of pictures, the first a keyframe.
        interval_s: from picture to picture.
    """

    track: Track
    pictures: tuple[bytes, ...]
    interval_s: float

    def unit(self, number: int, at_s: float, received_at: float) -> AccessUnit:
        """The picture of a number, counted from 0 without end."""
        place = number % len(self.pictures)
        ticks = round(at_s * _CLOCK_RATE)
        return AccessUnit(self.track, ticks, ticks, self.pictures[place], place == 0, received_at)


def make_still(codec: Codec, width: int, height: int, rate: float, image: Path | None = None) -> Still:
    """Code a still picture. Takes up to seconds: not for the event loop.

    Args:
        codec: H264 or H265.
        width: pixels; made even.
        height: as width.
        rate: pictures per second.
        image: any picture libav can read, scaled to fit; None for a plain one.

    Raises:
        WireError: the image cannot be read, or the size is not one of a picture.
        ValueError: not a picture codec.
    """
    if codec not in _ENCODERS:
        raise ValueError(f"{codec} is not a picture")
    if not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
        raise WireError(f"a still picture of {width}x{height} cannot be made")
    width, height = width // 2 * 2, height // 2 * 2
    rate = min(max(rate, 1.0), 120.0)
    planes = _plain(width, height) if image is None else _load(image, width, height)
    normalizer = VideoNormalizer(-1, codec, _CLOCK_RATE)
    context = _open(codec, width, height, rate)
    packets: list[bytes] = []
    for number in range(max(2, round(_GOP_S * rate))):
        frame = VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        frame.pict_type = PictureType.I if number == 0 else PictureType.NONE
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    units = [normalizer.unit(data, number, number, 0.0) for number, data in enumerate(packets)]
    made = [unit for unit in units if unit is not None]
    if not made or not made[0].keyframe or any(unit.keyframe for unit in made[1:]):
        raise WireError("the encoder made no group of pictures of the still picture")
    return Still(made[-1].track, tuple(unit.data for unit in made), 1 / rate)


def _open(codec: Codec, width: int, height: int, rate: float) -> VideoCodecContext:
    context = VideoCodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(context, VideoCodecContext)
    context.width = width
    context.height = height
    context.pix_fmt = "yuv420p"
    context.framerate = Fraction(rate).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.color_range = ColorRange.MPEG
    context.gop_size = 1 << 16
    context.max_b_frames = 0
    options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}
    if codec is Codec.H265:
        options["x265-params"] = "log-level=none:bframes=0:repeat-headers=1:keyint=-1:scenecut=0"
    else:
        options |= {"sc_threshold": "0", "forced-idr": "1"}
    context.options = options
    context.open()
    return context


def _plain(width: int, height: int) -> npt.NDArray[np.uint8]:
    """A dark ground, lighter to the middle, with the two bars that everybody takes for a pause."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    unit = min(width, height)
    distance = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    luma = 52 - 40 * np.clip(distance, 0, 0.7)
    across, down = np.abs(x - width / 2) / unit, np.abs(y - height / 2) / unit
    luma[(across > 0.03) & (across < 0.075) & (down < 0.11)] = 150
    planes = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    planes[:height] = luma.astype(np.uint8)
    return planes


def _load(image: Path, width: int, height: int) -> npt.NDArray[np.uint8]:
    """An image in the middle of a dark ground, as large as fits."""
    try:
        with av.open(str(image)) as container:
            picture = next(container.decode(video=0))
            assert isinstance(picture, VideoFrame)
    except (OSError, av.error.FFmpegError, IndexError, StopIteration) as error:
        raise WireError(f"the picture {image} cannot be read: {error}") from None
    scale = min(width / picture.width, height / picture.height)
    inner_w = max(2, round(picture.width * scale) // 2 * 2)
    inner_h = max(2, round(picture.height * scale) // 2 * 2)
    scaled = VideoReformatter().reformat(picture, inner_w, inner_h, "rgb24", dst_color_range=ColorRange.JPEG)
    ground = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    ground[top : top + inner_h, left : left + inner_w] = scaled.to_ndarray()
    frame = VideoFrame.from_ndarray(ground, format="rgb24")
    coded = VideoReformatter().reformat(frame, width, height, "yuv420p", dst_color_range=ColorRange.MPEG)
    return coded.to_ndarray().astype(np.uint8, copy=False)
