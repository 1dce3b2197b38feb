"""A viewer whose line does not carry the picture sees a smaller one, and the full one again when it does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.peers.impairment import Impairment
from loadtests.peers.link import Link, link
from loadtests.peers.namespace import namespace
from loadtests.rig.browser import Watcher, chromium, chromium_path
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process
from loadtests.rig.server import Server
from tests.behaviour.streams import OPEN, stream_id

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
PATIENCE_S = 40.0
#: The browser's estimate of what the line carries rises by 8 % a second.
BACK_S = 120.0
FULL, SMALLER = 360, {240, 160}
PROGRAMME = Programme(size="640x360", fps=15, bitrate_kbps=900)
GOOD, NARROW = Impairment(rtt_ms=20), Impairment(rtt_ms=20, kbps=750)


@pytest.fixture
def behind() -> Iterator[tuple[Server, Link]]:
    """A server in a namespace, and a cable from there to another one."""
    with (
        namespace() as space,
        link(space, "tun") as cable,
        Server(OPEN, host=space.far, media_host=cable.space.near, inside=space.command) as server,
    ):
        encoder = ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME)
        with Process(space.command(encoder.command)):
            server.wait_live("cam")
            yield server, cable


def lines(report: dict[str, Any]) -> int:
    """Height of the picture, 0 without."""
    return int((report["video"] or {}).get("frameHeight") or 0)


async def test_the_picture_becomes_smaller_and_full_again(
    behind: tuple[Server, Link], tmp_path: Path
) -> None:
    server, cable = behind
    cable.impair(GOOD, 1)
    async with chromium(cable.space.program(tmp_path, chromium_path())) as browser:
        watcher = await Watcher.open(browser, f"http://{cable.space.near}:{server.http_port}/watch/cam")
        await watcher.wait_playing(PATIENCE_S)
        await watcher.wait_more(30, PATIENCE_S)
        assert lines(await watcher.report()) == FULL
        cable.impair(NARROW, 1)
        await watcher.wait_for(lambda report: lines(report) in SMALLER, PATIENCE_S, "a smaller picture")
        # And it plays.
        await watcher.wait_more(30, PATIENCE_S)
        (viewer,) = server.viewers()
        assert viewer["video_rung"] > 0
        assert viewer["video_source"] == "rendition"
        assert server.metric("streamer_viewers_reduced", stream="cam") == 1
        cable.impair(GOOD, 1)
        await watcher.wait_for(lambda report: lines(report) == FULL, BACK_S, "the full picture")
        await watcher.wait_more(30, PATIENCE_S)
        (viewer,) = server.viewers()
        assert viewer["video_rung"] == 0
        report = await watcher.report()
        assert report["state"] == "playing"
        assert not watcher.problems
