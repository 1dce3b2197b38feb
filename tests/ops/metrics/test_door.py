from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from auth.access.door import Ask
from auth.access.rates import Rate
from auth.errors import AuthError, RateLimited
from auth.permissions.actions import Action
from auth.permissions.credentials import NOTHING
from auth.permissions.protocols import Protocol
from ops.identity.identity import Guard, open_identity
from ops.metrics.door import DoorCollector
from streamer.config import parse


async def test_what_the_door_tells(tmp_path: Path) -> None:
    identity = await open_identity(parse({"state": {"dir": tmp_path}}))
    guard = Guard(identity)
    registry = CollectorRegistry()
    registry.register(DoorCollector(guard))
    ask = Ask(NOTHING, Action.WATCH, Protocol.WHEP, "cam", "192.0.2.1", public=True)
    entry = await guard.door.enter(ask, lambda why: None)
    for _ in range(2):
        with pytest.raises(AuthError):
            await guard.door.check(Ask(NOTHING, Action.ADMIN, Protocol.API, "", "192.0.2.1"))
    guard.rates.change(Rate(1, 1), Rate(1, 1), Rate(1, 1))
    guard.rates.api.check("192.0.2.1")
    with pytest.raises(RateLimited):
        guard.rates.api.check("192.0.2.1")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"streamer_{name}", labels)

    assert value("access_decisions_total", action="watch", outcome="allowed") == 1
    assert value("access_decisions_total", action="admin", outcome="refused") == 2
    assert value("access_sessions") == 1
    assert value("rate_limited_total", kind="api") == 1
    assert value("rate_limited_total", kind="login") == 0
    entry.close()
    assert value("access_sessions") == 0
    await guard.close()
    await identity.close()
