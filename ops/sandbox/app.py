"""Puts the sandbox together: one HTTP listener with all faces, and the sink's two listeners."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from ops.sandbox.certificates import Authority, tls_context
from ops.sandbox.clock import Clock
from ops.sandbox.control import Control
from ops.sandbox.face import Addresses, Face, Pace, World, watching
from ops.sandbox.facebook.face import Facebook
from ops.sandbox.ingest import Sink
from ops.sandbox.overview import Overview
from ops.sandbox.pages import STYLE, stylesheet
from ops.sandbox.parties import Certificate
from ops.sandbox.twitch.face import Twitch
from ops.sandbox.youtube.face import YouTube
from streamer.sections.base import split_address

_SETTLE_S = 0.5
# A picture of 50 MB is refused by YouTube, not by us.
_MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Options:
    """How a sandbox is to be.

    Attributes:
        http, rtmp, rtmps: where to listen; port 0: any.
        record: keep what the sink receives as FLV files there.
        ca_file: where to put the certificate of the authority by which RTMPS can be checked.
        certificate: what RTMPS shows; wrong ones are for tests.
        rotates: Google gives a new refresh token with each refresh.
        testing: Google's refresh tokens live for seven days.
    """

    http: str = "127.0.0.1:0"
    rtmp: str = "127.0.0.1:0"
    rtmps: str = "127.0.0.1:0"
    record: Path | None = None
    ca_file: Path | None = None
    certificate: Certificate = Certificate.GOOD
    pace: Pace = field(default_factory=Pace)
    rotates: bool = False
    testing: bool = False


class Sandbox:
    """One sandbox that runs.

    Attributes:
        world: what the faces share; tests in the same process may reach into it.
        authority: by which RTMPS can be checked.
    """

    def __init__(self, world: World, options: Options) -> None:
        self.world = world
        self.youtube = YouTube(world, rotates=options.rotates, testing=options.testing)
        self.facebook = Facebook(world)
        self.twitch = Twitch(world)
        self.faces: list[Face] = [self.youtube, self.facebook, self.twitch]
        self.authority = Authority()
        self.sink = Sink(world.keys, options.record)
        self.app = self._make_app()

    @property
    def addresses(self) -> Addresses:
        """Where it is."""
        return self.world.addresses

    async def settle(self) -> None:
        """Let happen what is due, until cancelled."""
        while True:
            await asyncio.sleep(_SETTLE_S)
            for face in self.faces:
                face.settle()

    def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[watching(self.world, self.faces)], client_max_size=_MAX_BODY_BYTES)
        app.add_routes([web.get(STYLE, stylesheet)])
        for face in self.faces:
            app.add_routes(face.routes())
        app.add_routes(Overview(self.world, self.faces).routes())
        app.add_routes(Control(self.world, self.faces, self.sink).routes())
        return app


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Sandbox]:
    """A sandbox, from here to the end of the block.

    Raises:
        OSError: an address cannot be had.
    """
    with _bound(options.http) as http, _bound(options.rtmp) as rtmp, _bound(options.rtmps) as rtmps:
        addresses = Addresses(
            f"http://{_address(http)}", f"rtmp://{_address(rtmp)}", f"rtmps://{_address(rtmps)}"
        )
        sandbox = Sandbox(World(Clock(), addresses, options.pace), options)
        runner = web.AppRunner(sandbox.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        if options.ca_file is not None:
            options.ca_file.write_bytes(sandbox.authority.pem)
        context = tls_context(sandbox.authority, rtmps.getsockname()[0], options.certificate)
        settling = asyncio.create_task(sandbox.settle())
        try:
            await sandbox.sink.start(rtmp, rtmps, context)
            await web.SockSite(runner, http).start()
            yield sandbox
        finally:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)
            await sandbox.sink.close()
            await runner.cleanup()


def _bound(address: str) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
