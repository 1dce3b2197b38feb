"""Pictures that Constrained Baseline H.264 can carry, from any that a decoder hands out."""

from __future__ import annotations

from fractions import Fraction

import av.error
from av.filter.graph import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter

_LONG_SIDE = 1920
_SHORT_SIDE = 1080
#: As large as it fits.
FULL = Fraction(1)


class PictureShaper:
    """Makes pictures progressive, 4:2:0, 8 bits, limited range, with square pixels and at most 1080 lines.

    With a `scale` they are made smaller besides.

    Deinterlacing starts with the first interlaced picture and stays on, because it delays by one picture;
    those not marked as interlaced pass through it unchanged.
    """

    def __init__(self, clock_rate: int, scale: Fraction = FULL) -> None:
        """Args: ticks per second of the pictures' pts; of width and height, see `fitting_size`."""
        self._clock_rate = clock_rate
        self._scale_by = scale
        self._reformatter = VideoReformatter()
        self._deinterlacer: Graph | None = None
        self._deinterlaced: tuple[int, int, str] | None = None

    def shape(self, frame: VideoFrame, pixel_aspect: Fraction) -> list[VideoFrame]:
        """Shape one picture; none or several come back where deinterlacing delays.

        Raises:
            av.error.FFmpegError: a format that libav cannot convert.
        """
        if not frame.interlaced_frame and self._deinterlacer is None:
            return [self._scale(frame, pixel_aspect)]
        return [self._scale(out, pixel_aspect) for out in self._deinterlace(frame)]

    def _scale(self, frame: VideoFrame, pixel_aspect: Fraction) -> VideoFrame:
        width, height = fitting_size(frame.width, frame.height, pixel_aspect, self._scale_by)
        full_range = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        shaped = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            src_color_range=ColorRange.JPEG if full_range else None,
            dst_color_range=ColorRange.MPEG if full_range else None,
        )
        shaped.pts = frame.pts
        return shaped

    def _deinterlace(self, frame: VideoFrame) -> list[VideoFrame]:
        source = (frame.width, frame.height, frame.format.name)
        if self._deinterlacer is None or source != self._deinterlaced:
            graph = Graph()
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width,
                    height=frame.height,
                    format=frame.format,
                    time_base=Fraction(1, self._clock_rate),
                ),
                graph.add("bwdif", mode="send_frame", deint="interlaced"),
                graph.add("buffersink"),
            ).configure()
            self._deinterlacer, self._deinterlaced = graph, source
        frame.time_base = Fraction(1, self._clock_rate)
        self._deinterlacer.vpush(frame)
        out: list[VideoFrame] = []
        while True:
            try:
                progressive = self._deinterlacer.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return out
            if progressive.pts is not None and progressive.time_base is not None:
                # The filter counts in half ticks.
                progressive.pts = int(progressive.pts * progressive.time_base * self._clock_rate)
            out.append(progressive)


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[float, float]:
    """Size in square pixels, not rounded; an absurd pixel shape is taken for an error and ignored."""
    if Fraction(1, 4) <= pixel_aspect <= 4:
        return float(width * pixel_aspect), float(height)
    return float(width), float(height)


def fitting_size(
    width: int, height: int, pixel_aspect: Fraction, scale_by: Fraction = FULL
) -> tuple[int, int]:
    """Width and height with square pixels, even, within 1920x1080 lying or standing; never enlarged to it.

    Args:
        width: of the picture as it is, as `height`.
        height: in pixels.
        pixel_aspect: width of a pixel by its height.
        scale_by: what becomes of what fits: so much of its width and of its height, at most 1.
    """
    wide, high = square_size(width, height, pixel_aspect)
    scale = min(1.0, _LONG_SIDE / max(wide, high), _SHORT_SIDE / min(wide, high)) * float(scale_by)
    return max(2, round(wide * scale / 2) * 2), max(2, round(high * scale / 2) * 2)
