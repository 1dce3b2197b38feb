"""Accounts on platforms, connected once and used from then on: whose they are, and the tokens that prove it.

How an account comes to be connected is in `auth.platforms.connecting`. Everybody who acts on a platform asks
`access` for a token and never keeps it. There it is renewed (`auth.platforms.renewal`), one at a time for
each connection, and stored before it is used (`auth.platforms.token_store`).

A connection that does not work any more stays, in a state that says so and why: only somebody who connects
it again, or disconnects it, can help. Read `auth.platforms.login` for what differs between the platforms.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.audit.entries import Outcome
from auth.errors import AuthError, AuthUnavailable, NoSuchConnection, PlatformRefused, ReconnectNeeded
from auth.platforms.login import PlatformLogin
from auth.platforms.oauth import Tokens
from auth.platforms.records import (
    Connection,
    Held,
    find_account,
    find_record,
    list_records,
    mark,
    read_tokens,
    remove_record,
    store_record,
)
from auth.platforms.renewal import Renewal
from auth.platforms.token_store import Asker, TokenStore
from auth.vault.vault import Vault

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")

_LOOK_EVERY_S = 60.0
_LAST_TRY_S = 1.0
#: Erases what was learnt through a connection; in the transaction that erases the connection.
Eraser = Callable[[AsyncConnection, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Access:
    """Leave to act on a platform, for one request.

    Attributes:
        token: a secret.
        client_id: the registered application it was given to.
        project: what the platform counts quotas by.
        acts_as: the platform's id of the account or page.
    """

    token: str = field(repr=False)
    client_id: str
    project: str
    acts_as: str
    name: str
    page: str
    scopes: frozenset[str]


class Connections:
    """All of them. Belongs to one event loop.

    Args:
        engine: the database.
        vault: seals tokens.
        logins: the platforms that are configured.
        clock: seconds since 1970.

    Attributes:
        on_disconnect: erase what was learnt through a connection.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        logins: Iterable[PlatformLogin],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.logins = {login.platform: login for login in logins}
        self.on_disconnect: list[Eraser] = []
        self._engine = engine
        self._vault = vault
        self.clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._working: set[asyncio.Task[Any]] = set()
        self._store = TokenStore(engine, vault, clock)
        self._renewal = Renewal(self._store, self.logins, clock)

    async def list(self) -> list[Connection]:
        """All of them, oldest first."""
        async with self._engine.connect() as connection:
            return await list_records(connection)

    async def find(self, connection_id: str) -> Connection:
        """One of them.

        Raises:
            NoSuchConnection: it is not there.
        """
        async with self._engine.connect() as connection:
            record = await find_record(connection, connection_id)
        if record is None:
            raise NoSuchConnection(connection_id)
        return record

    def login(self, platform: str) -> PlatformLogin:
        """What connecting to a platform takes.

        Raises:
            PlatformRefused: it is not configured.
        """
        login = self.logins.get(platform)
        if login is None:
            raise PlatformRefused(
                "not_configured",
                f"{platform[:32]!r} is not configured; expected client_id in [platforms.NAME] for one of "
                "youtube, facebook, twitch",
            )
        return login

    async def keep(self, record: Connection, held: Held, asker: Asker) -> None:
        """Keep a connection that was made, or made again, with its tokens."""
        details = {
            "platform": record.platform,
            "name": record.name,
            "scopes": record.scopes,
            "reason": record.reason,
        }
        outcome = Outcome.DONE if record.is_usable else Outcome.FAILED
        async with self._lock(record.id), self._engine.begin() as connection:
            await self._store.note(connection, asker, "connection.connect", record.id, details, outcome)
            await store_record(connection, self._vault, record, held)
        self._store.forget(record.id)

    async def known(self, platform: str, subject: str, owner: str, again: str) -> Connection | None:
        """The connection to an account, by whose it is here and there.

        Args:
            platform: which.
            subject: the platform's id of the account; "" where it is not known.
            owner: as in `Asker`.
            again: id of the connection that is to work again.
        """
        async with self._engine.connect() as connection:
            found = await find_record(connection, again) if again else None
            # Somebody may have chosen another account than the one that was to work again.
            if found is None or not _may_be(found, platform, owner, subject):
                found = await find_account(connection, platform, subject, owner)
        return found

    async def pick_page(self, connection_id: str, page: str, asker: Asker) -> Connection:
        """Publish as a page, or for "" as the account itself, from now on.

        Raises:
            NoSuchConnection: it is not there.
            PlatformRefused: the account has no such page.
        """
        record = await self.find(connection_id)
        if page and page not in {each.id for each in record.pages}:
            raise PlatformRefused("no_such_page", f"{record.name!r} has no page with the id {page[:64]!r}")
        now = self.clock()
        async with self._engine.begin() as connection:
            details = {"platform": record.platform, "page": page}
            await self._store.note(connection, asker, "connection.page", connection_id, details)
            await mark(connection, connection_id, page=page, changed_at=now)
        return replace(record, page=page, changed_at=now)

    async def access(self, connection_id: str, page: str | None = None, rejected: str = "") -> Access:
        """A token to act with now; refreshed when that is due.

        Args:
            connection_id: which.
            page: to act as; "" for the account itself, None for what was picked.
            rejected: a token that the platform did not take; another is found, or the connection is over.

        Raises:
            NoSuchConnection: it is not there.
            ReconnectNeeded: it does not work any more.
            AuthUnavailable: the platform does not answer.
        """
        record, held = await self._present(connection_id)
        login, client = self._renewal.client(record)
        if rejected or login.is_due(held.tokens, self.clock()):
            seen = held.tokens.access
            record, held = await self.to_its_end(self._renew(connection_id, seen, rejected))
        wanted = record.page if page is None else page
        token = held.pages.get(wanted, "") if wanted else held.tokens.access
        if not token:
            raise ReconnectNeeded(
                f"{login.name}: the page {wanted!r} may not be published to; connect it again"
            )
        return Access(
            token,
            client.id,
            _project(client.id),
            wanted or record.subject,
            record.name,
            wanted,
            record.scopes,
        )

    async def break_off(self, connection_id: str, reason: str) -> None:
        """Say that a connection does not work any more, and why; for who found that out by using it."""
        async with self._lock(connection_id):
            await self._store.over(connection_id, reason)

    async def disconnect(self, connection_id: str, asker: Asker) -> bool:
        """Have the platform forget us, and forget the account with all that was learnt through it.

        Returns:
            False when the platform did not confirm; then it should be undone in the account's settings.

        Raises:
            NoSuchConnection: it is not there.
        """
        return await self.to_its_end(self._disconnect(connection_id, asker))

    async def run(self) -> None:
        """Renew what would end unused, and look after what a platform wants looked after, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look_after()
            except AuthUnavailable as error:
                _log.warning("connections to platforms cannot be looked after: %s", error)

    async def look_after(self) -> None:
        """Do once what `run` does."""
        await self._store_all()
        for record in await self.list():
            login = self.logins.get(record.platform)
            if login is None or not record.is_usable:
                continue
            try:
                await self._look_after(record, login)
            except (AuthUnavailable, NoSuchConnection, PlatformRefused) as error:
                _log.info("%s of %s: %s", record.id, login.name, error)
            except ReconnectNeeded as error:
                _log.warning("the connection to %r on %s: %s", record.name, login.name, error)

    async def close(self) -> None:
        """Let what is under way come to its end, and try once more to store what waits for that."""
        await asyncio.gather(*self._working, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_TRY_S):
                await self._store_all()
        for record in self._store.waiting.values():
            _log.error("tokens of %r are lost: the database does not answer", record.name)

    async def _look_after(self, record: Connection, login: PlatformLogin) -> None:
        access = await self.access(record.id, page="")
        every_s = login.check_every_s
        if every_s is None or self.clock() < record.checked_at + every_s:
            return
        try:
            await login.check(Tokens(access.token))
        except PlatformRefused:
            await self.access(record.id, page="", rejected=access.token)
            return
        async with self._engine.begin() as connection:
            await mark(connection, record.id, checked_at=self.clock())

    async def _renew(self, connection_id: str, seen: str, rejected: str) -> tuple[Connection, Held]:
        async with self._lock(connection_id):
            return await self._renewal.renew(connection_id, seen, rejected)

    async def _present(self, connection_id: str) -> tuple[Connection, Held]:
        """What is stored; or waits for that, if it cannot be stored now."""
        if self._store.newest(connection_id) is None:
            return await self._store.read(connection_id)
        return await self.to_its_end(self._store_waiting(connection_id))

    async def _store_waiting(self, connection_id: str) -> tuple[Connection, Held]:
        async with self._lock(connection_id):
            return await self._store.present(connection_id)

    async def _store_all(self) -> None:
        for connection_id in self._store.waiting:
            try:
                await self._present(connection_id)
            except (AuthError, SQLAlchemyError, OSError) as error:
                _log.info("%s: %s", connection_id, error)

    async def _disconnect(self, connection_id: str, asker: Asker) -> bool:
        async with self._lock(connection_id):
            async with self._engine.connect() as connection:
                record = await find_record(connection, connection_id)
                held = await read_tokens(connection, self._vault, connection_id)
            if record is None:
                raise NoSuchConnection(connection_id)
            held = self._store.newest(connection_id) or held
            confirmed = await self._revoke(record, held)
            async with self._engine.begin() as connection:
                details = {"platform": record.platform, "name": record.name, "revoked": confirmed}
                await self._store.note(connection, asker, "connection.disconnect", connection_id, details)
                for erase in self.on_disconnect:
                    await erase(connection, connection_id)
                await remove_record(connection, connection_id)
            self._store.forget(connection_id)
            return confirmed

    async def _revoke(self, record: Connection, held: Held | None) -> bool:
        login = self.logins.get(record.platform)
        client = login.client(record.client_id) if login is not None else None
        if login is None or client is None or held is None:
            return False
        try:
            await login.revoke(held.tokens, client)
        except (PlatformRefused, AuthUnavailable) as error:
            _log.warning("%s did not confirm that %r is disconnected: %s", login.name, record.name, error)
            return False
        return True

    def _lock(self, connection_id: str) -> asyncio.Lock:
        return self._locks.setdefault(connection_id, asyncio.Lock())

    async def to_its_end(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Do it even if nobody waits any more: a token that was given out must not get lost on the way."""
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            # Also when nobody waits any more, so that the loop does not complain.
            task.exception()


def _project(client_id: str) -> str:
    """Google counts by project, whose number comes first in the ids of its applications."""
    return client_id.partition("-")[0]


def _may_be(known: Connection, platform: str, owner: str, subject: str) -> bool:
    """Whether a connection is to this account; without its permission nobody learns which one it is."""
    same = (known.platform, known.owner) == (platform, owner)
    return same and (not subject or known.subject in ("", subject))
