from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.accounts.accounts import Account
from auth.errors import AuthUnavailable, NoSuchPrincipal, TokenExpired, TokenInvalid
from auth.signin.session_records import OpenedSession, SessionPolicy, Standing
from auth.signin.sessions import Sessions
from auth.storage.tables import sessions
from tests.auth.rig import HOME, People


async def opened(people: People, account: Account, with_factor: bool = False) -> OpenedSession:
    return await people.sessions.open(account.id, HOME, method="password", with_factor=with_factor)


async def is_over(sessions: Sessions, cookie: str) -> bool:
    try:
        await sessions.authenticate(cookie)
    except TokenInvalid:
        return True
    return False


class TestAuthenticating:
    async def test_a_cookie_says_who(self, people: People) -> None:
        jane = await people.user("jane")
        ops = await people.group("ops", jane)
        session = await opened(people, jane)
        found = await people.sessions.authenticate(session.cookie)
        assert found == session.session
        assert (found.principal.name, found.principal.groups) == ("jane", {ops.id})
        assert found.standing is Standing.FULL
        assert (found.record.address, found.record.agent) == ("198.51.100.0/24", "Firefox on Linux")
        assert found.record.method == "password"

    @pytest.mark.parametrize("cookie", ["", "x", "\udcff", "\0", "a" * 100_000])
    async def test_what_is_none(self, cookie: str, people: People) -> None:
        with pytest.raises(TokenInvalid):
            await people.sessions.authenticate(cookie)

    async def test_it_is_neither_kept_nor_shown(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        assert session.cookie not in repr(session)
        async with people.engine.connect() as connection:
            kept = repr((await connection.execute(select(sessions))).all())
        assert session.cookie not in kept
        assert len(session.cookie) >= 43

    async def test_it_costs_no_query_while_nothing_changed(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        session = await opened(people, await people.user("jane"))
        await people.sessions.authenticate(session.cookie)
        queries: list[str] = []
        event.listen(
            sqlite_engine.sync_engine,
            "before_cursor_execute",
            lambda *arguments: queries.append(arguments[2]),
        )
        for _ in range(100):
            await people.sessions.authenticate(session.cookie)
        assert queries == []

    async def test_it_does_not_wait_for_who_writes(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane = await people.user("jane")
        session = await opened(people, jane)
        people.clock.advance(people.sessions.policy.note_every_s)
        with closing(sqlite3.connect(sqlite_engine.url.database or "")) as elsewhere:
            elsewhere.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                await people.sessions.authenticate(session.cookie)
        (before,) = await people.sessions.sessions_of(jane.id)
        await people.sessions.note_seen()
        (after,) = await people.sessions.sessions_of(jane.id)
        assert before.seen_at == session.session.record.seen_at
        assert after.seen_at == people.clock.now

    async def test_what_is_not_written_yet_counts(self, people: People) -> None:
        policy = people.sessions.policy
        jane = await people.user("jane")
        session = await opened(people, jane)
        people.clock.advance(policy.idle_s - 1)
        await people.sessions.authenticate(session.cookie)
        people.clock.advance(2)
        people.freshness.doubt()
        await people.group("ops", jane)
        assert (await people.sessions.authenticate(session.cookie)).principal.groups
        assert await people.sessions.sweep() == 0
        await people.sessions.authenticate(session.cookie)

    async def test_what_cannot_be_written_is_written_later(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane = await people.user("jane")
        session = await opened(people, jane)
        people.clock.advance(people.sessions.policy.note_every_s)
        await people.sessions.authenticate(session.cookie)
        async with sqlite_engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE auth_session RENAME TO away")
        with pytest.raises(AuthUnavailable):
            await people.sessions.note_seen()
        async with sqlite_engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO auth_session")
        await people.sessions.note_seen()
        assert [record.seen_at for record in await people.sessions.sessions_of(jane.id)] == [people.clock.now]

    async def test_only_accounts_that_are_there(self, people: People) -> None:
        with pytest.raises(NoSuchPrincipal):
            await people.sessions.open("0" * 32, HOME, method="password", with_factor=False)
        jane = await people.user("jane")
        await people.accounts.disable(jane.id)
        with pytest.raises(NoSuchPrincipal):
            await opened(people, jane)


class TestEnding:
    async def test_idle(self, people: People) -> None:
        policy = people.sessions.policy
        used, unused = [await opened(people, await people.user(name)) for name in ("jane", "joan")]
        people.clock.advance(policy.idle_s - 1)
        await people.sessions.authenticate(used.cookie)
        people.clock.advance(2)
        await people.sessions.authenticate(used.cookie)
        with pytest.raises(TokenExpired):
            await people.sessions.authenticate(unused.cookie)

    async def test_another_server_that_saw_it_keeps_it_alive(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        other = people.another_server()
        await other.authenticate(session.cookie)
        for _ in range(3):
            people.clock.advance(people.sessions.policy.idle_s - 1)
            await people.sessions.authenticate(session.cookie)
            await people.sessions.note_seen()
        await other.authenticate(session.cookie)

    async def test_at_its_end_however_it_is_used(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        end = session.session.record.expires_at
        while people.clock.now < end - 6 * 3600:
            await people.sessions.authenticate(session.cookie)
            people.clock.advance(6 * 3600)
        people.clock.now = end
        with pytest.raises(TokenExpired):
            await people.sessions.authenticate(session.cookie)

    async def test_with_its_account(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        first, second = await opened(people, jane), await opened(people, joan)
        for session in (first, second):
            await people.sessions.authenticate(session.cookie)
        await people.accounts.disable(jane.id)
        await people.accounts.delete(joan.id)
        people.clock.advance(0.25)
        assert await is_over(people.sessions, first.cookie)
        assert await is_over(people.sessions, second.cookie)

    async def test_groups_are_those_of_now(self, people: People) -> None:
        jane = await people.user("jane")
        session = await opened(people, jane)
        ops = await people.group("ops", jane)
        people.clock.advance(0.25)
        assert (await people.sessions.authenticate(session.cookie)).principal.groups == {ops.id}


class TestRevoking:
    async def test_one_of_those_that_are_listed(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        first = await opened(people, jane)
        people.clock.advance(1)
        second = await opened(people, jane)
        listed = await people.sessions.sessions_of(jane.id)
        assert [record.handle for record in listed] == [
            second.session.record.handle,
            first.session.record.handle,
        ]
        with pytest.raises(NoSuchPrincipal):
            await people.sessions.revoke(joan.id, listed[0].handle)
        other = people.another_server()
        assert not await is_over(other, second.cookie)
        await people.sessions.revoke(jane.id, listed[0].handle)
        assert await is_over(people.sessions, second.cookie)
        assert not await is_over(people.sessions, first.cookie)
        people.clock.advance(0.25)
        assert await is_over(other, second.cookie)

    async def test_all_others(self, people: People) -> None:
        jane, joan = await people.user("jane"), await people.user("joan")
        mine = [await opened(people, jane) for _ in range(3)]
        hers = await opened(people, joan)
        assert await people.sessions.revoke_others(jane.id, mine[1].session.record.handle) == 2
        assert [await is_over(people.sessions, session.cookie) for session in (*mine, hers)] == [
            True, False, True, False,
        ]  # fmt: skip
        assert await people.sessions.revoke_all(jane.id) == 1
        assert await is_over(people.sessions, mine[1].cookie)

    async def test_logging_out(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        await people.sessions.log_out(session.cookie)
        await people.sessions.log_out("never there")
        assert await is_over(people.sessions, session.cookie)


class TestRenewing:
    async def test_the_old_cookie_is_worth_nothing(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        people.clock.advance(100)
        renewed = await people.sessions.renew(session.cookie, with_factor=True)
        assert renewed.cookie != session.cookie
        assert await is_over(people.sessions, session.cookie)
        record = (await people.sessions.authenticate(renewed.cookie)).record
        assert record.with_factor
        assert record.proven_at == people.clock.now
        assert record.handle == session.session.record.handle
        assert record.expires_at == session.session.record.expires_at
        with pytest.raises(TokenInvalid):
            await people.sessions.renew(session.cookie)

    async def test_of_two_at_once_one_counts(self, people: People) -> None:
        session = await opened(people, await people.user("jane"))
        await people.sessions.authenticate(session.cookie)
        results = await asyncio.gather(
            *(people.sessions.renew(session.cookie) for _ in range(3)), return_exceptions=True
        )
        assert sum(isinstance(result, TokenInvalid) for result in results) == 2


class TestStanding:
    async def test_a_group_that_comes_to_require_a_factor(self, people: People) -> None:
        jane, joan, boss = [await people.user(name) for name in ("jane", "joan", "boss")]
        ops = await people.group("ops", jane, joan, boss)
        await people.with_app(joan)
        cookies = [
            (await opened(people, account, with_factor=account is boss)).cookie
            for account in (jane, joan, boss)
        ]
        await people.accounts.require_factor(ops.id, True)
        people.clock.advance(0.25)
        standings = [(await people.sessions.authenticate(cookie)).standing for cookie in cookies]
        assert standings == [Standing.ENROLL, Standing.PROVE, Standing.FULL]


class TestHousekeeping:
    async def test_sweeping(self, people: People) -> None:
        jane = await people.user("jane")
        await opened(people, jane)
        people.clock.advance(people.sessions.policy.idle_s)
        kept = await opened(people, jane)
        assert await people.sessions.sweep() == 1
        assert not await is_over(people.sessions, kept.cookie)

    async def test_there_is_an_end_to_how_many(self, people: People) -> None:
        people.sessions.policy = replace(SessionPolicy(), max_per_account=3)
        jane, joan = await people.user("jane"), await people.user("joan")
        hers = await opened(people, joan)
        mine = []
        for _ in range(5):
            people.clock.advance(1)
            mine.append(await opened(people, jane))
        assert [await is_over(people.sessions, session.cookie) for session in mine] == [True, True] + [
            False
        ] * 3
        assert not await is_over(people.sessions, hers.cookie)

    async def test_what_gives_way_ends_at_once_though_it_was_just_used(self, people: People) -> None:
        people.sessions.policy = replace(SessionPolicy(), max_per_account=1)
        jane = await people.user("jane")
        first = await opened(people, jane)
        assert not await is_over(people.sessions, first.cookie)
        people.clock.advance(1)
        second = await opened(people, jane)
        assert await is_over(people.sessions, first.cookie)
        assert not await is_over(people.sessions, second.cookie)


class TestCookie:
    def test_how_it_is_set(self, sqlite_engine: AsyncEngine) -> None:
        sessions = People(sqlite_engine).sessions
        cookie = sessions.cookie(secure=True)
        assert (cookie.name, cookie.secure, cookie.path) == ("__Host-session", True, "/")
        assert cookie.http_only
        assert cookie.same_site == "Lax"
        assert cookie.max_age_s == 7 * 86_400
        assert sessions.cookie(secure=False).name == "session"
