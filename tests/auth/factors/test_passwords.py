from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable, PasswordRefused
from auth.factors.passwords import PasswordPolicy, Passwords
from auth.storage.tables import passwords
from tests.auth.rig import CHEAP, PASSWORD, People

DATABASES = ("sqlite",)


async def stored(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str((await connection.execute(select(passwords.c.hash))).scalar_one())


class TestRules:
    @pytest.mark.parametrize(
        ("password", "expected"),
        [
            ("", "12-1024 characters, these are 0"),
            ("x7Qp3-uW9z!", "12-1024 characters, these are 11"),
            ("x7Qp3-uW9z!" * 100, "12-1024 characters"),
            ("this is jane, really", "without the account's name"),
            ("Password1234", "something else than common words"),
        ],
    )
    async def test_what_will_not_do(self, password: str, expected: str, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane = await people.user("Jane")
        with pytest.raises(PasswordRefused, match=expected) as caught:
            await people.passwords.set(jane.id, jane.name, password)
        assert password not in str(caught.value) or not password
        assert not await people.passwords.has(jane.id)

    async def test_characters_are_counted_not_bytes(self, sqlite_engine: AsyncEngine) -> None:
        with pytest.raises(PasswordRefused, match="these are 4"):
            Passwords(sqlite_engine, CHEAP).check("馬が木を", "jane")


class TestVerifying:
    async def test_right_and_wrong(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        assert await people.passwords.verify(jane.id, PASSWORD)
        for wrong in ("", PASSWORD + "x", PASSWORD[:-1], PASSWORD.upper(), "x" * 5000, "a\udcff"):
            assert not await people.passwords.verify(jane.id, wrong)

    async def test_it_is_argon2id_and_not_the_password(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        assert (await stored(people.engine)).startswith("$argon2id$v=19$m=8,t=1,p=1$")

    async def test_every_keyboard_writes_the_same(self, people: People) -> None:
        jane = await people.user("jane", "sch\u00f6ne gr\u00fc\u00dfe 17")
        assert await people.passwords.verify(jane.id, "scho\u0308ne gru\u0308\u00dfe 17")

    async def test_another_one(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        await people.passwords.set(jane.id, jane.name, "something else now")
        assert not await people.passwords.verify(jane.id, PASSWORD)
        assert await people.passwords.verify(jane.id, "something else now")

    async def test_none(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        await people.passwords.remove(jane.id)
        assert not await people.passwords.has(jane.id)
        assert not await people.passwords.verify(jane.id, PASSWORD)

    async def test_the_work_is_the_same_for_nobody(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane, without = await people.user("jane", PASSWORD), await people.user("without")
        for principal_id in (jane.id, without.id, None):
            before = people.passwords.computed
            assert not await people.passwords.verify(principal_id, "wrong")
            assert people.passwords.computed == before + 1

    async def test_no_password_is_nobodys(self, sqlite_engine: AsyncEngine) -> None:
        assert not await Passwords(sqlite_engine, CHEAP).verify(None, "")


class TestPolicyChange:
    async def test_the_next_login_renews_the_hash(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        dearer = Passwords(people.engine, replace(CHEAP, time_cost=2))
        assert not await dearer.verify(jane.id, "wrong")
        assert ",t=1," in await stored(people.engine)
        assert await dearer.verify(jane.id, PASSWORD)
        renewed = await stored(people.engine)
        assert ",t=2," in renewed
        assert await dearer.verify(jane.id, PASSWORD)
        assert await stored(people.engine) == renewed

    def test_the_default_is_what_rfc_9106_says(self) -> None:
        policy = PasswordPolicy()
        assert (policy.time_cost, policy.memory_kib, policy.parallelism) == (3, 65_536, 4)


class TestBounds:
    async def test_a_crowd_is_told_to_come_back(self, sqlite_engine: AsyncEngine) -> None:
        passwords = Passwords(sqlite_engine, replace(CHEAP, concurrent=1, max_waiting=3))
        results = await asyncio.gather(
            *(passwords.hashed(PASSWORD) for _ in range(10)), return_exceptions=True
        )
        assert sum(isinstance(result, str) for result in results) == 3
        assert sum(isinstance(result, AuthUnavailable) for result in results) == 7
        assert not await passwords.verify(None, "wrong")
