"""What is wrong with one table of the configuration."""

from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from streamer.errors import ConfigError


def finding(section: str, table: dict[str, Any]) -> str:
    """The only thing that is wrong."""
    with pytest.raises(ConfigError) as caught:
        parse({section: table})
    (found,) = caught.value.findings
    return str(found)
