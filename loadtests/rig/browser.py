"""Chromium, driven by Playwright, watching a page of the server."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

#: Names it has, the preferred one first.
PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]
#: The browser must not try to reach its maker, and sound must play without a click.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
#: A camera and a microphone that are made up, and that no page has to ask for.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

_ANSWER_S = 30

_REPORT = """async () => {
    const player = window.streamerPlayer;
    const reports = player?.session?.pc ? [...(await player.session.pc.getStats()).values()] : [];
    const inbound = kind => reports.find(r => r.type === 'inbound-rtp' && r.kind === kind) || null;
    const video = inbound('video'), codec = reports.find(r => r.id === video?.codecId);
    return {state: player?.state ?? null, firstFrameMs: player?.timeToFirstFrameMs ?? null,
            video, audio: inbound('audio'), codec: codec?.mimeType ?? null,
            transport: reports.find(r => r.type === 'transport') || null,
            width: document.querySelector('video')?.videoWidth ?? 0};
}"""


def chromium_path() -> str:
    """Where it is.

    Raises:
        RuntimeError: not on this machine.
    """
    for path in map(shutil.which, PROGRAMS):
        if path is not None:
            return path
    raise RuntimeError("no Chromium on this machine; run ops/bootstrap.sh test")


@asynccontextmanager
async def chromium(path: Path | None = None, *, has_camera: bool = False) -> AsyncIterator[Browser]:
    """A headless browser.

    Args:
        path: a program that starts one, None for the machine's own.
        has_camera: it has a camera and a microphone.
    """
    path = path or Path(chromium_path())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=[*ARGUMENTS, *(CAMERA if has_camera else ())]
        )
        try:
            yield browser
        finally:
            await browser.close()


class Watcher:
    """One page that watches a stream.

    Attributes:
        page: Playwright's page.
        problems: what the page complained of in its console.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda message: self.problems.append(message.text) if message.type == "error" else None,
        )

    @classmethod
    async def open(cls, browser: Browser, url: str) -> Watcher:
        """Open a page in a context of its own, as a new visitor."""
        context = await browser.new_context()
        watcher = cls(await context.new_page())
        await watcher.page.goto(url, wait_until="commit")
        return watcher

    async def unmute(self) -> None:
        """Have it heard, by the key: the buttons hide after a while without a pointer."""
        await self.page.keyboard.press("m")

    async def close(self) -> None:
        """Close the page, which says goodbye, and forget its visitor.

        A page that Chromium does not close, as happens now and then to one that is still loading, is left to
        end with the browser.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                await self.page.close()
                await self.page.context.close()

    async def report(self) -> dict[str, Any]:
        """The player's state and the browser's WebRTC statistics.

        Raises:
            TimeoutError: the page does not answer; Playwright itself would wait for ever.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                report: dict[str, Any] = await self.page.evaluate(_REPORT)
        except TimeoutError:
            raise TimeoutError(f"{self.page.url} gave no report for {_ANSWER_S} s {self.problems}") from None
        return report

    async def frames(self) -> int:
        """Pictures decoded so far on the present connection."""
        video = (await self.report())["video"]
        return int(video["framesDecoded"]) if video else 0

    async def wait_for(
        self, condition: Callable[[dict[str, Any]], bool], timeout_s: float, what: str
    ) -> dict[str, Any]:
        """Wait until a report satisfies a condition; return that report.

        Raises:
            TimeoutError: it did not happen; carries the last report.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            report = await self.report()
            if condition(report):
                return report
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}: {report} {self.problems}")
            await asyncio.sleep(0.05)

    async def wait_playing(self, timeout_s: float = 20.0) -> dict[str, Any]:
        """Wait for pictures."""
        return await self.wait_for(
            lambda report: bool(report["video"] and report["video"]["framesDecoded"] > 5 and report["width"]),
            timeout_s,
            "pictures",
        )

    async def wait_more(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait for that many more pictures."""
        start = await self.frames()
        await self.wait_for(
            lambda report: bool(report["video"]) and report["video"]["framesDecoded"] >= start + count,
            timeout_s,
            f"{count} more pictures",
        )
