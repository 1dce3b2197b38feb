"""A relay made of aiortc as its documentation shows it: `MediaPlayer`, `MediaRelay`, a connection per viewer.

    python -m loadtests.peers.aiortc_relay udp://127.0.0.1:5000 --host 198.18.0.2 [--decode]

It passes the coded pictures on ("play without decoding"), which is the cheapest it can do. With `--decode`
it does what `MediaPlayer` does unless told otherwise: decode, and encode again for every viewer. It speaks
WHEP, and prints its HTTP port when it serves.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRelay

from loadtests.peers.namespace import namespace
from loadtests.peers.ours import programme
from loadtests.peers.subject import Subject
from loadtests.rig.encoder import recorded_arguments
from loadtests.rig.process import Process, wait_until

_UDP_PORT = 5004


class Relay:
    """The handlers."""

    def __init__(self, player: MediaPlayer) -> None:
        self._player = player
        self._relay = MediaRelay()
        self._connections: dict[str, RTCPeerConnection] = {}

    async def join(self, request: web.Request) -> web.Response:
        """Answer an offer."""
        connection = RTCPeerConnection()
        await connection.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        for track in (self._player.audio, self._player.video):
            if track is not None:
                connection.addTrack(self._relay.subscribe(track))
        for transceiver in connection.getTransceivers():
            codecs = RTCRtpSender.getCapabilities(transceiver.kind).codecs
            wanted = "video/H264" if transceiver.kind == "video" else "audio/opus"
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == wanted])
        await connection.setLocalDescription(await connection.createAnswer())
        key = secrets.token_urlsafe(8)
        self._connections[key] = connection
        return web.Response(
            status=201,
            text=connection.localDescription.sdp,
            content_type="application/sdp",
            headers={"Location": f"/whep/{key}"},
        )

    async def leave(self, request: web.Request) -> web.Response:
        """End a connection."""
        connection = self._connections.pop(request.match_info["key"], None)
        if connection is not None:
            await connection.close()
        return web.Response()


async def _serve(source: str, host: str, *, decode: bool) -> None:
    relay = Relay(MediaPlayer(source, format="mpegts", decode=decode))
    application = web.Application()
    application.add_routes([web.post("/whep", relay.join), web.delete("/whep/{key}", relay.leave)])
    runner = web.AppRunner(application)
    await runner.setup()
    listener = socket.create_server((host, 0))
    await web.SockSite(runner, listener).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextmanager
def aiortc_relay(mbps: float, *, decode: bool = False) -> Iterator[Subject]:
    """The relay and its encoder in a namespace: aioice leaves loopback out of its candidates."""
    with namespace() as space:
        source = f"udp://127.0.0.1:{_UDP_PORT}"
        encoder = [*recorded_arguments(programme(mbps)), "-f", "mpegts", f"{source}?pkt_size=1316"]
        command = [sys.executable, "-m", "loadtests.peers.aiortc_relay", source, "--host", space.far]
        command += ["--decode"] if decode else []
        with Process(space.command(encoder)), Process(space.command(command)) as relay:
            wait_until(lambda: relay.output.rstrip().isdigit() or not relay.running, 20, "the relay")
            if not relay.running:
                raise RuntimeError(f"the relay ended at once:\n{relay.output}")
            yield Subject(
                name="aiortc relay, decoding" if decode else "aiortc relay",
                url=f"http://{space.far}:{relay.output.strip()}/whep",
                host=space.near,
                pid=relay.pid,
                plane="aiortc",
                cipher="libsrtp",
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="An aiortc relay that serves WHEP.")
    parser.add_argument("source")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--decode", action="store_true", help="and encode again for every viewer")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.source, arguments.host, decode=arguments.decode))
