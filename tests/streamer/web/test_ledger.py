from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from auth.access.permit import Basis, Permit
from auth.audit.writer import AuditLog
from auth.errors import AuthUnavailable
from auth.permissions.actions import Action
from auth.permissions.principals import Kind, Principal
from streamer.web.ledger import LOOKS_EVERY_S, Ledger
from tests.auth.ground import database, vault
from tests.streamer.web.administration.desk import Desk


def permit(who: str) -> Permit:
    principal = Principal(who, Kind.USER, who)
    return Permit(principal, Action.ADMIN, frozenset({Action.ADMIN}), "", "", Basis.GRANT, 0.0, 1)


def asked() -> web.Request:
    return make_mocked_request("GET", "/")


async def test_the_same_look_counts_once_for_a_while(desk: Desk) -> None:
    now = 1000.0
    ledger = Ledger(desk.guard.audit, monotonic=lambda: now)
    for who, target in (("anna", ""), ("anna", ""), ("anna", "cam"), ("berta", "")):
        await ledger.looked(asked(), permit(who), "viewer.list", target)
    assert len(await desk.audited("viewer.list")) == 3
    now += LOOKS_EVERY_S
    await ledger.looked(asked(), permit("anna"), "viewer.list")
    assert len(await desk.audited("viewer.list")) == 4


async def test_every_change_counts(desk: Desk) -> None:
    ledger = Ledger(desk.guard.audit)
    for _ in range(2):
        await ledger.changed(asked(), permit("anna"), "user.add", "an-id", name="berta")
    first, _ = await desk.audited("user.add")
    assert (first["who"], first["target"], first["details"]) == ("anna", "an-id", {"name": "berta"})


async def test_whose_rights_a_token_has_is_told(desk: Desk) -> None:
    ledger = Ledger(desk.guard.audit)
    holder = replace(permit("token:1"), token_id="1", subject="anna-id")
    await ledger.changed(asked(), holder, "user.add", "")
    (entry,) = await desk.audited("user.add")
    assert (entry["who"], entry["details"]) == ("token:1", {"in_name_of": "anna-id"})


async def test_while_the_database_takes_nothing_looks_are_answered_and_changes_not(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        audit = AuditLog(engine, vault(), patience_s=0.05)  # nobody writes
        ledger = Ledger(audit)
        await ledger.looked(asked(), permit("anna"), "stream.show", "cam")
        assert audit.queued == 1
        with pytest.raises(AuthUnavailable):
            await ledger.changed(asked(), permit("anna"), "viewer.kick", "an-id")
