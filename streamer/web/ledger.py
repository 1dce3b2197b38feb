"""Keeps in the audit log what is done over HTTP: who, what, when, from where.

An answer waits until its entry is written: nobody has seen or changed anything that is not in the log. While
the database takes nothing a look is answered all the same, and its entry waits; a change is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from auth.access.permit import Permit
from auth.audit.entries import Event
from auth.audit.writer import AuditLog
from auth.storage.lru import LruCache
from streamer.web.origin import client_address

#: Pages that show something live ask again every few seconds; the same look counts once in so long.
LOOKS_EVERY_S = 60.0
_MAX_LOOKS = 4096


class Ledger:
    """Writes entries.

    Args:
        audit: where they are kept.
        monotonic: seconds, for looks that are repeated.
    """

    def __init__(self, audit: AuditLog, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._monotonic = monotonic
        self._looks: LruCache[tuple[str, str, str, str], float] = LruCache(_MAX_LOOKS)

    async def changed(
        self, request: web.Request, permit: Permit, what: str, target: str, /, **details: object
    ) -> None:
        """Somebody did something.

        Raises:
            AuthUnavailable: that cannot be written now.
        """
        await self._audit.record(self._event(request, permit, what, target, details))

    async def looked(
        self, request: web.Request, permit: Permit, what: str, target: str = "", /, **details: object
    ) -> None:
        """Somebody is about to be shown data about people.

        Raises:
            AuthUnavailable: that cannot be written now, and too much waits for it already.
        """
        look = (permit.principal.id, what, target, client_address(request))
        now = self._monotonic()
        before = self._looks.find(look)
        if before is not None and now - before < LOOKS_EVERY_S:
            return
        await self._audit.entrust(self._event(request, permit, what, target, details))
        self._looks.add(look, now)

    def _event(
        self, request: web.Request, permit: Permit, what: str, target: str, details: dict[str, object]
    ) -> Event:
        # A token acts for itself; whose rights it has is told beside it.
        if permit.token_id and permit.subject:
            details["in_name_of"] = permit.subject
        return Event(permit.principal.id, what, target, client_address(request), details=details)
