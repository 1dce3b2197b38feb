"""The tokens of connections, stored before anybody uses them.

A refresh token that changes with each use is lost if what replaces it is, and the connection with it. So what
a platform gives out waits in memory while the database does not take it. Several processes on one database
may refresh the same tokens at once; where the platform takes a refresh token once only, those that come late
are refused, and find what the first one stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.audit.entries import Event, Outcome, append
from auth.errors import AuthUnavailable, NoSuchConnection, ReconnectNeeded
from auth.platforms.records import (
    Connection,
    ConnectionState,
    Held,
    find_record,
    mark,
    read_tokens,
    store_tokens,
    take_back,
)
from auth.tokens.tokens import SERVER
from auth.vault.vault import Vault

_log = logging.getLogger(__name__)

#: What a database that does not answer looks like.
_AWAY = (SQLAlchemyError, AuthUnavailable, OSError)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who connects or disconnects.

    Attributes:
        who: for the audit log: id of a principal, or what stands for one.
        owner: id of the account whose the connection becomes; "" for the installation.
    """

    who: str
    address: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class _Unstored:
    """What a platform gave out and the database did not take.

    Attributes:
        before: what it replaces there, any of these.
        refused: as in `TokenStore.store`.
    """

    record: Connection
    before: tuple[Held, ...]
    held: Held
    refused: str


class TokenStore:
    """All connections' tokens. Nobody asks for one connection's twice at a time.

    Args:
        engine: the database.
        vault: seals tokens.
        clock: seconds since 1970.
    """

    def __init__(self, engine: AsyncEngine, vault: Vault, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._unstored: dict[str, _Unstored] = {}

    @property
    def waiting(self) -> dict[str, Connection]:
        """Whose tokens the database did not take yet, by id."""
        return {id: unstored.record for id, unstored in self._unstored.items()}

    def newest(self, connection_id: str) -> Held | None:
        """Those that wait for the database."""
        unstored = self._unstored.get(connection_id)
        return unstored.held if unstored is not None else None

    def forget(self, connection_id: str) -> None:
        """There are others now, or none."""
        self._unstored.pop(connection_id, None)

    async def present(self, connection_id: str) -> tuple[Connection, Held]:
        """A connection and the tokens that count; what waits is tried to be stored.

        Raises:
            NoSuchConnection: it is not there.
            ReconnectNeeded: it does not work any more.
        """
        waiting = self._unstored.get(connection_id)
        if waiting is None:
            return await self.read(connection_id)
        return await self._try_to_store(waiting)

    async def read(self, connection_id: str) -> tuple[Connection, Held]:
        """As `present`, for what is stored.

        Raises:
            NoSuchConnection, ReconnectNeeded: as `present`.
        """
        async with self._engine.connect() as connection:
            record = await find_record(connection, connection_id)
            if record is None:
                raise NoSuchConnection(connection_id)
            if not record.is_usable:
                raise ReconnectNeeded(record.reason)
            held = await read_tokens(connection, self._vault, connection_id)
        if held is None:
            raise ReconnectNeeded("there are no tokens for it; connect it again")
        return record, held

    async def store(
        self, record: Connection, before: Held, held: Held, *, refused: str
    ) -> tuple[Connection, Held]:
        """Keep what replaces `before`, here until the database has it.

        Args:
            record: whose they are.
            before: what they replace.
            held: what the platform gave out.
            refused: the reason that another process gives which came late with the same refresh token.

        Returns:
            What counts now: another's where that one was quicker.

        Raises:
            NoSuchConnection: it is gone.
            ReconnectNeeded: another found out that it does not work.
        """
        waiting = self._unstored.get(record.id)
        replaced = (before,) if waiting is None else (*waiting.before, before)
        self._unstored[record.id] = unstored = _Unstored(record, replaced, held, refused)
        return await self._try_to_store(unstored)

    async def over(self, connection_id: str, reason: str, read: str = "") -> bool:
        """Mark a connection as broken; False where it is gone or has other tokens than `read`."""
        broken = {"state": ConnectionState.RECONNECT.value, "reason": reason, "changed_at": self._clock()}
        async with self._engine.begin() as connection:
            server = Asker(SERVER)
            details = {"why": reason}
            await self.note(connection, server, "connection.refresh", connection_id, details, Outcome.FAILED)
            marked = await mark(connection, connection_id, read=read, **broken)
            if not marked:
                await connection.rollback()
        return marked

    async def note(
        self,
        connection: AsyncConnection,
        asker: Asker,
        what: str,
        target: str,
        details: Mapping[str, Any],
        outcome: Outcome = Outcome.DONE,
    ) -> None:
        """Write something that was done to a connection to the audit log, in the caller's transaction."""
        event = Event(asker.who, what, target, asker.address, outcome, details)
        await append(connection, self._vault, [event], self._clock())

    async def _try_to_store(self, unstored: _Unstored) -> tuple[Connection, Held]:
        record = unstored.record
        try:
            if await self._put_in_place(unstored) and await self._reason(record.id) == unstored.refused:
                # Who came late looked before this was here.
                await self._take_back(record.id, unstored.refused)
        except _AWAY as error:
            _log.error("new tokens of %r wait for the database: %s", record.name, error)
            return record, unstored.held
        del self._unstored[record.id]
        return await self.read(record.id)

    async def _put_in_place(self, unstored: _Unstored) -> bool:
        """Store what a platform gave out; False where there is something else by now than it replaces."""
        connection_id, held = unstored.record.id, unstored.held
        while True:
            async with self._engine.begin() as connection:
                present = await read_tokens(connection, self._vault, connection_id)
                if present is None:
                    return False
                if present.is_same(held) and present.pages == held.pages:
                    return True  # it was stored before, and only the answer was lost
                if not any(present.is_same(each) for each in unstored.before):
                    return False
                again = replace(held, sealed=present.sealed)
                if await store_tokens(connection, self._vault, connection_id, again, self._clock()):
                    return True

    async def _reason(self, connection_id: str) -> str:
        async with self._engine.connect() as connection:
            record = await find_record(connection, connection_id)
        return record.reason if record is not None else ""

    async def _take_back(self, connection_id: str, reason: str) -> None:
        async with self._engine.begin() as connection:
            details = {"why": "the platform gave new tokens to another process"}
            await self.note(connection, Asker(SERVER), "connection.refresh", connection_id, details)
            if not await take_back(connection, connection_id, reason, self._clock()):
                await connection.rollback()
