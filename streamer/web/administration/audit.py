"""The audit log, for auditors: page by page, whole as JSON lines, and whether it is whole."""

from __future__ import annotations

import dataclasses

from aiohttp import web

from auth.audit.reader import Filter, export, latest, verify
from auth.errors import NoSuchPrincipal
from streamer.web.administration import models, requests
from streamer.web.administration.office import Names, Office
from streamer.web.answers import NO_STORE, answer
from streamer.web.inputs import read_query
from streamer.web.operations import Operation

_LINES = "application/jsonl"


class Audit:
    """The handlers."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._registers = office.registers

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "GET",
                "/api/v1/audit",
                self.page,
                "The audit log, the newest entries first",
                returns=models.EntriesModel,
                query=requests.AuditPage,
                needs="audit",
            ),
            Operation(
                "GET",
                "/api/v1/audit/export",
                self.export,
                "The audit log as JSON lines, the oldest entry first",
                {200: "One entry a line"},
                content=_LINES,
                query=requests.AuditQuery,
                needs="audit",
            ),
            Operation(
                "GET",
                "/api/v1/audit/verification",
                self.verify,
                "Check that nothing in the log was changed, removed or cut off",
                {200: "What was found"},
                returns=models.VerdictModel,
                needs="audit",
            ),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The last ones."""
        permit = await self._office.access.require_audit(request)
        asked = read_query(request, requests.AuditPage)
        names = await self._office.names()
        which = dataclasses.replace(await self._filter(asked), before=asked.before)
        await self._office.ledger.looked(request, permit, "audit.read")
        found = await latest(self._registers.engine, which, asked.limit)
        return answer(
            models.EntriesModel(
                entries=[_entry(entry, names) for entry in found],
                before=found[-1]["seq"] if len(found) == asked.limit else None,
            )
        )

    async def export(self, request: web.Request) -> web.StreamResponse:
        """All of them."""
        permit = await self._office.access.require_audit(request)
        asked = read_query(request, requests.AuditQuery)
        which = await self._filter(asked)
        await self._office.ledger.changed(
            request, permit, "audit.export", "", **asked.model_dump(mode="json")
        )
        response = web.StreamResponse(
            headers={
                **NO_STORE,
                "Content-Type": _LINES,
                "Content-Disposition": 'attachment; filename="audit.jsonl"',
            }
        )
        await response.prepare(request)
        if request.method != "HEAD":
            async for line in export(self._registers.engine, which):
                await response.write(line.encode())
        await response.write_eof()
        return response

    async def verify(self, request: web.Request) -> web.Response:
        """Whether it is whole."""
        permit = await self._office.access.require_audit(request)
        verdict = await verify(self._registers.engine, self._registers.vault)
        await self._office.ledger.changed(
            request, permit, "audit.verify", "", checked=verdict.checked, first_broken=verdict.first_broken
        )
        return answer(
            models.VerdictModel(
                is_whole=verdict.is_whole,
                checked=verdict.checked,
                first_broken=verdict.first_broken,
                why=verdict.why,
            )
        )

    async def _filter(self, asked: requests.AuditQuery) -> Filter:
        return Filter(
            asked.since,
            asked.until,
            who=await self._id_of(asked.who),
            what=asked.what,
            target=await self._id_of(asked.target),
            address=asked.address,
            outcome=asked.outcome or "",
        )

    async def _id_of(self, id_or_name: str) -> str:
        """The id of somebody who is named; anything else stands for itself."""
        if not id_or_name:
            return ""
        try:
            return (await self._office.account(id_or_name)).id
        except NoSuchPrincipal:
            return id_or_name


def _entry(entry: dict[str, object], names: Names) -> models.EntryModel:
    return models.EntryModel.model_validate(
        {
            **entry,
            "who_name": names.of(str(entry["who"])),
            "target_name": names.of(str(entry["target"])),
        }
    )
