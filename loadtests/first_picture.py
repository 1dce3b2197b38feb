"""How soon a page shows its first picture, and how soon it plays on when its publisher returns.

    python -m loadtests first-picture [--runs 10] [--json FILE] [--record]

Each run opens the player page in a browser that has not seen it before, and reads when its first picture was
shown, counted from the beginning of the navigation. Runs are spread over the keyframe interval. The first one
finds a stream that nobody has watched: what must be transcoded for it is not yet. Programmes pushed over SRT
were encoded before, as the encoder is another machine's work.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from loadtests.results import report, report_arguments
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt, gstreamer_rtsp
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server, free_ports

_KEY = "key-of-the-encoder"
_PASSPHRASE = "correct horse battery"
_PUBLISHED = f"""
[streams.cam]
publish_key = "{_KEY}"
passphrase = "{_PASSPHRASE}"
public = true
"""
_STREAM_ID = f"#!::r=cam,m=publish,s={_KEY}"
_GOP_S = 4.0

_SOURCES = {
    "SRT, H.264, AAC": Programme("1280x720", gop_s=_GOP_S, bitrate_kbps=2500),
    "SRT, H.264 with B-frames, AAC": Programme("1280x720", gop_s=_GOP_S, video="h264-b", bitrate_kbps=2500),
    "SRT, H.265, AAC": Programme("640x360", gop_s=_GOP_S, video="h265"),
    "RTSP, H.264, AAC": None,
}


@contextmanager
def live(programme: Programme | None) -> Iterator[Server]:
    """A server with one live stream, pushed to it or, for None, pulled from a camera."""
    if programme is not None:
        with (
            Server(_PUBLISHED) as server,
            ffmpeg_srt(server.srt_port, _STREAM_ID, programme, passphrase=_PASSPHRASE, recorded=True),
        ):
            server.wait_live("cam")
            yield server
        return
    (port,) = free_ports(1)
    url = f"rtsp://127.0.0.1:{port}/cam"
    with (
        gstreamer_rtsp(port, gop_s=_GOP_S),
        Server(f'[streams.cam]\nsource = "{url}"\npublic = true\n') as server,
    ):
        server.wait_live("cam", 40)
        yield server


async def first_pictures(server: Server, runs: int) -> list[float]:
    """Open the page that often; milliseconds to the first picture."""
    times: list[float] = []
    async with chromium() as browser:
        warm = await Watcher.open(browser, f"{server.url}/")
        await warm.page.wait_for_load_state("load")
        await warm.close()
        for _ in range(runs):
            # Anywhere in the group of pictures, once the one before has been long enough.
            await asyncio.sleep(random.uniform(0.2, 0.2 + _GOP_S))
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            report = await watcher.wait_for(lambda r: r["firstFrameMs"] is not None, 20, "the first picture")
            times.append(float(report["firstFrameMs"]))
            await watcher.close()
    return times


def _shows_more_than(pictures: int) -> Callable[[dict[str, Any]], bool]:
    return lambda report: bool(report["video"] and report["video"]["framesDecoded"] > pictures)


async def returns(runs: int) -> list[float]:
    """Kill the publisher and start it again; milliseconds from its first unit to the page's next picture."""
    programme = Programme("1280x720", gop_s=_GOP_S, bitrate_kbps=2500)
    times: list[float] = []
    with Server(_PUBLISHED) as server:
        async with chromium() as browser:
            encoder = ffmpeg_srt(server.srt_port, _STREAM_ID, programme, passphrase=_PASSPHRASE)
            encoder.start()
            server.wait_live("cam")
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            for _ in range(runs):
                encoder.kill()
                await asyncio.to_thread(
                    wait_until, lambda: server.stream("cam")["state"] != "live", 20, "the loss to be noticed"
                )
                before = await watcher.frames()
                encoder = ffmpeg_srt(server.srt_port, _STREAM_ID, programme, passphrase=_PASSPHRASE)
                encoder.start()
                await asyncio.to_thread(
                    wait_until, lambda: server.stream("cam")["state"] == "live", 20, "the publisher"
                )
                back = time.monotonic()
                await watcher.wait_for(_shows_more_than(before), 20, "the next picture")
                times.append((time.monotonic() - back) * 1000)
            assert await watcher.page.evaluate("streamerPlayer.reconnects") == 0
            encoder.stop()
    return times


async def measure(runs: int) -> dict[str, list[float]]:
    """Everything this program measures, in milliseconds."""
    results: dict[str, list[float]] = {}
    for name, programme in _SOURCES.items():
        with live(programme) as server:
            results[name] = await first_pictures(server, runs)
    results["publisher back → page plays on"] = await returns(max(3, runs // 3))
    return results


def table(results: dict[str, list[float]]) -> str:
    """As Markdown."""
    lines = ["| | runs | p50 ms | first run ms | longest ms |", "|---|---|---|---|---|"]
    lines += [
        f"| {name} | {len(times)} | {statistics.median(times):.0f} | {times[0]:.0f} | {max(times):.0f} |"
        for name, times in results.items()
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="loadtests first-picture", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=10)
    report_arguments(parser)
    given = parser.parse_args(arguments)
    measured = asyncio.run(measure(given.runs))
    report(table(measured), measured, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
