"""Accounts with somebody in charge of them, everything a login goes through, and a clock that tests set."""

from __future__ import annotations

import pyotp
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.accounts import Account, Accounts
from auth.accounts.external import External
from auth.accounts.groups import Groups
from auth.accounts.roster import read_roster
from auth.factors.ceremonies import Site
from auth.factors.factors import Factors
from auth.factors.passkeys import Passkeys
from auth.factors.passwords import PasswordPolicy, Passwords
from auth.factors.recovery import Recovery
from auth.factors.totp import Totp
from auth.permissions.principals import Kind
from auth.signin.enrolment import Enrolments
from auth.signin.lockout import Lockout
from auth.signin.logins import Directory, Doors, Logins
from auth.signin.sessions import Sessions
from auth.signin.visitors import Visitor
from auth.storage.freshness import Freshness
from tests.rigs.authenticator import Authenticator

#: As cheap as argon2 lets it be.
CHEAP = PasswordPolicy(time_cost=1, memory_kib=8, parallelism=1)
PASSWORD = "ein Pferd frisst Holz"
HOME = Visitor("198.51.100.7", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
SITE = Site("live.example", ("https://live.example",))


class Clock:
    """Seconds since 1970, at the beginning of a time step of 30 s."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Rulers:
    """Who administers, as the grants would say."""

    def __init__(self) -> None:
        self.granted: set[str] = set()

    async def is_last(self, connection: AsyncConnection, principal_id: str) -> bool:
        if principal_id == "":
            return not await self._left(connection, "")
        return not await self._left(connection, principal_id) and bool(await self._left(connection, ""))

    async def anybody(self, connection: AsyncConnection) -> bool:
        return bool(await self._left(connection, ""))

    async def promote(self, connection: AsyncConnection, principal_id: str) -> None:
        self.granted.add(principal_id)

    async def _left(self, connection: AsyncConnection, without: str) -> set[str]:
        roster = await read_roster(connection, 0)
        granted = self.granted - {without} - roster.disabled
        return {
            each.id
            for each in roster.principals.values()
            if each.kind is not Kind.GROUP
            and each.id not in roster.disabled | {without}
            and (each.id in granted or each.groups & granted)
        }


class Sealed:
    """Keeps secrets as a vault does."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def seal(self, plaintext: bytes, context: str) -> str:
        return self._fernet.encrypt(context.encode() + b"\0" + plaintext).decode()

    def open(self, sealed: str, context: str) -> bytes:
        found, _, plaintext = self._fernet.decrypt(sealed).partition(b"\0")
        assert found == context.encode()
        return plaintext


class People:
    """Everything about accounts on one database."""

    def __init__(self, engine: AsyncEngine, policy: PasswordPolicy = CHEAP) -> None:
        self.engine = engine
        self.clock = Clock()
        self.rulers = Rulers()
        self.accounts = Accounts(engine, self.rulers.is_last, clock=self.clock)
        self.groups = Groups(engine, self.rulers.is_last)
        self.external = External(engine, self.accounts, self.groups)
        self.passwords = Passwords(engine, policy, clock=self.clock)
        self.freshness = Freshness(engine, monotonic=self.clock)
        self.totp = Totp(engine, Sealed(), clock=self.clock)
        self.passkeys = Passkeys(engine, SITE, clock=self.clock, monotonic=self.clock)
        self.recovery = Recovery(engine)
        self.factors = Factors(engine, self.totp, self.passkeys, self.recovery)
        self.lockout = Lockout()
        self.sessions = self.another_server()
        self.enrolments = Enrolments(self.factors, self.sessions)
        self.logins = self.doors(None)

    def another_server(self) -> Sessions:
        """Sessions as another process on the same database has them."""
        freshness = Freshness(self.engine, monotonic=self.clock)
        return Sessions(self.engine, self.accounts, self.factors, freshness, clock=self.clock)

    def doors(self, directory: Directory | None) -> Logins:
        doors = Doors(
            self.accounts, self.passwords, self.factors, self.sessions, self.lockout, self.external, directory
        )
        return Logins(doors, monotonic=self.clock)

    async def user(self, name: str, password: str | None = None) -> Account:
        account = await self.accounts.create(Kind.USER, name)
        if password is not None:
            await self.passwords.set(account.id, name, password)
        return account

    async def group(self, name: str, *members: Account) -> Account:
        group = await self.accounts.create(Kind.GROUP, name)
        for member in members:
            await self.groups.add(group.id, member.id)
        return group

    async def service(self, name: str) -> Account:
        return await self.accounts.create(Kind.SERVICE, name)

    async def with_app(self, account: Account) -> pyotp.TOTP:
        """Give an account an authenticator app that works; its next code is for the next time step."""
        app = pyotp.TOTP((await self.totp.begin(account.id, account.name)).seed)
        await self.totp.confirm(account.id, self.code(app))
        self.clock.advance(30)
        return app

    async def with_passkey(self, account: Account) -> Authenticator:
        key = Authenticator()
        ceremony = await self.passkeys.begin_registration(account.id, account.name)
        await self.passkeys.finish_registration(
            ceremony.ticket, account.id, key.create(ceremony.options), "key"
        )
        return key

    def code(self, app: pyotp.TOTP, steps: int = 0) -> str:
        return app.at(int(self.clock.now), counter_offset=steps)

    def wrong_code(self, app: pyotp.TOTP) -> str:
        good = {self.code(app, steps) for steps in (-1, 0, 1)}
        return next(code for code in ("000000", "111111", "222222", "333333") if code not in good)
