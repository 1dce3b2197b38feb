"""A viewer that is not ours: aiortc, joining over WHEP. Also a program, for a process of its own.

    python -m loadtests.rig.viewer http://127.0.0.1:8080/whep/cam --seconds 5

It prints a line of JSON for each sample: the time (CLOCK_MONOTONIC, comparable between processes) and the
packets received so far.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from yarl import URL

_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Sample:
    """What had arrived at a moment of CLOCK_MONOTONIC."""

    at: float
    video_packets: int
    audio_packets: int
    pictures: int
    width: int
    height: int


class Viewer:
    """One session.

    Attributes:
        pictures: decoded so far.
        size: of the last picture, width and height.
        sound_s: seconds of sound decoded so far.
    """

    def __init__(self, connection: RTCPeerConnection) -> None:
        self._connection = connection
        self._tasks: list[asyncio.Task[None]] = []
        self.pictures = 0
        self.size = (0, 0)
        self.sound_s = Fraction(0)
        self._progress = asyncio.Event()
        connection.on("track", self._take)

    async def sample(self) -> Sample:
        """Count."""
        packets = {"video": 0, "audio": 0}
        for report in (await self._connection.getStats()).values():
            if report.type == "inbound-rtp":
                packets[report.kind] += report.packetsReceived
        return Sample(time.monotonic(), packets["video"], packets["audio"], self.pictures, *self.size)

    async def wait_for(self, condition: Callable[[Viewer], bool], timeout_s: float = 20.0) -> None:
        """Wait until something holds of what was decoded.

        Raises:
            TimeoutError: it did not in time.
        """
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self._progress.clear()
                await self._progress.wait()

    async def close(self) -> None:
        """Stop decoding."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.ensure_future(self._consume(track)))

    async def _consume(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, VideoFrame):
                    self.pictures += 1
                    self.size = (frame.width, frame.height)
                elif isinstance(frame, AudioFrame):
                    self.sound_s += Fraction(frame.samples, frame.sample_rate)
                self._progress.set()


@asynccontextmanager
async def watch(url: str, token: str = "") -> AsyncIterator[Viewer]:
    """Join a stream over WHEP, leave it again.

    Raises:
        RuntimeError: the server refused; carries its answer.
    """
    connection = RTCPeerConnection()
    viewer = Viewer(connection)
    connection.addTransceiver("video", direction="recvonly")
    connection.addTransceiver("audio", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    headers = {"Content-Type": "application/sdp", **({"Authorization": f"Bearer {token}"} if token else {})}
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=connection.localDescription.sdp, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 201:
                await connection.close()
                raise RuntimeError(f"{answer.status}: {text}")
            session = answer.headers["Location"]
        try:
            await connection.setRemoteDescription(RTCSessionDescription(text, "answer"))
            yield viewer
        finally:
            async with http.delete(answer.url.join(URL(session))):
                pass
            await viewer.close()
            await connection.close()


async def _main(url: str, seconds: float) -> None:
    async with watch(url) as viewer:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sys.stdout.write(json.dumps(asdict(await viewer.sample())) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(_SAMPLE_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Watch a stream with aiortc and count what arrives.")
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.url, arguments.seconds))
