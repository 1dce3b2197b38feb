"""A link for so many viewers: one more waits until a place is free, and then watches."""

from __future__ import annotations

import asyncio

import pytest

from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.tokens.links import Link, Target, build_link
from auth.tokens.tokens import TokenOrder
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from ops.identity.identity import open_identity
from streamer.config import load
from tests.behaviour.streams import KEY, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_TITLE = "document.querySelector('.message:not([hidden]) .message-title')?.textContent"


async def link_for_one(server: Server) -> str:
    identity = await open_identity(load(server.config_path))
    try:
        limits = Limits.of(viewers=1)
        order = TokenOrder(frozenset({Action.WATCH, Action.LISTEN}), ("cam",), 600.0, limits=limits)
        authority = identity.authority
        issued = authority.tokens.issue(authority.snapshot.ring, order, identity.clock())
    finally:
        await identity.close()
    return build_link(Link(server.url, Target.WATCH, "cam", issued.token))


async def test_the_second_plays_when_the_first_leaves() -> None:
    programme = Programme(size="320x180", bitrate_kbps=500)
    with (
        Server(f'[streams.cam]\npublish_key = "{KEY}"\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme),
    ):
        await asyncio.to_thread(server.wait_live, "cam")
        async with chromium() as browser:
            link = await link_for_one(server)
            first = await Watcher.open(browser, link)
            await first.wait_for(lambda r: r["state"] == "playing", 20, "the first to play")
            second = await Watcher.open(browser, link)
            await second.wait_for(lambda r: r["state"] == "waiting", 20, "the second to be told to wait")
            assert await second.page.evaluate(_TITLE) == "All places of this link are taken"
            assert len(server.viewers()) == 1
            await first.close()
            await second.wait_for(lambda r: r["state"] == "playing", 20, "the second to play")
            assert len(server.viewers()) == 1
