from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.auth.ground import vault
from tests.rigs.connected import Rig, connected_rig


@pytest.fixture
async def rig(sqlite_engine: AsyncEngine) -> AsyncIterator[Rig]:
    async with connected_rig(sqlite_engine, vault()) as rig:
        yield rig
