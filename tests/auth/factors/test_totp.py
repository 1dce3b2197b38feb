from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import select

from auth.errors import BadCredentials
from auth.storage.tables import totp_seeds
from tests.auth.rig import People

DATABASES = ("sqlite",)


async def test_what_the_app_is_given(people: People) -> None:
    jane = await people.user("jane")
    enrolment = await people.totp.begin(jane.id, "jane@example.org")
    uri = urlsplit(enrolment.uri)
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query) == {"secret": [enrolment.seed], "issuer": ["Streamer"]}
    assert len(enrolment.seed) == 32
    assert enrolment.seed not in repr(enrolment)


async def test_the_seed_is_kept_sealed(people: People) -> None:
    jane = await people.user("jane")
    app = await people.with_app(jane)
    async with people.engine.connect() as connection:
        (record,) = (await connection.execute(select(totp_seeds))).all()
    assert app.secret not in repr(tuple(record))


async def test_a_code_counts_once(people: People) -> None:
    jane = await people.user("jane")
    app = await people.with_app(jane)
    code = people.code(app)
    assert await people.totp.verify(jane.id, f" {code[:3]} {code[3:]} ")
    assert not await people.totp.verify(jane.id, code)
    # Nor does one from before it, seen over somebody's shoulder.
    assert not await people.totp.verify(jane.id, people.code(app, -1))
    people.clock.advance(30)
    assert await people.totp.verify(jane.id, people.code(app))


async def test_of_two_at_once_one_counts(people: People) -> None:
    jane = await people.user("jane")
    code = people.code(await people.with_app(jane))
    results = await asyncio.gather(*(people.totp.verify(jane.id, code) for _ in range(5)))
    assert sorted(results) == [False] * 4 + [True]


@pytest.mark.parametrize(("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_clocks_differ(steps: int, good: bool, people: People) -> None:
    jane = await people.user("jane")
    app = await people.with_app(jane)
    people.clock.advance(300)
    assert await people.totp.verify(jane.id, people.code(app, steps)) is good


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٣٣٣٣٣٣", "\udcff12345"])
async def test_what_is_no_code(code: str, people: People) -> None:
    jane = await people.user("jane")
    await people.with_app(jane)
    assert not await people.totp.verify(jane.id, code)


class TestEnrolling:
    async def test_it_does_not_count_before_the_app_was_shown_to_work(self, people: People) -> None:
        jane = await people.user("jane")
        app = pyotp.TOTP((await people.totp.begin(jane.id, "jane")).seed)
        assert not await people.totp.has(jane.id)
        assert not await people.totp.verify(jane.id, people.code(app))
        with pytest.raises(BadCredentials):
            await people.totp.confirm(jane.id, people.wrong_code(app))
        await people.totp.confirm(jane.id, people.code(app))
        assert await people.totp.has(jane.id)
        # The code that proved it is used.
        assert not await people.totp.verify(jane.id, people.code(app))

    async def test_the_old_app_works_until_the_new_one_does(self, people: People) -> None:
        jane = await people.user("jane")
        old = await people.with_app(jane)
        new = pyotp.TOTP((await people.totp.begin(jane.id, "jane")).seed)
        assert await people.totp.verify(jane.id, people.code(old))
        people.clock.advance(30)
        await people.totp.confirm(jane.id, people.code(new))
        people.clock.advance(30)
        assert not await people.totp.verify(jane.id, people.code(old))
        assert await people.totp.verify(jane.id, people.code(new))

    async def test_nothing_begun(self, people: People) -> None:
        jane = await people.user("jane")
        with pytest.raises(BadCredentials):
            await people.totp.confirm(jane.id, "123456")

    async def test_removing(self, people: People) -> None:
        jane = await people.user("jane")
        app = await people.with_app(jane)
        await people.totp.remove(jane.id)
        assert not await people.totp.has(jane.id)
        assert not await people.totp.verify(jane.id, people.code(app))
