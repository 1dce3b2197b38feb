from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.streamer.web.administration.desk import Desk
from tests.streamer.web.rig import WebRig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path)
    await rig.open()
    yield rig
    await rig.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.open()
    yield desk
    await desk.close()
