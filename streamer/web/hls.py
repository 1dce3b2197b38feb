"""HLS: streams over HTTP (RFC 8216; for parts and blocked reloads 8216bis).

GET /hls/{stream}/index.m3u8          → 200, what there is, with a session in it
GET /hls/{stream}/live.m3u8?session=… → 200, what of it there is now; waits where `_HLS_msn` asks for it
GET /hls/{stream}/{file}?session=…    → 200, a header, segment or part

The first is asked for with whatever opens the stream; it makes a session, whose key is in the addresses of
all the rest, as players take neither headers nor queries along. It ends when nothing more is asked for.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from functools import partial
from typing import Protocol as Interface

from aiohttp import web

from auth.access.door import Entry
from auth.permissions.actions import Action
from auth.permissions.principals import ANONYMOUS
from auth.permissions.protocols import Protocol
from streamer.egress.hls import HlsEgress, HlsViewer, NoSuchHlsViewer
from streamer.egress.hls.files import File
from streamer.egress.hls.playlist import CONTENT_TYPE
from streamer.egress.hls.window import WHOLE, Place
from streamer.errors import Full
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.web.access import Access
from streamer.web.confidential import require_confidential
from streamer.web.express import has_waited
from streamer.web.inputs import Query, read_query
from streamer.web.operations import Operation
from streamer.web.origin import client_address, signalling
from streamer.web.problems import Problem
from streamer.web.sdp import user_agent_of

_NUMBER = re.compile(r"\d{1,9}")
#: Who asks for what is further ahead has not understood (8216bis section 6.2.5.2).
MOST_AHEAD = 2
FILE_TYPE = "video/mp4"
PLAYLIST_CACHING = "no-store"
#: What a playlist has at least for who is not early.
FIRST_SEGMENT: Place = (0, WHOLE)


class JoinQuery(Query):
    """How a player begins."""

    #: With the first segment; others are let in when there are three.
    early: bool = False


class Welcome(Interface):
    """Told of every viewer that was let in; must not block."""

    def __call__(self, request: web.Request, viewer: HlsViewer, entry: Entry, asked_at: float) -> None:
        """Take note: his request, at what time it came, and by what leave he is in."""


class Hls:
    """The handlers.

    Args:
        welcome: told of every viewer that was let in.
    """

    def __init__(
        self, registry: Registry, egress: HlsEgress, access: Access, welcome: Welcome | None = None
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._access = access
        self._welcome = welcome

    def operations(self) -> list[Operation]:
        """What to route where."""
        gone = {404: "No such stream, session or file", 503: "It did not come in time, or the server is full"}
        return [
            Operation(
                "GET",
                "/hls/{stream}/index.m3u8",
                self.join,
                "Watch a stream over HTTP: the first playlist, with a new session in it",
                {
                    200: "The playlist",
                    401: "A token is needed",
                    403: "This token does not open it, or the stream demands HTTPS, or WebRTC",
                    406: "The picture is not H.264, and may not be made into it",
                    409: "Not live; Retry-After says when to ask again",
                    429: "Too many from this address, or with this token; Retry-After says when to ask again",
                    **gone,
                },
                content=CONTENT_TYPE,
                query=JoinQuery,
                needs="watch",
            ),
            Operation(
                "GET",
                "/hls/{stream}/live.m3u8",
                self.playlist,
                "What of the stream there is now",
                {200: "The playlist", 400: "Not a number, or too far ahead", **gone},
                content=CONTENT_TYPE,
            ),
            Operation(
                "GET",
                "/hls/{stream}/{file}",
                self.file,
                "A header, a segment or a part, as the playlist names them",
                {200: "Fragmented MP4", **gone},
                content=FILE_TYPE,
            ),
        ]

    async def join(self, request: web.Request) -> web.Response:
        """Let somebody watch."""
        asked_at = time.time()
        query = read_query(request, JoinQuery)
        stream = self._registry.find(request.match_info["stream"])
        action = await self._access.require_play(request, stream, Protocol.HLS)
        require_confidential(request, stream)
        _require_in_clear(stream)
        if action is Action.LISTEN:
            raise Problem(
                403, "forbidden", "over HLS sound comes with the picture, and this token is for sound"
            )
        try:
            viewer = await self._egress.join(
                stream,
                address=client_address(request),
                user_agent=user_agent_of(request),
                signalling=signalling(request).description,
                early=query.early,
            )
        except Full as error:
            raise Problem(503, "unavailable", str(error), {"Retry-After": "5"}) from None
        await self._admit(request, viewer, action, asked_at)
        text = viewer.output.multivariant(f"?session={viewer.key}")
        return _playlist(viewer, text.encode())

    async def playlist(self, request: web.Request) -> web.Response:
        """Say what there is, once there is what was asked for."""
        viewer = await self._find(request)
        place = _asked_for(request)
        window = viewer.output.window
        if place is not None and not window.is_over:
            newest = window.current.number if window.current is not None else 0
            if place[0] > newest + MOST_AHEAD:
                raise Problem(400, "too_far_ahead", f"_HLS_msn={place[0]} where {newest} is being made")
            await self._wait(request, viewer, place)
        elif not viewer.early:
            # hls.js gives up a playlist without a segment after three looks, but waits for an answer.
            await self._wait(request, viewer, FIRST_SEGMENT)
        return _playlist(viewer, viewer.output.media(f"?session={viewer.key}"))

    async def file(self, request: web.Request) -> web.Response:
        """A header, a segment or a part."""
        viewer = await self._find(request)
        name = request.match_info["file"]
        file = File.parse(name)
        if file is not None and (place := file.awaited(viewer.output.window)) is not None:
            await self._wait(request, viewer, place)
        pieces = file.pieces(viewer) if file is not None else None
        if pieces is None:
            raise Problem(404, "not_found", f"there is no {name!r}, or not any more")
        self._egress.played(viewer)
        data = b"".join(pieces)
        viewer.sent(len(data))
        headers = {"Cache-Control": file_caching(viewer)}
        return web.Response(body=data, content_type=FILE_TYPE, headers=headers)

    async def _wait(self, request: web.Request, viewer: HlsViewer, place: Place) -> None:
        viewer.sent(0)
        if not await viewer.output.wait(place, 0.0 if has_waited(request) else patience_s(viewer)):
            raise Problem(503, "not_yet", "nothing came of the stream meanwhile", {"Retry-After": "1"})

    async def _find(self, request: web.Request) -> HlsViewer:
        key = request.query.get("session", "")
        try:
            viewer = self._egress.by_key(key)
        except NoSuchHlsViewer as error:
            resumed = await self._resume(request, key)
            if resumed is None:
                raise Problem(404, "no_such_session", f"{error}; begin with index.m3u8") from None
            viewer = resumed
        if viewer.stream.name != request.match_info["stream"]:
            raise Problem(404, "no_such_session", "this session is of another stream")
        return viewer

    async def _resume(self, request: web.Request, key: str) -> HlsViewer | None:
        """Let on whom a dead network or a sleeping machine kept from asking.

        hls.js, Shaka Player and video.js never ask for the first playlist again. What opened it then is not
        remembered: what this request presents must open it now.
        """
        asked_at = time.time()
        stream = self._registry.find(request.match_info["stream"])
        if not self._egress.may_resume(key, stream) or not self._access.may_play(request, stream):
            return None
        action = await self._access.require_play(request, stream, Protocol.HLS)
        require_confidential(request, stream)
        with suppress(NoSuchHlsViewer):  # players ask for several files at a time
            return self._egress.by_key(key)
        if action is Action.LISTEN or stream.config.e2e or not self._egress.may_resume(key, stream):
            return None
        try:
            viewer = self._egress.resume(
                key,
                stream,
                address=client_address(request),
                user_agent=user_agent_of(request),
                signalling=signalling(request).description,
            )
        except Full as error:
            raise Problem(503, "unavailable", str(error), {"Retry-After": "5"}) from None
        await self._admit(request, viewer, action, asked_at)
        return viewer

    async def _admit(self, request: web.Request, viewer: HlsViewer, action: Action, asked_at: float) -> None:
        remove = partial(self._egress.remove, viewer)
        entry = await self._access.admit(
            request, viewer.stream, action, Protocol.HLS, viewer, leave=remove, remove=remove
        )
        if entry.permit.principal is not ANONYMOUS:
            viewer.user = entry.permit.principal.name
        if self._welcome is not None:
            self._welcome(request, viewer, entry, asked_at)


def _require_in_clear(stream: Stream) -> None:
    if stream.config.e2e:
        raise Problem(
            403, "encrypted", f"{stream.name!r} is encrypted end to end, for which players need WebRTC (WHEP)"
        )


def _asked_for(request: web.Request) -> Place | None:
    """Segment and part of a blocked reload (8216bis section 6.2.5.2)."""
    given = {name: request.query[name] for name in ("_HLS_msn", "_HLS_part") if name in request.query}
    for name, value in given.items():
        if not _NUMBER.fullmatch(value):
            raise Problem(400, "bad_query", f"{name}={value[:20]!r}; expected a number")
    if "_HLS_part" in given and "_HLS_msn" not in given:
        raise Problem(400, "bad_query", "_HLS_part without _HLS_msn")
    number = given.get("_HLS_msn")
    return (int(number), int(given.get("_HLS_part", WHOLE))) if number is not None else None


def file_caching(viewer: HlsViewer) -> str:
    """Cache-Control of a file: what was named once never changes."""
    scope = "public" if viewer.stream.config.public else "private"
    return f"{scope}, max-age=31536000, immutable"


def patience_s(viewer: HlsViewer) -> float:
    """How long what was asked for is waited for (8216bis section 6.2.5.2)."""
    return 3 * viewer.output.target_s


def _playlist(viewer: HlsViewer, body: bytes) -> web.Response:
    viewer.sent(len(body))
    return web.Response(body=body, content_type=CONTENT_TYPE, headers={"Cache-Control": PLAYLIST_CACHING})
