from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.components.platforms import configured
from ops.identity.identity import Identity, open_identity
from ops.identity.outgoing import Outgoing
from streamer.config import parse

REGISTERED = {"client_id": "app", "client_secret": "the application's"}


@pytest.fixture
async def identity(tmp_path: Path) -> AsyncIterator[Identity]:
    identity = await open_identity(parse({"state": {"dir": tmp_path}}))
    yield identity
    await identity.close()


async def test_those_this_installation_is_registered_with(identity: Identity) -> None:
    fetch = Outgoing()
    assert configured(parse({}).platforms, fetch, identity) == []
    platforms = parse({"platforms": {"facebook": REGISTERED, "twitch": REGISTERED}}).platforms
    assert [login.platform for login in configured(platforms, fetch, identity)] == ["facebook", "twitch"]
    await fetch.close()


async def test_what_device_codes_are_asked_for_with(identity: Identity) -> None:
    fetch = Outgoing()
    device = {"device_client_id": "tv", "device_client_secret": "the television's"}
    for section, asks in ((REGISTERED, "app"), (REGISTERED | device, "tv")):
        [youtube] = configured(parse({"platforms": {"youtube": section}}).platforms, fetch, identity)
        assert youtube.device_client.id == asks
        assert youtube.options.client.secret == "the application's"
    await fetch.close()
