"""Who reads over SRT or RTSP, and ending that."""

from __future__ import annotations

import dataclasses

from aiohttp import web

from streamer.egress.readers import AllReaders, NoSuchReader, StreamReader
from streamer.hub.registry import Registry
from streamer.web import models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.ledger import Ledger
from streamer.web.operations import Operation
from streamer.web.problems import Problem


class Readers:
    """The handlers."""

    def __init__(self, registry: Registry, readers: AllReaders, access: Access, ledger: Ledger) -> None:
        self._registry = registry
        self._readers = readers
        self._access = access
        self._ledger = ledger

    def operations(self) -> list[Operation]:
        """What to route where."""
        closed = {401: "A token is needed", 403: "This token does not open it"}
        return [
            Operation(
                "GET",
                "/api/v1/readers",
                self.readers,
                "All who read streams, over SRT or RTSP, which the asker manages",
                {200: "All readers", **closed},
                returns=models.ReadersModel,
                needs="manage",
            ),
            Operation(
                "DELETE",
                "/api/v1/readers/{id}",
                self.end,
                "Hang up on a reader",
                {204: "Ended", **closed, 404: "No such reader"},
                needs="manage",
            ),
        ]

    async def readers(self, request: web.Request) -> web.Response:
        """All readers."""
        permit, streams = await self._access.require_managed(request, self._registry)
        names = {stream.name for stream in streams}
        shown = [reader for reader in self._readers.readers if reader.stream.name in names]
        await self._ledger.looked(request, permit, "reader.list", count=len(shown))
        return answer(models.ReadersModel(readers=[_reader(reader) for reader in shown]))

    async def end(self, request: web.Request) -> web.Response:
        """Hang up."""
        try:
            reader = self._readers.by_id(request.match_info["id"])
        except NoSuchReader as error:
            # Only who manages everything learns who is not there.
            await self._access.require_manage(request, "")
            raise Problem(404, "no_such_reader", str(error)) from None
        permit = await self._access.require_manage(request, reader.stream.name)
        reader.end("ended by the administrator")
        await self._ledger.changed(request, permit, "reader.end", reader.id, stream=reader.stream.name)
        return web.Response(status=204)


def _reader(reader: StreamReader) -> models.ReaderModel:
    leg = reader.encryption()
    return models.ReaderModel(
        id=reader.id,
        protocol=reader.protocol,
        stream=reader.stream.name,
        address=reader.address,
        user=reader.user,
        since=reader.since,
        encryption=models.LegModel(**dataclasses.asdict(leg)) if leg is not None else None,
        skipped_units=reader.skipped,
        statistics=reader.describe(),
    )
