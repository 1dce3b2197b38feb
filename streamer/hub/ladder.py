"""The bitrate ladder of a stream: its picture in full, and smaller ones for lines that do not carry that.

Rung 0 is the full picture, the publisher's own or the rendition that everybody gets. The others are made from
the publisher's while somebody needs them, each by a transcoder of its own. Neighbours are about a factor of
two apart in bit rate: less would not be worth a transcoder, and more would leave lines half used.

The last rung has no picture of its own, but the keyframes alone of the one above: where that does not fit
either, the sound stays whole, and something is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from transport.media.shape import FULL
from transport.media.transcode import suggested_bitrate

#: Width and height of each rung, as parts of the full picture's.
SCALES: tuple[Fraction, ...] = (FULL, Fraction(2, 3), Fraction(4, 9), Fraction(3, 10))
#: The rung of keyframes alone.
STILLS = len(SCALES)
#: How far its keyframes are apart; a page takes what does not change for 2 s for something that has stopped.
STILLS_EVERY_S = 1.5
#: The smallest picture is for lines that carry next to nothing: it gets so much of what is usual for it.
_LAST_SHARE = 0.6
#: What keyframes take of that.
_STILLS_SHARE = 0.2
#: Of a picture with a smaller short side nothing smaller is made, in pixels.
_LEAST_SIDE = 300
#: A still picture takes next to nothing for a while; it will take no less than such a part of the usual.
_LEAST_SHARE = 1 / 3
_USUAL_FPS = 30.0
_USUAL_SIZE = (1280, 720)


def rungs(width: int, height: int, bitrate_bps: float, fps: float = 0.0) -> Sequence[int]:
    """What bit rate each rung's picture may take, in bits per second; the full one alone where it is small.

    A rung takes what is usual for its size, and where the full picture takes less than usual, so much less.

    Args:
        width: of the full picture in pixels, 0 while unknown.
        height: likewise.
        bitrate_bps: what the full picture takes now, 0 while unknown.
        fps: pictures per second, 0 while unknown.
    """
    width, height = (width, height) if width and height else _USUAL_SIZE
    usual = suggested_bitrate(width, height, fps or _USUAL_FPS)
    full = max(bitrate_bps or usual, usual * _LEAST_SHARE)
    if min(width, height) < _LEAST_SIDE:
        return [round(full)]
    smaller = [min(full, usual) * _share(scale) for scale in SCALES[1:]]
    return [round(each) for each in (full, *smaller, smaller[-1] * _STILLS_SHARE)]


def _share(scale: Fraction) -> float:
    # As bits grow with size in `suggested_bitrate`.
    share: float = float(scale) ** 1.5
    return share * _LAST_SHARE if scale == SCALES[-1] else share
