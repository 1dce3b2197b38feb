"""Recordings: which there are, downloading, playing, cutting and removing them."""

from __future__ import annotations

import asyncio
import math
from contextlib import closing, suppress
from pathlib import Path

from aiohttp import hdrs, web

from streamer.errors import NoSuchStream
from streamer.hub.registry import Registry
from streamer.recording.errors import NoSuchRecording
from streamer.recording.library import Library, Recording
from streamer.recording.names import began_at, join, split, stamp
from streamer.recording.recorder import RecorderState
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.confidential import require_confidential
from streamer.web.file_response import send_cut, send_file
from streamer.web.inputs import read_query
from streamer.web.ledger import Ledger
from streamer.web.operations import Operation
from streamer.web.problems import Problem
from streamer.web.recording_models import (
    ClipQuery,
    RecordedTrackModel,
    RecorderModel,
    RecordingModel,
    RecordingsModel,
    RecordingsQuery,
)
from transport.cmaf import cut
from transport.errors import WireError


class RecordingsFace:
    """The handlers."""

    def __init__(self, registry: Registry, library: Library, access: Access, ledger: Ledger) -> None:
        self._registry = registry
        self._library = library
        self._access = access
        self._ledger = ledger

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        missing = {404: "No such recording"}
        return [
            Operation(
                "GET",
                "/api/v1/recordings",
                self.recordings,
                "The recordings of streams that the asker manages, the latest first",
                {200: "Recordings", **closed},
                returns=RecordingsModel,
                query=RecordingsQuery,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/recordings/{id}",
                self.download,
                "A recording, or parts of it (Range); what is being written is had as far as it goes",
                {200: "The file", 206: "The part that was asked for", **closed, **missing},
                content="video/mp4",
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/recordings/{id}/clip",
                self.clip,
                "A part of a recording as a file, cut where pictures can begin; nothing is coded anew",
                {
                    200: "The file",
                    206: "What was asked for of it",
                    **closed,
                    **missing,
                    422: "Nothing is there, or the file is none of ours",
                },
                content="video/mp4",
                query=ClipQuery,
                needs="manage",
            ),
            Operation(
                "DELETE",
                "/api/v1/recordings/{id}",
                self.remove,
                "Remove a recording for good",
                {204: "Removed", **closed, **missing, 409: "It is being written"},
                needs="manage",
            ),
        ]

    async def recordings(self, request: web.Request) -> web.Response:
        """What there is."""
        query = read_query(request, RecordingsQuery)
        if query.stream is not None:
            permit, names = await self._access.require_manage(request, query.stream), [query.stream]
        else:
            # Of streams that are not configured any more there may be some too.
            known = {stream.name for stream in self._registry}
            known.update(await asyncio.to_thread(self._library.streams))
            names = sorted(name for name in known if self._access.may_manage(request, name))
            permit = await self._access.require_manage(request, names[0] if names else "")
        found = await asyncio.to_thread(self._find, names, query)
        await self._ledger.looked(request, permit, "recording.list", query.stream or "", count=len(found))
        return answer(RecordingsModel(recordings=[_recording(each) for each in found]))

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The file itself."""
        id = request.match_info["id"]
        path = await self._look_at(request, id, "recording.download", id)
        is_complete = self._library.is_complete(id)
        try:
            opens = self._library.open_sealed if is_complete else self._library.open
            reader = await asyncio.to_thread(opens, path)
        except FileNotFoundError:
            raise NoSuchRecording(id) from None
        if reader is None:
            return web.FileResponse(path, headers=_headers("inline", id))
        with closing(reader):
            # What grows has none: VLC holds what it seeks in to the first it was given, and ends at a 412.
            etag = f'"{reader.size:x}"' if is_complete else ""
            return await send_file(request, reader, etag, _headers("inline", id))

    async def clip(self, request: web.Request) -> web.StreamResponse:
        """A part of it."""
        id = request.match_info["id"]
        query = read_query(request, ClipQuery)
        # Each part is a look of its own.
        until = "" if query.to_s is None else f"{query.to_s:g}"
        path = await self._look_at(request, id, "recording.clip", f"{id} {query.from_s:g}-{until}")
        try:
            reader = await asyncio.to_thread(self._library.open, path)
        except FileNotFoundError:
            raise NoSuchRecording(id) from None
        with closing(reader):
            try:
                end_s = math.inf if query.to_s is None else query.to_s
                part = await asyncio.to_thread(cut, reader, query.from_s, end_s)
            except WireError as error:
                raise Problem(422, "not_cut", f"{id} cannot be cut there: {error}") from None
            name = join(_stream(id), stamp(began_at(id) + part.begins_s))
            return await send_cut(request, reader, part, _headers("attachment", name))

    async def _look_at(self, request: web.Request, id: str, what: str, target: str) -> Path:
        """Where one is, for somebody who may have it; kept in the log."""
        permit = await self._access.require_manage(request, _stream(id))
        with suppress(NoSuchStream):  # of one that is not configured any more nothing is demanded
            require_confidential(request, self._registry.find(_stream(id)))
        path = await asyncio.to_thread(self._library.path, id)
        await self._ledger.looked(request, permit, what, target)
        return path

    async def remove(self, request: web.Request) -> web.Response:
        """Remove it."""
        id = request.match_info["id"]
        permit = await self._access.require_manage(request, _stream(id))
        await asyncio.to_thread(self._library.remove, id)
        await self._ledger.changed(request, permit, "recording.remove", id, stream=_stream(id))
        return web.Response(status=204)

    def _find(self, names: list[str], query: RecordingsQuery) -> list[Recording]:
        """Blocks for the disk."""
        ids = [id for name in names for id in self._library.ids(name)]
        ids.sort(key=lambda id: split(id)[1], reverse=True)
        found: list[Recording] = []
        for id in ids:
            if len(found) == query.limit:
                break
            try:
                if query.before is None or began_at(id) < query.before:
                    found.append(self._library.find(id))
            except NoSuchRecording:
                continue  # removed meanwhile
        return found


def _headers(disposition: str, name: str) -> dict[str, str]:
    return {
        hdrs.CONTENT_TYPE: "video/mp4",
        hdrs.CONTENT_DISPOSITION: f'{disposition}; filename="{name}.mp4"',
        hdrs.CACHE_CONTROL: "private, no-cache",
    }


def recorder_model(state: RecorderState | None) -> RecorderModel | None:
    """What the recording of a stream does, for the API."""
    if state is None:
        return None
    return RecorderModel(
        id=state.id or None,
        since=state.since,
        bytes=state.size,
        skipped_units=state.skipped,
        problem=state.problem,
    )


def _stream(id: str) -> str:
    """Whose right is asked for; "" for what is no id: who manages everything alone learns that."""
    try:
        return split(id)[0]
    except NoSuchRecording:
        return ""


def _recording(recording: Recording) -> RecordingModel:
    return RecordingModel(
        id=recording.id,
        stream=recording.stream,
        began_at=recording.began_at,
        duration_s=round(recording.content.duration_s, 3),
        bytes=recording.size,
        complete=recording.is_complete,
        tracks=[
            RecordedTrackModel(
                kind="video" if track.codec.is_video else "audio",
                codec=track.codec,
                width=track.width,
                height=track.height,
                sample_rate=track.sample_rate,
                channels=track.channels,
            )
            for track in recording.content.tracks
        ],
    )
