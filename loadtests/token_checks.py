"""What checking a token costs, and looking at all permits again after a change.

    python -m loadtests token-checks

A check is a whole decision of the authority: signature or the memory of it, times, revocation, limits, and
the grants of the issuer. `first` are tokens that were never seen, as at a join; `again` the same ones later,
as with every request of a page. Processor time of one thread, so that what else runs on the machine does not
count. `lag` is for how long nothing else on the event loop had its turn while everything was read anew and
every permit looked at again; it counts what else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from auth.access.authority import Authority
from auth.access.permit import Permit
from auth.access.watch import PermitWatch
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import SessionCredential, TokenCredential
from auth.permissions.directory import Directory
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.limits import Limits
from auth.permissions.principals import Kind, Principal
from auth.storage.schema import bump, generations, metadata
from auth.tokens.tokens import TokenOrder
from auth.vault.vault import KEY_BYTES, MasterKey, Vault
from ops.process.memory import spare_the_collector

_TOKENS = 4000
_REGISTERED = 10_000
_ROUNDS = 5
_PEOPLE = {f"p{number}": Principal(f"p{number}", Kind.USER, f"p{number}") for number in range(_REGISTERED)}
_ADDRESS = "192.0.2.7"


async def _directory(connection: AsyncConnection) -> Directory:
    return Directory(_PEOPLE)


async def _authority(engine: AsyncEngine) -> Authority:
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(generations).values(id=1, number=0))
        await add_grant(connection, NewGrant("p0", Role.OPERATOR, "*", "owner"), time.time())
        for principal_id in _PEOPLE:
            await add_grant(connection, NewGrant(principal_id, Role.VIEWER, "cam", "owner"), time.time())
    authority = Authority(engine, Vault([MasterKey(bytes(KEY_BYTES))]), _directory)
    await authority.start()
    return authority


def _tokens(authority: Authority) -> list[TokenCredential]:
    order = TokenOrder(
        frozenset({Action.WATCH, Action.LISTEN}),
        ("cam", "studio-*"),
        3600,
        "p0",
        Limits.of(viewers=5, networks=["192.0.2.0/24", "2001:db8::/32"]),
    )
    ring = authority.snapshot.ring
    return [TokenCredential(authority.tokens.issue(ring, order, time.time()).token) for _ in range(_TOKENS)]


def _check_all(authority: Authority, tokens: Sequence[TokenCredential]) -> float:
    """Seconds per check."""
    began = time.thread_time()
    for token in tokens:
        authority.decide(token, Action.WATCH, "cam", _ADDRESS)
    return (time.thread_time() - began) / len(tokens)


class _Lag:
    """The longest time for which the event loop did nothing else."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.worst_s, before = max(self.worst_s, now - before), now

    async def end(self) -> float:
        self._beating.cancel()
        await asyncio.wait({self._beating})
        return self.worst_s


async def _look_again(
    authority: Authority, engine: AsyncEngine, permits: Sequence[Permit]
) -> tuple[float, float, float]:
    """A change that touches nobody: seconds of the look, lag while reading, lag while looking."""
    watch = PermitWatch(authority)
    for permit in permits:
        watch.add(permit, lambda why: None)
    async with engine.begin() as connection:
        await bump(connection)
    lag = _Lag()
    await asyncio.sleep(0)
    await authority.refresh()
    reading_s = await lag.end()
    lag = _Lag()
    await asyncio.sleep(0)
    began = time.thread_time()
    for _ in watch.look(time.time()):
        await asyncio.sleep(0)
    took_s = time.thread_time() - began
    assert len(watch) == len(permits)
    return took_s, reading_s, await lag.end()


async def measure() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder) / 'auth.db'}")
        authority = await _authority(engine)
        spare_the_collector()
        first, again = [], []
        for _ in range(_ROUNDS):
            tokens = _tokens(authority)
            first.append(_check_all(authority, tokens))
            again.append(_check_all(authority, tokens))
        print("token checks      µs each   share of a core at 1,000/s")
        for name, times in (("first", first), ("again", again)):
            each_s = statistics.median(times)
            print(f"{name:<16}{each_s * 1e6:9.1f}   {each_s * 1000:.1%}")
        link = authority.decide(tokens[0], Action.WATCH, "cam", _ADDRESS)
        links = [replace(link, token_id=f"t{number}") for number in range(_REGISTERED)]
        until = time.time() + 3600
        people = [
            authority.decide(SessionCredential(principal, principal.id, until), Action.WATCH, "cam")
            for principal in _PEOPLE.values()
        ]
        print(f"all permits again, {_REGISTERED:,} registered   ms   lag reading   lag looking")
        for name, permits in (("links of one issuer", links), ("accounts", people)):
            rounds = [await _look_again(authority, engine, permits) for _ in range(_ROUNDS)]
            took, reading, looking = (statistics.median(each) * 1000 for each in zip(*rounds, strict=True))
            print(f"{name:<38}{took:6.1f}{reading:14.1f}{looking:14.1f}")
        await engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    description = (__doc__ or "").splitlines()[0]
    argparse.ArgumentParser(prog="loadtests token-checks", description=description).parse_args(arguments)
    asyncio.run(measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
