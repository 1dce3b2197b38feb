"""A frame's number as a row of black and white blocks, to be read back from wherever the picture is shown.

24 bits of number and 8 that check it. The blocks are far larger than what a codec treats as one, and the
check tells a number from a torn, grey, black or white row. `SCRIPT` reads the same in a page.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_NUMBER_BITS, _CHECK_BITS = 24, 8
BLOCKS = _NUMBER_BITS + _CHECK_BITS
#: Luma of studio range; and the levels, after conversion to full range, between which a block is neither.
_BLACK, _WHITE = 16, 235
_UNSURE = range(80, 176)
#: Neither all black nor all white is a valid row.
_CHECK_OF_ZERO = 0x5A


def bits_of(number: int) -> list[int]:
    """The row: number and check, most significant bit first.

    Raises:
        ValueError: more than 24 bits.
    """
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError(f"frame {number}, expected 0 to {(1 << _NUMBER_BITS) - 1}")
    row = number << _CHECK_BITS | _check(number)
    return [row >> place & 1 for place in reversed(range(BLOCKS))]


def number_of(levels: Sequence[int]) -> int | None:
    """The number that a row of brightnesses (0 to 255) shows, None for no valid row."""
    if len(levels) != BLOCKS or any(level in _UNSURE for level in levels):
        return None
    row = 0
    for level in levels:
        row = row << 1 | (level >= _UNSURE.stop)
    number = row >> _CHECK_BITS
    return number if row & (1 << _CHECK_BITS) - 1 == _check(number) else None


def draw(luma: npt.NDArray[np.uint8], number: int) -> None:
    """Draw the row over the top of a luma plane, in square blocks."""
    side = luma.shape[1] // BLOCKS
    row = np.where(np.array(bits_of(number), np.uint8), _WHITE, _BLACK).astype(np.uint8)
    luma[:side, : side * BLOCKS] = np.repeat(row, side)


def _check(number: int) -> int:
    return number & 0xFF ^ number >> 8 & 0xFF ^ number >> 16 ^ _CHECK_OF_ZERO


#: Watches the page's video from now on; `window.seen` holds [number, milliseconds since 1970] of each frame.
#: The canvas is one pixel high and takes the middle of the row. The page's clock counts from its own start,
#: which may be off; so it is compared with the system's clock, of whole milliseconds, over and over.
SCRIPT = f"""() => {{
    const video = document.querySelector('video'), canvas = document.createElement('canvas');
    Object.assign(canvas, {{width: {BLOCKS * 3}, height: 1}});
    const context = canvas.getContext('2d', {{willReadFrequently: true}});
    context.imageSmoothingEnabled = false;
    window.seen = [];
    window.unread = 0;
    window.clocks = [];
    const numberOf = pixels => {{
        let row = 0n;
        for (let block = 0; block < {BLOCKS}; block++) {{
            const at = 4 * (3 * block + 1), level = (pixels[at] + pixels[at + 1] + pixels[at + 2]) / 3;
            if (level >= {_UNSURE.start} && level < {_UNSURE.stop}) return null;
            row = row << 1n | (level >= {_UNSURE.stop} ? 1n : 0n);
        }}
        const number = Number(row >> {_CHECK_BITS}n), check = Number(row & {(1 << _CHECK_BITS) - 1}n);
        const expected = (number ^ number >> 8 ^ number >> 16) & 255 ^ {_CHECK_OF_ZERO};
        return check === expected ? number : null;
    }};
    const look = () => {{
        const side = Math.floor(video.videoWidth / {BLOCKS}), width = side * {BLOCKS};
        context.drawImage(video, 0, Math.floor(side / 2), width, 1, 0, 0, {BLOCKS * 3}, 1);
        const number = numberOf(context.getImageData(0, 0, {BLOCKS * 3}, 1).data);
        const now = performance.timeOrigin + performance.now();
        window.clocks.push(Date.now() - now);
        if (number === null) window.unread += 1;
        else window.seen.push([number, now]);
        video.requestVideoFrameCallback(look);
    }};
    video.requestVideoFrameCallback(look);
}}"""
