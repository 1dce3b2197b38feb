from __future__ import annotations

import pyotp
import pytest

from auth.accounts.accounts import Account
from auth.errors import AccountConflict, BadCredentials, TokenInvalid
from auth.factors.factors import Proof
from auth.signin.session_records import Standing
from tests.auth.rig import HOME, PASSWORD, People
from tests.rigs.authenticator import Authenticator

DATABASES = ("sqlite",)


async def logged_in(people: People, *, required: bool = False) -> tuple[Account, str]:
    jane = await people.user("jane", PASSWORD)
    ops = await people.group("ops", jane)
    await people.accounts.require_factor(ops.id, required)
    return jane, (await people.logins.password("jane", PASSWORD, HOME)).cookie


class TestApp:
    async def test_the_first_factor_comes_with_recovery_codes_and_lifts_the_session(
        self, people: People
    ) -> None:
        _, cookie = await logged_in(people, required=True)
        assert (await people.sessions.authenticate(cookie)).standing is Standing.ENROLL
        app = pyotp.TOTP((await people.enrolments.begin_totp(cookie)).seed)
        with pytest.raises(BadCredentials):
            await people.enrolments.finish_totp(cookie, people.wrong_code(app))
        enrolled = await people.enrolments.finish_totp(cookie, people.code(app))
        assert len(enrolled.recovery_codes) == 10
        assert enrolled.recovery_codes[0] not in repr(enrolled)
        assert enrolled.opened.session.standing is Standing.FULL
        assert enrolled.opened.session.record.with_factor
        with pytest.raises(TokenInvalid):
            await people.sessions.authenticate(cookie)

    async def test_another_app_keeps_the_codes(self, people: People) -> None:
        _, cookie = await logged_in(people)
        for expected in (10, 0):
            app = pyotp.TOTP((await people.enrolments.begin_totp(cookie)).seed)
            enrolled = await people.enrolments.finish_totp(cookie, people.code(app))
            assert len(enrolled.recovery_codes) == expected
            cookie = enrolled.opened.cookie


class TestPasskey:
    async def test_it_is_made_and_lifts_the_session(self, people: People) -> None:
        jane, cookie = await logged_in(people)
        ceremony = await people.enrolments.begin_passkey(cookie)
        key = Authenticator()
        enrolled = await people.enrolments.finish_passkey(
            cookie, ceremony.ticket, key.create(ceremony.options), "my key"
        )
        assert enrolled.opened.session.record.with_factor
        assert [passkey.label for passkey in await people.passkeys.passkeys_of(jane.id)] == ["my key"]


class TestWhoMay:
    async def test_a_password_alone_does_not_bring_a_factor_of_its_own(self, people: People) -> None:
        jane, cookie = await logged_in(people)
        app = await people.with_app(jane)
        for refused in (
            people.enrolments.begin_totp(cookie),
            people.enrolments.begin_passkey(cookie),
            people.enrolments.recovery_codes(cookie),
            people.enrolments.remove_totp(cookie),
        ):
            with pytest.raises(AccountConflict, match="show the second factor"):
                await refused
        confirmed = await people.logins.confirm(cookie, HOME, proof=Proof(people.code(app)))
        await people.enrolments.begin_totp(confirmed.cookie)

    async def test_recovery_codes_stand_in_for_something(self, people: People) -> None:
        jane, cookie = await logged_in(people)
        with pytest.raises(AccountConflict, match="set one up first"):
            await people.enrolments.recovery_codes(cookie)
        await people.with_app(jane)
        cookie = (await people.sessions.renew(cookie, with_factor=True)).cookie
        assert len(await people.enrolments.recovery_codes(cookie)) == 10


class TestRemoving:
    async def test_the_only_one_that_is_required(self, people: People) -> None:
        jane, cookie = await logged_in(people, required=True)
        await people.with_app(jane)
        cookie = (await people.sessions.renew(cookie, with_factor=True)).cookie
        with pytest.raises(AccountConflict, match="requires a second factor"):
            await people.enrolments.remove_totp(cookie)
        await people.with_passkey(jane)
        await people.enrolments.remove_totp(cookie)
        (passkey,) = await people.passkeys.passkeys_of(jane.id)
        with pytest.raises(AccountConflict, match="requires a second factor"):
            await people.enrolments.remove_passkey(cookie, passkey.id)

    async def test_one_that_nobody_requires(self, people: People) -> None:
        jane, cookie = await logged_in(people)
        await people.with_passkey(jane)
        cookie = (await people.sessions.renew(cookie, with_factor=True)).cookie
        (passkey,) = await people.passkeys.passkeys_of(jane.id)
        await people.enrolments.remove_passkey(cookie, passkey.id)
        assert await people.factors.enrolled(jane.id) == frozenset()
