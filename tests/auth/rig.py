"""Accounts with somebody in charge of them, and a clock that tests set."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts import Account, Accounts
from auth.freshness import Freshness
from auth.groups import Groups
from auth.passwords import PasswordPolicy, Passwords
from auth.principals import Kind
from auth.roster import read_roster

#: As cheap as argon2 lets it be.
CHEAP = PasswordPolicy(time_cost=1, memory_kib=8, parallelism=1)
PASSWORD = "ein Pferd frisst Holz"


class Clock:
    """Seconds since 1970."""

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


class People:
    """Everything about accounts on one database."""

    def __init__(self, engine: AsyncEngine, policy: PasswordPolicy = CHEAP) -> None:
        self.engine = engine
        self.clock = Clock()
        self.rulers = Rulers()
        self.accounts = Accounts(engine, self.rulers.is_last, clock=self.clock)
        self.groups = Groups(engine, self.rulers.is_last)
        self.passwords = Passwords(engine, policy, clock=self.clock)
        self.freshness = Freshness(engine, monotonic=self.clock)

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
