"""Browser sessions: a random cookie whose hash is in the database.

A session ends when it was not used for a while, at its end, when it is revoked and when its account is
disabled. Its cookie is new at login and whenever more was proven (`renew`), so that nobody can prepare one
for somebody else. Looking one up costs a hash while nothing changed in the database. That one was used is
remembered, and written apart from requests (`note_seen`), which so never wait for somebody else's writing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.accounts import Accounts
from auth.errors import NoSuchPrincipal, TokenExpired, TokenInvalid
from auth.factors.factors import Factors
from auth.signin.session_records import Cookie, OpenedSession, Session, SessionPolicy, SessionRecord, Standing
from auth.signin.visitors import Visitor
from auth.storage.freshness import Freshness, Remembered
from auth.storage.schema import bump
from auth.storage.tables import ID_CHARACTERS, sessions
from auth.vault.digests import digest

_UNKNOWN = "there is no such session, or not any more"


@dataclass(slots=True)
class _Known:
    session: Session
    seen_at: float


async def end_sessions(connection: AsyncConnection, principal_id: str) -> int:
    """End all of an account's sessions in the caller's transaction; how many there were.

    For who has no `Sessions`, as a command beside a running server, which notices by itself.
    """
    await bump(connection)
    ended = await connection.execute(delete(sessions).where(sessions.c.principal_id == principal_id))
    return int(ended.rowcount)


class Sessions:
    """All sessions of a database.

    Args:
        engine: the database.
        accounts: whose they are.
        factors: tells who needs a second one.
        freshness: tells when to look again.
        policy: how long they last.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        accounts: Accounts,
        factors: Factors,
        freshness: Freshness,
        policy: SessionPolicy | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.policy = policy or SessionPolicy()
        self._engine = engine
        self._accounts = accounts
        self._factors = factors
        self._freshness = freshness
        self._clock = clock
        self._known: Remembered[_Known] = Remembered()
        # By hash, when they were used; until it is written.
        self._seen: dict[str, float] = {}

    def cookie(self, secure: bool) -> Cookie:
        """How to set the cookie; `secure` under TLS, where no other site's page can set one of that name."""
        return Cookie("__Host-session" if secure else "session", secure, int(self.policy.absolute_s))

    async def open(
        self, principal_id: str, visitor: Visitor, *, method: str, with_factor: bool
    ) -> OpenedSession:
        """Begin a session for somebody who has proven who they are.

        Raises:
            NoSuchPrincipal: the account is gone, or disabled.
        """
        now = self._clock()
        record = SessionRecord(
            handle=secrets.token_hex(ID_CHARACTERS // 2),
            principal_id=principal_id,
            method=method,
            with_factor=with_factor,
            address=visitor.neighbourhood,
            agent=visitor.agent_family,
            created_at=now,
            seen_at=now,
            proven_at=now,
            expires_at=now + self.policy.absolute_s,
        )
        cookie = secrets.token_urlsafe(32)
        values = {name: getattr(record, name) for name in SessionRecord.__slots__}
        try:
            async with self._engine.begin() as connection:
                gave_way = await self._make_room(connection, principal_id)
                await connection.execute(insert(sessions).values(hash=digest(cookie), **values))
                # In here, so that nothing is left of a session for somebody who cannot act.
                session = await self._complete(connection, record)
        except IntegrityError:
            raise NoSuchPrincipal(principal_id) from None
        if gave_way:
            self._freshness.doubt()
        return OpenedSession(session, cookie)

    async def authenticate(self, cookie: str) -> Session:
        """Whose session this is.

        Raises:
            TokenInvalid: nobody's, revoked, or its account is disabled.
            TokenExpired: its time is over.
            AuthUnavailable: the database does not answer.
        """
        hashed = digest(cookie)
        generation = await self._freshness.generation()
        known = self._known.recall(hashed, generation)
        now = self._clock()
        # Another process may have seen it since.
        if known is None or now - known.seen_at >= self.policy.idle_s:
            known = await self._look_up(hashed)
            self._known.keep(hashed, generation, known)
        record = known.session.record
        if now >= record.expires_at or now - known.seen_at >= self.policy.idle_s:
            raise TokenExpired("the session is over; log in again")
        if now - known.seen_at >= self.policy.note_every_s:
            known.seen_at = self._seen[hashed] = now
        return known.session

    async def note_seen(self) -> None:
        """Write down when sessions were used; for every few seconds. What fails is kept for the next time.

        Raises:
            SQLAlchemyError, AuthUnavailable: the database does not answer.
        """
        for hashed, at in list(self._seen.items()):
            mine = (sessions.c.hash == hashed) & (sessions.c.seen_at < at)
            # A transaction for each: with several rows it and one that ends them could wait for each other.
            async with self._engine.begin() as connection:
                await connection.execute(update(sessions).where(mine).values(seen_at=at))
            if self._seen.get(hashed) == at:
                del self._seen[hashed]

    async def renew(self, cookie: str, *, with_factor: bool | None = None) -> OpenedSession:
        """Give a session a new cookie, now that more was proven; the old one is worth nothing.

        Args:
            cookie: the present one.
            with_factor: True when a second factor was shown; None leaves that as it is.

        Raises:
            TokenInvalid, TokenExpired: as `authenticate`.
        """
        record = (await self.authenticate(cookie)).record
        record = replace(
            record,
            seen_at=self._clock(),
            proven_at=self._clock(),
            with_factor=record.with_factor if with_factor is None else with_factor,
        )
        fresh = secrets.token_urlsafe(32)
        async with self._engine.begin() as connection:
            await bump(connection)
            changed = await connection.execute(
                update(sessions)
                .where(sessions.c.hash == digest(cookie))
                .values(
                    hash=digest(fresh),
                    seen_at=record.seen_at,
                    proven_at=record.proven_at,
                    with_factor=record.with_factor,
                )
            )
            if not changed.rowcount:
                raise TokenInvalid(_UNKNOWN)
            session = await self._complete(connection, record)
        self._known.forget(digest(cookie))
        self._freshness.doubt()
        return OpenedSession(session, fresh)

    async def sessions_of(self, principal_id: str) -> list[SessionRecord]:
        """An account's, the one used last first."""
        columns = (sessions.c[name] for name in SessionRecord.__slots__)
        mine = (sessions.c.principal_id == principal_id) & ~self._over()
        async with self._engine.connect() as connection:
            found = await connection.execute(
                select(*columns).where(mine).order_by(sessions.c.seen_at.desc(), sessions.c.created_at)
            )
            return [SessionRecord(*record) for record in found]

    async def revoke(self, principal_id: str, handle: str) -> None:
        """End one of an account's sessions.

        Raises:
            NoSuchPrincipal: the account has no such session.
        """
        mine = sessions.c.principal_id == principal_id
        if not await self._end(mine & (sessions.c.handle == handle)):
            raise NoSuchPrincipal(handle)

    async def revoke_others(self, principal_id: str, handle: str) -> int:
        """End all of an account's sessions but one; how many there were."""
        return await self._end((sessions.c.principal_id == principal_id) & (sessions.c.handle != handle))

    async def revoke_all(self, principal_id: str) -> int:
        """End all of an account's sessions; how many there were."""
        return await self._end(sessions.c.principal_id == principal_id)

    async def log_out(self, cookie: str) -> None:
        """End the session with this cookie, if there is one."""
        await self._end(sessions.c.hash == digest(cookie))

    async def sweep(self) -> int:
        """Remove what is over; for now and then. How many there were.

        Raises:
            SQLAlchemyError, AuthUnavailable: the database does not answer.
        """
        await self.note_seen()
        async with self._engine.begin() as connection:
            return int((await connection.execute(delete(sessions).where(self._over()))).rowcount)

    async def _end(self, condition: ColumnElement[bool]) -> int:
        async with self._engine.begin() as connection:
            await bump(connection)
            count = int((await connection.execute(delete(sessions).where(condition))).rowcount)
        self._freshness.doubt()
        return count

    async def _make_room(self, connection: AsyncConnection, principal_id: str) -> bool:
        """End those of an account that were not used for longest, so that one more fits; whether any did."""
        mine = sessions.c.principal_id == principal_id
        counted = await connection.execute(select(func.count()).select_from(sessions).where(mine))
        if counted.scalar_one() < self.policy.max_per_account:
            return False
        await bump(connection)  # first, as everywhere: two transactions wait for each other in one order only
        kept = select(sessions.c.hash).where(mine).order_by(sessions.c.seen_at.desc())
        kept = kept.limit(self.policy.max_per_account - 1)
        await connection.execute(delete(sessions).where(mine, sessions.c.hash.not_in(kept)))
        return True

    def _over(self) -> ColumnElement[bool]:
        now = self._clock()
        return or_(sessions.c.expires_at <= now, sessions.c.seen_at <= now - self.policy.idle_s)

    async def _look_up(self, hashed: str) -> _Known:
        async with self._engine.connect() as connection:
            columns: list[Any] = [sessions.c[name] for name in SessionRecord.__slots__]
            found = await connection.execute(select(*columns).where(sessions.c.hash == hashed))
            row = found.one_or_none()
            if row is None:
                raise TokenInvalid(_UNKNOWN)
            record = SessionRecord(*row)
            try:
                session = await self._complete(connection, record)
            except NoSuchPrincipal:
                raise TokenInvalid(_UNKNOWN) from None
        return _Known(session, max(record.seen_at, self._seen.get(hashed, 0.0)))

    async def _complete(self, connection: AsyncConnection, record: SessionRecord) -> Session:
        principal = await self._accounts.principal(record.principal_id, connection=connection)
        standing = Standing.FULL
        if not record.with_factor and await self._factors.required(principal, connection=connection):
            enrolled = await self._factors.enrolled(principal.id, connection=connection)
            standing = Standing.PROVE if enrolled else Standing.ENROLL
        return Session(principal, standing, record)
