from __future__ import annotations

import json

import numpy as np
import pytest

from loadtests.rig.browser import chromium
from loadtests.rig.counter import BLOCKS, SCRIPT, bits_of, draw, number_of

NUMBERS = (0, 1, 255, 256, 0x5A5A5A, 0xABCDEF, (1 << 24) - 1)


def levels(number: int) -> list[int]:
    return [235 if bit else 16 for bit in bits_of(number)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_comes_back(number: int):
    assert len(bits_of(number)) == BLOCKS
    assert number_of(levels(number)) == number


def test_a_number_that_does_not_fit_is_refused():
    for number in (-1, 1 << 24):
        with pytest.raises(ValueError, match="expected 0 to 16777215"):
            bits_of(number)


def test_any_wrong_block_is_noticed():
    for number in NUMBERS:
        for block in range(BLOCKS):
            row = levels(number)
            row[block] = 251 - row[block]
            assert number_of(row) is None


def test_what_is_no_row_shows_no_number():
    assert number_of([16] * BLOCKS) is None
    assert number_of([235] * BLOCKS) is None
    assert number_of([128] * BLOCKS) is None
    assert number_of(levels(7)[:-1]) is None
    torn = levels(1000)[: BLOCKS // 2] + levels(777_777)[BLOCKS // 2 :]
    assert number_of(torn) is None


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (1300, 200)])
def test_the_row_is_drawn_over_the_top_and_nothing_else(width: int, height: int):
    luma = np.full((height, width), 128, np.uint8)
    draw(luma, 0xABCDEF)
    side = width // BLOCKS
    assert number_of([int(luma[side // 2, side * block + side // 2]) for block in range(BLOCKS)]) == 0xABCDEF
    assert (luma[side:] == 128).all()
    assert (luma[:side, : side * BLOCKS] != 128).all()
    assert (luma[:, side * BLOCKS :] == 128).all()


@pytest.mark.browser
async def test_a_page_reads_what_was_drawn():
    """The script reads a video; here it is a canvas that plays, with one number after the other."""
    rows = json.dumps([bits_of(number) for number in NUMBERS])
    play = f"""async () => {{
        const source = document.createElement('canvas'), pen = source.getContext('2d');
        Object.assign(source, {{width: 1280, height: 720}});
        const video = document.createElement('video');
        Object.assign(video, {{muted: true, srcObject: source.captureStream(30)}});
        document.body.append(video);
        window.paint = row => row.forEach((bit, at) => {{
            pen.fillStyle = bit ? '#fff' : '#000';
            pen.fillRect(40 * at, 0, 40, 40);
        }});
        window.rows = {rows};
        paint(window.rows[0]);
        await video.play();
    }}"""
    async with chromium() as browser:
        page = await browser.new_page()
        await page.evaluate(play)
        await page.evaluate(SCRIPT)
        for index, number in enumerate(NUMBERS):
            await page.evaluate(f"window.painting = setInterval(() => paint(rows[{index}]), 10)")
            await page.wait_for_function(f"window.seen.at(-1)?.[0] === {number}")
            await page.evaluate("clearInterval(window.painting)")
        assert await page.evaluate("seen.every(([, at]) => Math.abs(at - Date.now()) < 60000)")
