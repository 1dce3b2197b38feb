"""What tests of permission stand on: a database, a vault, a clock, people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from auth.access.authority import Authority
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import SessionCredential
from auth.permissions.directory import ApiKeyOwner, Directory
from auth.permissions.grants import Grant, GrantKind, NewGrant, add_grant
from auth.permissions.principals import Kind, Principal
from auth.storage.schema import generations, metadata
from auth.vault.vault import KEY_BYTES, MasterKey, Vault

NOON = 1_790_000_000.0


class Clock:
    """Wall clock of a test."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class People:
    """A directory that a test changes as it likes; telling of the change is the test's."""

    def __init__(self, *principals: Principal) -> None:
        self.principals = {principal.id: principal for principal in principals}
        self.disabled: set[str] = set()
        self.sessions: set[str] | None = None
        self.api_keys: dict[str, ApiKeyOwner] = {}

    async def load(self, connection: AsyncConnection) -> Directory:
        return Directory(
            dict(self.principals),
            frozenset(self.disabled),
            None if self.sessions is None else frozenset(self.sessions),
            dict(self.api_keys),
        )

    def add(self, name: str, *, groups: Iterable[str] = (), kind: Kind = Kind.USER) -> Principal:
        principal = Principal(f"id-{name}", kind, name, frozenset(groups))
        self.principals[principal.id] = principal
        return principal


def vault(seed: int = 1) -> Vault:
    return Vault([MasterKey(bytes([seed]) * KEY_BYTES)])


#: What `database` begins with, made once: it takes longer than most tests.
_empty: list[bytes] = []


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[AsyncEngine]:
    """An empty database in a file."""
    path = folder / "auth.db"
    if not _empty:
        await _make_empty(path)
        _empty.append(path.read_bytes())
    path.write_bytes(_empty[0])
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)
    try:
        yield engine
    finally:
        await engine.dispose()


async def _make_empty(path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        await connection.exec_driver_sql("PRAGMA synchronous=OFF")
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(generations).values(id=1, number=0))
    # The last connection that closes leaves no log beside the file.
    await engine.dispose()


@asynccontextmanager
async def second_engine(folder: Path) -> AsyncIterator[AsyncEngine]:
    """As another process has one, on the same file."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'auth.db'}", poolclass=NullPool)
    try:
        yield engine
    finally:
        await engine.dispose()


async def give(
    engine: AsyncEngine,
    principal: Principal,
    what: Role | Action,
    stream: str = "*",
    *,
    expires_at: float | None = None,
    kind: GrantKind = GrantKind.NORMAL,
    now: float = NOON,
) -> Grant:
    async with engine.begin() as connection:
        new = NewGrant(principal.id, what, stream, "@server", "a test", expires_at, kind)
        return await add_grant(connection, new, now)


@asynccontextmanager
async def authority(
    folder: Path, people: People, clock: Clock | None = None
) -> AsyncIterator[tuple[Authority, AsyncEngine]]:
    """An authority that knows an empty database."""
    async with database(folder) as engine:
        decides = Authority(engine, vault(), people.load, clock=clock or Clock())
        await decides.start()
        yield decides, engine


def session(principal: Principal, handle: str = "s1", expires_at: float = NOON + 86_400) -> SessionCredential:
    return SessionCredential(principal, handle, expires_at)
