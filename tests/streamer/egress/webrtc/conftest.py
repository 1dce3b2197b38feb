from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.streamer.egress.webrtc.rig import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.close()
