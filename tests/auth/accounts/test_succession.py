from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.accounts.succession import somebody_stays
from auth.errors import AccountConflict


class Granted:
    """Who administers, without anything that could come of groups."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)

    async def is_last(self, connection: AsyncConnection, principal_id: str) -> bool:
        return not self.ids - {principal_id}


class Simple(Granted):
    """Who says of ids only, and of "" that it is not the last."""

    async def is_last(self, connection: AsyncConnection, principal_id: str) -> bool:
        return self.ids == {principal_id}


@pytest.mark.parametrize("kind", [Granted, Simple])
class TestWhoeverIsAsked:
    async def test_the_last_cannot_go(self, kind: type[Granted], sqlite_engine: AsyncEngine) -> None:
        granted = kind("boss")
        async with sqlite_engine.connect() as connection:
            with pytest.raises(AccountConflict):
                async with somebody_stays(connection, granted.is_last, "boss", goes=True):
                    raise AssertionError("not reached")
            async with somebody_stays(connection, granted.is_last, "other", goes=True):
                pass

    async def test_the_last_cannot_lose_it(self, kind: type[Granted], sqlite_engine: AsyncEngine) -> None:
        granted = kind("boss")
        async with sqlite_engine.connect() as connection:
            async with somebody_stays(connection, granted.is_last, "boss"):
                pass  # in it by something else too
            with pytest.raises(AccountConflict):
                async with somebody_stays(connection, granted.is_last, "boss"):
                    granted.ids.clear()

    async def test_one_of_two_can(self, kind: type[Granted], sqlite_engine: AsyncEngine) -> None:
        granted = kind("boss", "deputy")
        async with sqlite_engine.connect() as connection:
            async with somebody_stays(connection, granted.is_last, "boss", goes=True):
                granted.ids.remove("boss")
            with pytest.raises(AccountConflict):
                async with somebody_stays(connection, granted.is_last, "deputy", goes=True):
                    pass

    async def test_nobody_is_the_last_of_none(self, kind: type[Granted], sqlite_engine: AsyncEngine) -> None:
        async with sqlite_engine.connect() as connection:
            async with somebody_stays(connection, kind().is_last, "somebody", goes=True):
                pass
