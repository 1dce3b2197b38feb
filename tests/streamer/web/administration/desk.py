"""The API of administration with somebody at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from auth.audit.entries import Event
from auth.audit.reader import export
from auth.permissions.actions import Action, Role
from auth.permissions.grants import GrantKind, NewGrant, add_grant
from auth.permissions.limits import NO_LIMITS
from auth.permissions.principals import Kind
from auth.tokens.tokens import SERVER, TokenOrder, implied
from tests.streamer.web.rig import WebRig


class Desk(WebRig):
    """Asks as the administrator unless told who asks."""

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        by: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Status, and what came as JSON."""
        headers = self.admin if by is None else by
        async with self.client.request(method, f"/api/v1{path}", headers=headers, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def done(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        by: Mapping[str, str] | None = None,
    ) -> Any:
        """What came of what must succeed."""
        status, answer = await self.ask(method, path, body, by=by)
        assert status < 300, (status, answer)
        return answer

    async def refused(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        by: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and error of what must fail."""
        status, answer = await self.ask(method, path, body, by=by)
        assert status >= 400, answer
        return status, answer["error"]

    async def somebody(
        self,
        name: str,
        what: Role | Action,
        stream: str = "*",
        *,
        kind: GrantKind = GrantKind.NORMAL,
    ) -> dict[str, str]:
        """Headers of an account with one grant, by a token that allows all that the account may do."""
        account = await self.identity.accounts.create(Kind.USER, name)
        now = self.identity.clock()
        ends = now + 3600 if kind is GrantKind.SUPPORT else None
        async with self.identity.engine.begin() as connection:
            new = NewGrant(account.id, what, stream, SERVER, "", ends, kind)
            await add_grant(connection, new, now)
        await self.identity.authority.refresh()
        authority = self.identity.authority
        order = TokenOrder(implied(Action), ("*",), 60.0, account.id, NO_LIMITS)
        issued = authority.tokens.issue(authority.snapshot.ring, order, now)
        return {"Authorization": f"Bearer {issued.token}"}

    async def audited(self, what: str) -> list[dict[str, Any]]:
        """Entries of one kind."""
        # What need not be waited for is written in its turn, before this.
        await self.guard.audit.record(Event(SERVER, "test"))
        entries = [json.loads(line) async for line in export(self.identity.engine)]
        return [entry for entry in entries if entry["what"] == what]
