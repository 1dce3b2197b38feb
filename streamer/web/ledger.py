"""Keeps in the audit log what is done over HTTP: who, what, when, from where.

An answer waits until its entry is written: nobody has seen or changed anything that is not in the log.
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
        """Somebody did something."""
        # A token acts for itself; whose rights it has is told beside it.
        if permit.token_id and permit.subject:
            details["in_name_of"] = permit.subject
        address = client_address(request)
        await self._audit.record(Event(permit.principal.id, what, target, address, details=details))

    async def looked(
        self, request: web.Request, permit: Permit, what: str, target: str = "", /, **details: object
    ) -> None:
        """Somebody is about to be shown data about people."""
        look = (permit.principal.id, what, target, client_address(request))
        now = self._monotonic()
        before = self._looks.find(look)
        if before is not None and now - before < LOOKS_EVERY_S:
            return
        await self.changed(request, permit, what, target, **details)
        self._looks.add(look, now)
