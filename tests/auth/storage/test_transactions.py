from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.storage.schema import bump, generation
from auth.storage.transactions import within


async def test_its_own_is_committed(engine: AsyncEngine) -> None:
    async with within(engine, None) as connection:
        await bump(connection)
    async with engine.connect() as connection:
        assert await generation(connection) == 1


async def test_somebody_elses_is_theirs(engine: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with engine.begin() as theirs:
            async with within(engine, theirs) as connection:
                assert connection is theirs
                await bump(connection)
            raise ZeroDivisionError
    async with engine.connect() as connection:
        assert await generation(connection) == 0
