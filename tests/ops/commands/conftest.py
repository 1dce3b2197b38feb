from __future__ import annotations

from pathlib import Path

import pytest

from tests.ops.commands.rig import Commands


@pytest.fixture
def streamer(tmp_path: Path) -> Commands:
    return Commands(tmp_path)
