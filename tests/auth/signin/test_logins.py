from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.accounts.external import Arrival
from auth.errors import (
    AuthUnavailable,
    BadCredentials,
    FactorNeeded,
    LockedOut,
    PasswordRefused,
    TokenInvalid,
)
from auth.factors.factors import Proof
from auth.signin.logins import TICKET_S
from auth.signin.visitors import Visitor
from tests.auth.rig import HOME, PASSWORD, People

DATABASES = ("sqlite",)

ATTACKER = Visitor("203.0.113.5", "curl/8")
NEW = "noch ein Pferd im Stall"


class Elsewhere:
    """A directory with one person in it."""

    def __init__(self, *, creates: bool = True) -> None:
        self.creates = creates
        self.up = True
        self.asked: list[str] = []

    async def authenticate(self, name: str, password: str) -> Arrival | None:
        self.asked.append(name)
        if not self.up:
            raise AuthUnavailable("the directory does not answer")
        if (name, password) != ("dora", "her password there"):
            return None
        return Arrival("ldap", "entry-1", "dora")


async def ticket_for(people: People, name: str = "jane") -> str:
    with pytest.raises(FactorNeeded) as needed:
        await people.logins.password(name, PASSWORD, HOME)
    return needed.value.ticket


class TestPassword:
    async def test_somebody_comes_in(self, people: People) -> None:
        jane = await people.user("Jane", PASSWORD)
        opened = await people.logins.password("jANE", PASSWORD, HOME)
        assert opened.session.principal.id == jane.id
        assert (opened.session.record.method, opened.session.record.with_factor) == ("password", False)
        assert await people.sessions.authenticate(opened.cookie) == opened.session

    async def test_nobody_learns_why_not(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        off = await people.user("off", PASSWORD)
        await people.accounts.disable(off.id)
        await people.user("without")
        await people.service("encoder")
        await people.group("ops")
        said: set[str] = set()
        for name, password in [
            ("jane", "wrong"), ("off", PASSWORD), ("off", "wrong"), ("nobody", PASSWORD), ("without", ""),
            ("encoder", PASSWORD), ("ops", ""), ("", ""), ("\udcff\0", PASSWORD), ("x" * 5000, PASSWORD),
        ]:  # fmt: skip
            before = people.passwords.computed
            with pytest.raises(BadCredentials) as refused:
                await people.logins.password(name, password, HOME)
            said.add(f"{type(refused.value).__name__}: {refused.value}")
            assert people.passwords.computed == before + 1
        assert said == {"BadCredentials: name or password is wrong"}

    async def test_each_login_has_a_cookie_of_its_own(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        cookies = {(await people.logins.password("jane", PASSWORD, HOME)).cookie for _ in range(3)}
        assert len(cookies) == 3


class TestLockout:
    async def test_a_thousand_wrong_passwords(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        for name in ("jane", "joan"):
            await people.user(name, PASSWORD)
        known = await people.logins.password("jane", PASSWORD, HOME)
        before = people.passwords.computed
        for number in range(1000):
            with pytest.raises((BadCredentials, LockedOut)):
                await people.logins.password("jane", f"guess {number}", ATTACKER)
        assert people.passwords.computed - before == 6
        with pytest.raises(LockedOut):
            await people.logins.password("jane", PASSWORD, HOME)
        # Who is in stays in; others come in, also from there.
        await people.sessions.authenticate(known.cookie)
        await people.logins.password("joan", PASSWORD, HOME)
        await people.logins.password("joan", PASSWORD, ATTACKER)
        people.clock.advance(900)
        await people.logins.password("jane", PASSWORD, HOME)

    async def test_spelling_does_not_help(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        await people.user("jane", PASSWORD)
        for spelling in ("jane", "JANE", "Jane", "jAne", "janE", "jaNe"):
            with pytest.raises(BadCredentials):
                await people.logins.password(spelling, "wrong", ATTACKER)
        with pytest.raises(LockedOut):
            await people.logins.password("jane", PASSWORD, ATTACKER)

    async def test_a_crowd_is_not_taken_for_an_attack(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        people.passwords.policy = replace(people.passwords.policy, max_waiting=0)
        for _ in range(50):
            with pytest.raises(AuthUnavailable):
                await people.logins.password("jane", PASSWORD, HOME)
        assert people.lockout.entries == 0


class TestSecondFactor:
    async def test_in_two_steps(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        app = await people.with_app(jane)
        with pytest.raises(FactorNeeded) as needed:
            await people.logins.password("jane", PASSWORD, HOME)
        assert needed.value.factors == {"totp"}
        ticket = needed.value.ticket
        assert ticket not in str(needed.value)
        with pytest.raises(BadCredentials):
            await people.logins.second_step(ticket, Proof(people.wrong_code(app)), HOME)
        opened = await people.logins.second_step(ticket, Proof(people.code(app)), HOME)
        assert opened.session.record.with_factor
        assert opened.session.record.method == "password"
        people.clock.advance(30)
        with pytest.raises(BadCredentials, match="begin again"):
            await people.logins.second_step(ticket, Proof(people.code(app)), HOME)

    async def test_in_one(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        app = await people.with_app(jane)
        code = Proof(people.code(app))
        with pytest.raises(BadCredentials):
            await people.logins.password("jane", "wrong", HOME, code)
        assert (await people.logins.password("jane", PASSWORD, HOME, code)).session.record.with_factor
        with pytest.raises(BadCredentials):
            await people.logins.password("jane", PASSWORD, HOME, code)

    async def test_a_code_for_an_account_without(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        opened = await people.logins.password("jane", PASSWORD, HOME, Proof("123456"))
        assert not opened.session.record.with_factor

    async def test_a_passkey_or_a_recovery_code(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        key = await people.with_passkey(jane)
        codes = await people.recovery.issue(jane.id)
        ticket = await ticket_for(people)
        ceremony = await people.logins.begin_passkey(ticket)
        proof = Proof(passkey_ticket=ceremony.ticket, passkey_answer=key.get(ceremony.options))
        assert (await people.logins.second_step(ticket, proof, HOME)).session.record.with_factor
        ticket = await ticket_for(people)
        assert (await people.logins.second_step(ticket, Proof(codes[0]), HOME)).session.record.with_factor

    async def test_codes_cannot_be_guessed_between_right_passwords(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        app = await people.with_app(await people.user("jane", PASSWORD))
        tried = 0
        with pytest.raises(LockedOut):
            for _ in range(100):
                ticket = await ticket_for(people)
                with pytest.raises(BadCredentials):
                    await people.logins.second_step(ticket, Proof(people.wrong_code(app)), ATTACKER)
                tried += 1
        assert tried == 6

    async def test_a_ticket_ends(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        app = await people.with_app(jane)
        ticket = await ticket_for(people)
        people.clock.advance(TICKET_S)
        with pytest.raises(BadCredentials, match="begin again"):
            await people.logins.second_step(ticket, Proof(people.code(app)), HOME)
        with pytest.raises(BadCredentials, match="begin again"):
            await people.logins.begin_passkey(ticket)

    async def test_an_account_disabled_in_between(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        app = await people.with_app(jane)
        ticket = await ticket_for(people)
        await people.accounts.disable(jane.id)
        with pytest.raises(BadCredentials):
            await people.logins.second_step(ticket, Proof(people.code(app)), HOME)
        assert await people.sessions.sessions_of(jane.id) == []


class TestPasskeyAlone:
    async def test_it_is_both_factors(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        ceremony = await people.logins.begin_passkey()
        opened = await people.logins.passkey(ceremony.ticket, key.get(ceremony.options, resident=True), HOME)
        assert opened.session.principal.id == jane.id
        assert (opened.session.record.method, opened.session.record.with_factor) == ("passkey", True)

    async def test_not_of_a_disabled_account(self, people: People) -> None:
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        await people.accounts.disable(jane.id)
        ceremony = await people.logins.begin_passkey()
        with pytest.raises(BadCredentials):
            await people.logins.passkey(ceremony.ticket, key.get(ceremony.options, resident=True), HOME)

    async def test_garbage_slows_its_address_and_nobody_else(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane = await people.user("jane")
        key = await people.with_passkey(jane)
        with pytest.raises(LockedOut):
            for _ in range(100):
                with pytest.raises(BadCredentials):
                    await people.logins.passkey("made up", "{}", ATTACKER)
        ceremony = await people.logins.begin_passkey()
        await people.logins.passkey(ceremony.ticket, key.get(ceremony.options, resident=True), HOME)


class TestDirectory:
    async def test_a_password_that_is_kept_there(self, people: People) -> None:
        logins = people.doors(Elsewhere())
        opened = await logins.password("dora", "her password there", HOME)
        assert (opened.session.principal.name, opened.session.record.method) == ("dora", "ldap")
        again = await logins.password("dora", "her password there", HOME)
        assert again.session.principal == opened.session.principal
        with pytest.raises(BadCredentials):
            await logins.password("dora", "wrong", HOME)

    async def test_a_password_here_is_the_only_one(self, people: People) -> None:
        directory = Elsewhere()
        logins = people.doors(directory)
        await people.user("dora", PASSWORD)
        off = await people.user("off")
        await people.accounts.disable(off.id)
        await people.service("encoder")
        for name in ("dora", "off", "encoder"):
            with pytest.raises(BadCredentials):
                await logins.password(name, "her password there", HOME)
        assert directory.asked == []

    async def test_an_account_without_a_password_that_is_not_linked(self, people: People) -> None:
        mine = await people.user("dora")
        opened = await people.doors(Elsewhere()).password("dora", "her password there", HOME)
        assert opened.session.principal.id != mine.id

    async def test_none_is_made_unless_wanted(self, people: People) -> None:
        with pytest.raises(BadCredentials):
            await people.doors(Elsewhere(creates=False)).password("dora", "her password there", HOME)
        assert await people.accounts.everybody() == []

    async def test_when_it_is_down_nobody_is_blamed(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        directory = Elsewhere()
        directory.up = False
        logins = people.doors(directory)
        await people.user("jane", PASSWORD)
        for _ in range(50):
            with pytest.raises(AuthUnavailable):
                await logins.password("dora", "her password there", HOME)
        await logins.password("jane", PASSWORD, HOME)
        directory.up = True
        await logins.password("dora", "her password there", HOME)

    async def test_our_second_factor_counts_there_too(self, people: People) -> None:
        logins = people.doors(Elsewhere())
        dora = (await logins.password("dora", "her password there", HOME)).session.principal
        app = await people.with_app(await people.accounts.account(dora.id))
        with pytest.raises(FactorNeeded) as needed:
            await logins.password("dora", "her password there", HOME)
        opened = await logins.second_step(needed.value.ticket, Proof(people.code(app)), HOME)
        assert (opened.session.record.method, opened.session.record.with_factor) == ("ldap", True)


class TestVouched:
    ARRIVAL = Arrival("oidc:acme", "subject-1", "olga")

    async def test_somebody_comes_in(self, people: People) -> None:
        opened = await people.logins.vouched(self.ARRIVAL, HOME, create=True, with_factor=True)
        assert (opened.session.record.method, opened.session.record.with_factor) == ("oidc:acme", True)

    async def test_our_factor_is_asked_for_when_theirs_was_not(self, people: People) -> None:
        opened = await people.logins.vouched(self.ARRIVAL, HOME, create=True, with_factor=False)
        assert not opened.session.record.with_factor
        app = await people.with_app(await people.accounts.account(opened.session.principal.id))
        await people.logins.vouched(self.ARRIVAL, HOME, create=True, with_factor=True)
        with pytest.raises(FactorNeeded) as needed:
            await people.logins.vouched(self.ARRIVAL, HOME, create=True, with_factor=False)
        await people.logins.second_step(needed.value.ticket, Proof(people.code(app)), HOME)


class TestConfirming:
    async def test_the_cookie_changes(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        opened = await people.logins.password("jane", PASSWORD, HOME)
        people.clock.advance(1000)
        confirmed = await people.logins.confirm(opened.cookie, HOME, password=PASSWORD)
        assert confirmed.session.record.proven_at == people.clock.now
        assert not confirmed.session.record.with_factor
        with pytest.raises(TokenInvalid):
            await people.sessions.authenticate(opened.cookie)

    async def test_a_factor_steps_up(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        opened = await people.logins.password("jane", PASSWORD, HOME)
        app = await people.with_app(jane)
        with pytest.raises(BadCredentials):
            await people.logins.confirm(opened.cookie, HOME, proof=Proof(people.wrong_code(app)))
        confirmed = await people.logins.confirm(opened.cookie, HOME, proof=Proof(people.code(app)))
        assert confirmed.session.record.with_factor

    async def test_wrong_or_nothing(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        await people.user("joan", NEW)
        opened = await people.logins.password("jane", PASSWORD, HOME)
        for password in (None, "", NEW):
            with pytest.raises(BadCredentials):
                await people.logins.confirm(opened.cookie, HOME, password=password)
        assert await people.sessions.authenticate(opened.cookie) == opened.session

    async def test_codes_cannot_be_guessed_between_right_passwords(self, sqlite_engine: AsyncEngine) -> None:
        people = People(sqlite_engine)
        jane = await people.user("jane", PASSWORD)
        cookie = (await people.logins.password("jane", PASSWORD, HOME)).cookie
        app = await people.with_app(jane)
        with pytest.raises(LockedOut):
            for _ in range(20):
                cookie = (await people.logins.confirm(cookie, HOME, password=PASSWORD)).cookie
                with pytest.raises(BadCredentials):
                    await people.logins.confirm(cookie, HOME, proof=Proof(people.wrong_code(app)))


class TestChangingThePassword:
    async def test_ones_own(self, people: People) -> None:
        await people.user("jane", PASSWORD)
        here, there = [await people.logins.password("jane", PASSWORD, HOME) for _ in range(2)]
        with pytest.raises(BadCredentials):
            await people.logins.change_password(here.cookie, HOME, old="wrong", new=NEW)
        with pytest.raises(PasswordRefused):
            await people.logins.change_password(here.cookie, HOME, old=PASSWORD, new="jane's password")
        changed = await people.logins.change_password(here.cookie, HOME, old=PASSWORD, new=NEW)
        await people.sessions.authenticate(changed.cookie)
        for gone in (here, there):
            with pytest.raises(TokenInvalid):
                await people.sessions.authenticate(gone.cookie)
        with pytest.raises(BadCredentials):
            await people.logins.password("jane", PASSWORD, HOME)
        await people.logins.password("jane", NEW, HOME)

    async def test_somebody_elses_as_an_administrator(self, people: People) -> None:
        jane = await people.user("jane", PASSWORD)
        opened = await people.logins.password("jane", PASSWORD, HOME)
        with pytest.raises(LockedOut):
            for _ in range(20):
                with pytest.raises(BadCredentials):
                    await people.logins.password("jane", "wrong", ATTACKER)
        await people.logins.reset_password(jane.id, NEW)
        with pytest.raises(TokenInvalid):
            await people.sessions.authenticate(opened.cookie)
        await people.logins.password("jane", NEW, HOME)

    async def test_only_users_have_one(self, people: People) -> None:
        with pytest.raises(BadCredentials, match="only users"):
            await people.logins.reset_password((await people.service("encoder")).id, NEW)
