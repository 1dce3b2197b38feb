"""A sandbox for each test, and people who use its pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from ops.sandbox.app import Sandbox
from tests.platforms.facebook import Facebook
from tests.platforms.google import Google
from tests.platforms.twitch import Twitch
from tests.rigs.sandbox import sandbox as started


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with started() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def google(sandbox: Sandbox, http: aiohttp.ClientSession) -> Google:
    return Google(sandbox, http)


@pytest.fixture
def facebook(sandbox: Sandbox, http: aiohttp.ClientSession) -> Facebook:
    return Facebook(sandbox, http)


@pytest.fixture
def twitch(sandbox: Sandbox, http: aiohttp.ClientSession) -> Twitch:
    return Twitch(sandbox, http)
