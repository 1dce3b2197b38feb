"""How old a picture is when Chromium shows it, and how much of that is the server's doing.

    python -m loadtests latency [--seconds 20] [--srt-latency-ms 20] [--size 1280x720] [--mbps 2.5]
        [--no-sound] [--json FILE]

An encoder burns a counter into its pictures (`rig/counter.py`), notes when each of them entered it, left it
and was handed to the SRT socket (`rig/counting_encoder.py`), and pushes to the server with AES-256. Chromium
plays the server's own page, draws every frame it presents to a canvas and reads the counter back; both clocks
are the machine's.

The server's own part is measured from outside, by a viewer beside Chromium that decrypts: the moment it has
the last packet of a picture, minus the moment its last byte was handed to SRT, minus SRT's latency. SRT keeps
everything for exactly so long after it was sent, on purpose, and hands it to the server then. The picture is
recognised by its last bytes, which packetising leaves as they are. What is left holds the server's looking
for messages every 4 ms, demultiplexing, pacing, encryption, two hops over loopback, and the waking of the
viewer: it is an upper bound. What the server says of itself, "access unit written to last packet handed to
the kernel", is shown too if it says so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.crowd.crowd import Whep
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer
from loadtests.fanout import percentile
from loadtests.results import report, report_arguments
from loadtests.rig import counter
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.counting_encoder import TAIL_BYTES, Picture
from loadtests.rig.process import Process
from loadtests.rig.server import Server

_KEY = "key-of-the-encoder"
_PASSPHRASE = "correct horse battery"
_STREAM = f"""
[streams.cam]
publish_key = "{_KEY}"
passphrase = "{_PASSPHRASE}"
public = true
"""
#: Joining, and the browser's estimate of jitter, are over by then.
_SETTLE_S = 5.0
#: The encoder outlives the window, so that its end is not part of it.
_MARGIN_S = 20.0
_PROMISED_CANVAS_MS, _PROMISED_SERVER_MS = 250.0, 10.0
_SAID = ("send_delay_p50_ms", "send_delay_p99_ms", "send_delay_max_ms")


@dataclass(frozen=True, slots=True)
class Result:
    """Delays in milliseconds, one for each picture of the window.

    Attributes:
        encoder_ms: from entering the encoder to leaving it.
        entered_to_canvas_ms: from entering the encoder to the canvas.
        sent_to_canvas_ms: from the SRT socket to the canvas.
        server_ms: the server's own part.
        sent: pictures of the window.
        unread: frames presented whose counter could not be read.
        clock_ms: by which the page's clock was off; already taken off.
        said: what the server says of itself.
    """

    encoder_ms: list[float]
    entered_to_canvas_ms: list[float]
    sent_to_canvas_ms: list[float]
    server_ms: list[float]
    sent: int
    unread: int
    clock_ms: float
    said: dict[str, float | None]


def arithmetic(
    pictures: Sequence[Picture],
    seen: Sequence[tuple[int, float]],
    arrivals: Mapping[str, float],
    *,
    window: tuple[float, float],
    srt_latency_ms: float,
    clock_ms: float = 0.0,
    unread: int = 0,
    said: Mapping[str, Any] | None = None,
) -> Result:
    """Put what encoder, page and viewer saw together.

    Args:
        pictures: what the encoder wrote.
        seen: number and milliseconds since 1970, by the page's clock, of each frame presented.
        arrivals: of the last packet of each picture, seconds since 1970, by its last bytes.
        window: pictures sent between these moments count.
        srt_latency_ms: negotiated.
        clock_ms: what the page's clock lacks.
        unread: frames presented without a readable counter.
        said: the server's description of itself.
    """
    shown: dict[int, float] = {}
    for number, at_ms in seen:
        shown.setdefault(number, at_ms + clock_ms)
    counted = [picture for picture in pictures if window[0] <= picture.sent_at < window[1]]
    tails = [picture.tail for picture in counted]
    return Result(
        encoder_ms=[1000 * (p.encoded_at - p.entered_at) for p in counted],
        entered_to_canvas_ms=[shown[p.number] - 1000 * p.entered_at for p in counted if p.number in shown],
        sent_to_canvas_ms=[shown[p.number] - 1000 * p.sent_at for p in counted if p.number in shown],
        server_ms=[
            1000 * (arrivals[p.tail] - p.sent_at) - srt_latency_ms
            for p in counted
            if p.tail in arrivals and tails.count(p.tail) == 1
        ],
        sent=len(counted),
        unread=unread,
        clock_ms=clock_ms,
        said={name: (said or {})[name] for name in _SAID if name in (said or {})},
    )


def table(result: Result) -> str:
    """As Markdown, with what should be known besides."""
    lines = ["| | pictures | p50 ms | p95 ms | p99 ms |", "|---|---|---|---|---|"]
    for name, values in (
        ("encoder", result.encoder_ms),
        ("into the encoder → canvas", result.entered_to_canvas_ms),
        ("**handed to SRT → canvas**", result.sent_to_canvas_ms),
        ("**the server's own part**", result.server_ms),
    ):
        figures = " | ".join(f"{percentile(values, share):.1f}" for share in (0.5, 0.95, 0.99))
        lines.append(f"| {name} | {len(values)} | {figures} |")
    shown = len(result.sent_to_canvas_ms)
    remarks = [f"{shown} of {result.sent} pictures were seen on the canvas, {result.unread} unreadable"]
    if result.said:
        told = ", ".join(
            f"{name.removeprefix('send_delay_').removesuffix('_ms')} "
            + ("none yet" if value is None else f"{value:.1f} ms")
            for name, value in result.said.items()
        )
        remarks.append(f"the server says, access unit written → last packet handed to the kernel: {told}")
    return "\n".join(lines) + "\n\n" + "\n".join(remarks) + "\n"


def broken(result: Result) -> list[str]:
    """What we promise and this run does not show."""
    problems = []
    for what, values, promised in (
        ("SRT to canvas", result.sent_to_canvas_ms, _PROMISED_CANVAS_MS),
        ("the server's own part", result.server_ms, _PROMISED_SERVER_MS),
    ):
        median = percentile(values, 0.5)
        if math.isnan(median) or median > promised:
            problems.append(f"{what}: p50 {median:.1f} ms, at most {promised:g} ms promised")
    return problems


def tail_of(packet: bytes) -> str:
    """The last coded bytes in an RTP packet, without padding (RFC 3550 section 5.1), hexadecimal."""
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[max(0, end - TAIL_BYTES) : end].hex()


@asynccontextmanager
async def _probe(url: str) -> AsyncIterator[dict[str, float]]:
    """A viewer that notes when the last packet of each picture came."""
    arrivals: dict[str, float] = {}

    def note(packet: bytes) -> None:
        if packet[1] & 0x80:  # the marker: the last packet of a picture; sound has none
            arrivals.setdefault(tail_of(packet), time.time())

    signalling = Whep(url)
    viewer = Viewer(Identity(), "127.0.0.1", checks=True)
    viewer.on_media = note
    try:
        await signalling.join(viewer, 1)
        yield arrivals
    finally:
        await signalling.leave(viewer)
        viewer.close()
        await signalling.close()


async def watch(server: Server, seconds: float) -> dict[str, Any]:
    """Play the page for a while; what it and the probe saw."""
    async with chromium() as browser, _probe(f"{server.url}/whep/cam") as arrivals:
        watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
        await watcher.wait_playing()
        await watcher.page.evaluate(counter.SCRIPT)
        await asyncio.sleep(_SETTLE_S)
        begin = time.time()
        await asyncio.sleep(seconds)
        end = time.time()
        # The last pictures of the window are still under way.
        await asyncio.sleep(1)
        seen, unread, clocks = await watcher.page.evaluate("[window.seen, window.unread, window.clocks]")
        await watcher.close()
        # Whole milliseconds are rounded down: half a one, on average.
        return {
            "seen": seen,
            "unread": unread,
            "clock_ms": percentile(clocks, 0.5) + 0.5,
            "arrivals": arrivals,
            "window": (begin, end),
        }


def run(given: argparse.Namespace) -> Result:
    """Start server and encoder, measure."""
    with Server(_STREAM, latency_ms=given.srt_latency_ms) as server:
        command = [sys.executable, "-m", "loadtests.rig.counting_encoder"]
        command += [f"srt://127.0.0.1:{server.srt_port}?streamid=publish:cam:{_KEY}&pbkeylen=32"]
        command += ["--size", given.size, "--kbps", str(round(given.mbps * 1000))]
        command += ["--latency-ms", str(given.srt_latency_ms), *(["--no-sound"] if given.no_sound else [])]
        command += ["--seconds", str(given.seconds + _SETTLE_S + _MARGIN_S)]
        with Process(command, {"SRT_PASSPHRASE": _PASSPHRASE}) as encoder:
            server.wait_live("cam")
            watched = asyncio.run(watch(server, given.seconds))
            said = server.request("GET", "/api/v1/server")[1]
            encoder.stop()
            lines = encoder.output.splitlines()
    pictures = [Picture(**json.loads(line)) for line in lines if line.startswith("{") and line.endswith("}")]
    return arithmetic(pictures, **watched, srt_latency_ms=given.srt_latency_ms, said=said)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="loadtests latency", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--srt-latency-ms", type=int, default=20)
    parser.add_argument("--size", type=_size, default="1280x720")
    parser.add_argument("--mbps", type=float, default=2.5)
    parser.add_argument("--no-sound", action="store_true", help="browsers hold pictures back for their sound")
    report_arguments(parser)
    return parser.parse_args(arguments)


def _size(text: str) -> str:
    width, _, height = text.partition("x")
    side = 2 * counter.BLOCKS
    if not (width.isdigit() and height.isdigit() and int(width) >= 8 * side and int(height) >= 180):
        raise argparse.ArgumentTypeError(f"{text!r}, expected WIDTHxHEIGHT, at least {8 * side}x180")
    if int(width) % 2 or int(height) % 2:
        raise argparse.ArgumentTypeError(f"{text!r}, expected even numbers")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given = parse(arguments)
    result = run(given)
    problems = broken(result)
    found = "".join(f"\n{problem}\n" for problem in problems)
    report(table(result) + found, asdict(result), given)
    return 1 if problems else 0
