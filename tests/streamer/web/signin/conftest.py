from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.auth.rig import Clock
from tests.streamer.web.rig import WebRig


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def rig(tmp_path: Path, clock: Clock) -> AsyncIterator[WebRig]:
    settings = {"http": {"public_url": "https://live.example"}}
    rig = WebRig(tmp_path, clock=clock, proxies=("127.0.0.1",), settings=settings)
    await rig.open()
    yield rig
    await rig.close()
