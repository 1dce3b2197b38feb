"""Joining a Janus mountpoint over its WebSocket API: Janus offers, the viewer answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import aiohttp

from loadtests.crowd import sdp
from loadtests.crowd.viewer import Viewer
from loadtests.peers.janus import MOUNTPOINT

_TIMEOUT_S = 30.0


class JanusSignalling:
    """One WebSocket and one session for all viewers, a plugin handle for each of them."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._socket = socket
        self._numbers = itertools.count(1)
        self._session = 0
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._events: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.ensure_future(self._read())

    @classmethod
    async def open(cls, url: str) -> JanusSignalling:
        """Connect and make the session."""
        http = aiohttp.ClientSession()
        signalling = cls(http, await http.ws_connect(url, protocols=("janus-protocol",)))
        signalling._session = (await signalling._ask(janus="create"))["data"]["id"]
        return signalling

    async def join(self, viewer: Viewer, session: int) -> None:
        """Ask for the stream, answer Janus's offer."""
        attached = await self._ask(janus="attach", plugin="janus.plugin.streaming")
        handle: int = attached["data"]["id"]
        viewer.leave_url = str(handle)
        self._events[handle] = offered = asyncio.get_running_loop().create_future()
        await self._ask(janus="message", handle_id=handle, body={"request": "watch", "id": MOUNTPOINT})
        async with asyncio.timeout(_TIMEOUT_S):
            event = await offered
        if "jsep" not in event:
            raise ConnectionError(f"janus: {event.get('plugindata')}")
        offer: str = event["jsep"]["sdp"]
        answer = {"type": "answer", "sdp": sdp.answer(offer, viewer.local, session)}
        await self._ask(janus="message", handle_id=handle, body={"request": "start"}, jsep=answer)
        await viewer.connect(sdp.parse(offer))

    async def leave(self, viewer: Viewer) -> None:
        """Give the handle back."""
        if viewer.leave_url:
            await self._ask(janus="detach", handle_id=int(viewer.leave_url))

    async def tell(self, viewer: Viewer, said: Mapping[str, object]) -> float:
        """Janus takes no reports."""
        raise ConnectionError("Janus takes no reports")

    async def close(self) -> None:
        """Hang up."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._socket.close()
        await self._http.close()

    async def _ask(self, **request: Any) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[transaction] = reply
        session = {"session_id": self._session} if self._session else {}
        await self._socket.send_json({"transaction": transaction, **session, **request})
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer = await reply
        finally:
            self._replies.pop(transaction, None)
        if answer["janus"] == "error":
            raise ConnectionError(f"janus: {answer['error']}")
        return answer

    async def _read(self) -> None:
        async for message in self._socket:
            event = message.json()
            if event["janus"] == "event":
                waiting = self._events.pop(event["sender"], None)
            else:
                waiting = self._replies.get(event.get("transaction", ""))
            if waiting is not None and not waiting.done():
                waiting.set_result(event)
