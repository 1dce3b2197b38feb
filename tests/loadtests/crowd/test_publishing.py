from __future__ import annotations

import asyncio

import pytest

from loadtests.crowd.publisher import Programme
from loadtests.crowd.publishing import publishing
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN

PROGRAMME = Programme.of(1.0)


async def test_our_server_gets_all_that_is_sent_and_the_picture_has_a_size() -> None:
    with Server(OPEN) as server:
        async with publishing([f"{server.url}/whip/cam"], KEY, PROGRAMME):
            await asyncio.to_thread(server.wait_live, "cam")
            stream = await asyncio.to_thread(server.stream, "cam")
        assert stream["publisher"]["protocol"] == "whip"
        assert [track["codec"] for track in stream["tracks"]] == ["h264", "opus"]
        assert stream["tracks"][0]["width"] == 1280
        counted = stream["publisher"]["statistics"]["webrtc"]
        assert counted["packets"] > 0
        assert {counted[name] for name in ("lost", "dropped", "refused", "malformed", "ignored")} == {0}


async def test_who_may_not_publish_hears_it() -> None:
    with Server(OPEN) as server:
        with pytest.raises(ConnectionError, match="/whip/cam: 401"):
            async with publishing([f"{server.url}/whip/cam"], "guessed", PROGRAMME):
                pass
