"""A small JPEG of a stream, from one keyframe."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Interpolation

from transport.errors import WireError
from transport.media.shape import square_size
from transport.media.unit import AccessUnit, Codec

_DECODERS = {Codec.H264: "h264", Codec.H265: "hevc", Codec.MPEG2: "mpeg2video", Codec.MJPEG: "mjpeg"}
_QUALITY = 5  # of mjpeg's 2 (best) to 31


def render_thumbnail(unit: AccessUnit, width: int = 480) -> bytes:
    """Decode a keyframe and make a JPEG of it.

    Args:
        unit: a keyframe of a picture track.
        width: pixels; the height follows from the picture's shape. Never enlarged.

    Returns:
        A baseline JPEG.

    Raises:
        WireError: nothing in the unit could be decoded.
        ValueError: not a keyframe of a picture track.
    """
    if unit.track.codec not in _DECODERS or not unit.keyframe:
        raise ValueError(f"a thumbnail needs a keyframe, not a {unit.track.codec} unit")
    try:
        frame, pixel_aspect = _decode(unit)
        return _encode(frame, pixel_aspect, width)
    except av.error.FFmpegError as error:
        raise WireError(f"keyframe cannot be decoded: {error.strerror}") from error


def _decode(unit: AccessUnit) -> tuple[VideoFrame, Fraction]:
    decoder = VideoCodecContext.create(_DECODERS[unit.track.codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    # Threads would be started and stopped again for a single picture.
    decoder.thread_count = 1
    packet: Packet[Any] = Packet(unit.data)
    frames = (decoder.decode(packet) if unit.data else []) + decoder.decode(None)
    if not frames:
        raise WireError("keyframe cannot be decoded: no picture in it")
    return frames[0], decoder.sample_aspect_ratio or Fraction(1)


def _encode(frame: VideoFrame, pixel_aspect: Fraction, width: int) -> bytes:
    square_width, square_height = square_size(frame.width, frame.height, pixel_aspect)
    width = max(2, min(width, int(square_width)) // 2 * 2)
    height = max(2, round(square_height * width / square_width / 2) * 2)
    full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    small = frame.reformat(
        width=width,
        height=height,
        format="yuvj420p",
        interpolation=Interpolation.AREA,
        src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        dst_colorspace="ITU601",  # what JFIF says
    )
    small.pict_type = PictureType.NONE
    small.pts = 0
    small.time_base = Fraction(1, 25)
    encoder = VideoCodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width = width
    encoder.height = height
    encoder.pix_fmt = "yuvj420p"
    encoder.color_range = ColorRange.JPEG
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.qmin = encoder.qmax = _QUALITY
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
