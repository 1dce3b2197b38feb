from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.permit import Basis, Permit
from auth.access.seats import Seats
from auth.errors import AuthUnavailable, SeatsTaken, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.principals import ANONYMOUS
from auth.tokens.issued import tokens_table
from tests.auth.ground import NOON, Clock, database, second_engine


def permit(limits: Limits, token_id: str = "t") -> Permit:
    return Permit(
        ANONYMOUS,
        Action.WATCH,
        frozenset({Action.WATCH}),
        "cam",
        "",
        Basis.TOKEN,
        NOON,
        1,
        credential_expires_at=NOON + 60,
        token_id=token_id,
        limits=limits,
    )


def seats(engine: AsyncEngine) -> Seats:
    return Seats(engine, Clock())


async def test_so_many_at_once(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        places = seats(engine)
        two = permit(Limits(viewers=2))
        first = places.take(two)
        second = await places.admit(two)
        assert places.taken("t") == 2
        with pytest.raises(SeatsTaken, match=r"all 2 .* try again") as caught:
            places.take(two)
        assert (caught.value.action, caught.value.stream, caught.value.at_once) == ("watch", "cam", 2)
        with pytest.raises(SeatsTaken, match="all 2"):
            await places.admit(two)
        assert places.take(permit(Limits(viewers=2), "another token"))
        first.release()
        first.release()
        with places.take(two), pytest.raises(SeatsTaken):
            places.take(two)
        second.release()
        assert places.taken("t") == 0


async def test_without_limits_nothing_is_counted(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        places = seats(engine)
        for _ in range(100):
            places.take(permit(NO_LIMITS))
        assert places.taken("t") == 0


async def test_once_is_once_for_good_and_everywhere(tmp_path: Path) -> None:
    once = permit(Limits(once=True))
    async with database(tmp_path) as engine, second_engine(tmp_path) as other:
        seat = await seats(engine).admit(once)
        with pytest.raises(TokenInvalid, match="used once"):
            await seats(engine).admit(once)
        seat.release()
        # Another process, and this one after a restart.
        for places in (seats(other), seats(engine)):
            with pytest.raises(TokenInvalid, match="used once"):
                await places.admit(once)
        assert await seats(engine).admit(permit(Limits(once=True), "another token"))


async def test_many_at_once_with_a_token_for_one_use(tmp_path: Path) -> None:
    once = permit(Limits(once=True))
    async with database(tmp_path) as engine, second_engine(tmp_path) as other:
        here, there = seats(engine), seats(other)
        attempts = [places.admit(once) for places in (here, there) for _ in range(5)]
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, TokenInvalid)]
        assert len(refused) == 9
        assert here.taken("t") + there.taken("t") == 1


async def test_what_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(tokens_table.drop)
        places = seats(engine)
        with pytest.raises(AuthUnavailable, match="cannot be written"):
            await places.admit(permit(Limits(once=True)))
        assert places.taken("t") == 0
