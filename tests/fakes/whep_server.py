"""A WHEP server for the pages: their real files and policy, made-up answers, pictures by aiortc."""

from __future__ import annotations

import asyncio
import fractions
import secrets
from dataclasses import dataclass, field
from typing import Self

import av
import numpy as np
from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from streamer.web.operations import add_routes
from streamer.web.pages import Pages

_INTERVAL_S = 0.04
_CLOCK = fractions.Fraction(1, 90_000)


@dataclass
class Refusal:
    """What a POST is answered with instead of a session."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


class _Pictures(VideoStreamTrack):
    """Grey pictures, each brighter than the one before; none while the server is frozen."""

    def __init__(self, flowing: asyncio.Event) -> None:
        super().__init__()
        self._flowing = flowing
        self._sent = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(_INTERVAL_S)
        await self._flowing.wait()
        self._sent += 1
        grey = np.full((90, 160, 3), (self._sent * 3) % 256, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
        frame.pts = int(self._sent * _INTERVAL_S * 90_000)
        frame.time_base = _CLOCK
        return frame


@dataclass
class WhepServer:
    """Serves the pages of one stream, `cam`; tests change what it answers while it runs.

    Attributes:
        refusal: answers every POST, None to accept.
        answer_after_s: how long a POST waits for its answer.
        token: what a POST must carry, "" for nothing.
        live: entries of `/api/v1/live`.
        posts: the Authorization header of every POST.
        ended: keys of the sessions that were ended by DELETE.
    """

    refusal: Refusal | None = None
    answer_after_s: float = 0.0
    token: str = ""
    live: list[dict[str, object]] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    ended: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    sessions: dict[str, RTCPeerConnection] = field(default_factory=dict)
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        self.flowing.set()
        self.show("live")
        await self.serve()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def show(self, state: str, **more: object) -> None:
        """Make the API say that `cam` is in this state."""
        picture = {"codec": "h264", "width": 1280, "height": 720, "fps": 30.0}
        entry = {
            "name": "cam",
            "title": "East pier",
            "live": state == "live",
            "state": state,
            "video": picture,
        }
        sound = {"codec": "aac", "sample_rate": 48_000, "channels": 2}
        figures = {"bitrate_bps": 2_500_000, "viewers": 3, "uptime_s": 185.0}
        self.live = [{**entry, "audio": sound, **figures, "thumbnail": None, "warnings": [], **more}]

    async def serve(self) -> None:
        """Listen; on the same port as before, when there was one."""
        app = web.Application()
        add_routes(app, Pages().operations())
        app.router.add_get("/api/v1/live", self._live)
        app.router.add_post("/whep/{stream}", self._post)
        app.router.add_delete("/whep/{stream}/{session}", self._delete)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End every session, then stop listening."""
        await self.hang_up()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def hang_up(self) -> None:
        """End every session from this side, with DTLS's goodbye."""
        sessions = list(self.sessions.values())
        self.sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions))

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"streams": self.live, "srt_port": 8890})

    async def _post(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        self.posts.append(authorization)
        refusal = self.refusal
        if self.token and authorization != f"Bearer {self.token}":
            refusal = Refusal(403 if authorization else 401, "refused", "a token is needed")
        if refusal is not None:
            body = {"error": refusal.code, "message": refusal.message, "retry_after_s": refusal.retry_after_s}
            return web.json_response(body, status=refusal.status)
        await asyncio.sleep(self.answer_after_s)
        session = RTCPeerConnection()
        key = secrets.token_hex(8)
        self.sessions[key] = session
        await session.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        session.addTrack(_Pictures(self.flowing))
        await session.setLocalDescription(await session.createAnswer())
        headers = {"Location": f"/whep/cam/{key}", "ETag": f'"{key}"', "Content-Type": "application/sdp"}
        return web.Response(status=201, text=session.localDescription.sdp, headers=headers)

    async def _delete(self, request: web.Request) -> web.Response:
        key = request.match_info["session"]
        self.ended.put_nowait(key)
        session = self.sessions.pop(key, None)
        if session is not None:
            await session.close()
        return web.Response(status=200)
