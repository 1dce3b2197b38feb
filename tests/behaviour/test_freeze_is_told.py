"""A picture that stood still because the network was gone is in the figures, by API and on the dashboard."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from loadtests.peers.impairment import Impairment
from loadtests.peers.link import Link, link
from loadtests.peers.namespace import namespace
from loadtests.rig.browser import Watcher, chromium, chromium_path
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import OPEN, stream_id

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
PATIENCE_S = 40.0
SMALL = Programme(size="160x90", fps=15, bitrate_kbps=200)
CUT_S = 2.0
NOTHING_PASSES = Impairment(loss=0.999_999)


@pytest.fixture
def behind() -> Iterator[tuple[Server, Link]]:
    """A server in a namespace, and a cable from there to another one."""
    with (
        namespace() as space,
        # The kernel may lack netem, but not TUN.
        link(space, "tun") as cable,
        Server(
            f"{OPEN}\n[engagement]\nflush_s = 1\n",
            host=space.far,
            media_host=cable.space.near,
            inside=space.command,
        ) as server,
    ):
        encoder = ffmpeg_srt(server.srt_port, stream_id(), SMALL)
        with Process(space.command(encoder.command)):
            server.wait_live("cam")
            yield server, cable


async def test_a_cable_that_is_cut_freezes_the_picture(behind: tuple[Server, Link], tmp_path: Path) -> None:
    server, cable = behind

    def told(what: str = "") -> Any:
        return server.request("GET", f"/api/v1/analytics/streams/cam{what}")[1]

    async with chromium(cable.space.program(tmp_path, chromium_path())) as browser:
        near = f"http://{cable.space.near}:{server.http_port}"
        watcher = await Watcher.open(browser, f"{near}/watch/cam")
        await watcher.wait_playing(PATIENCE_S)
        await watcher.wait_more(15, PATIENCE_S)
        # A busy machine may have held up a picture already.
        before = (await watcher.report())["video"]
        cable.impair(NOTHING_PASSES, 1)
        await asyncio.sleep(CUT_S)
        cable.impair(Impairment(), 1)
        seen = await watcher.wait_for(
            lambda report: (
                bool(report["video"])
                and report["video"]["totalFreezesDuration"] >= before["totalFreezesDuration"] + CUT_S / 2
            ),
            PATIENCE_S,
            "the freeze",
        )
        # The page looks every two seconds at what it tells when it goes.
        await watcher.wait_more(60, PATIENCE_S)
        await watcher.page.close(run_before_unload=True)
        wait_until(lambda: len(told("/sessions")["sessions"]) == 1, PATIENCE_S, "the session")
        (session,) = told("/sessions")["sessions"]
        assert session["freezes"] >= before["freezeCount"] + 1
        assert session["frozen_s"] >= seen["video"]["totalFreezesDuration"] - 0.1
        assert session["frozen_s"] < session["watch_s"]
        assert session["quality"] < 100 * (1 - session["frozen_s"] / session["watch_s"])
        summary = told()
        assert summary["freezes"] == session["freezes"]
        assert summary["frozen_seconds"] == pytest.approx(session["frozen_s"])
        assert summary["quality"] == pytest.approx(session["quality"], abs=0.06)

        dashboard = await Watcher.open(browser, f"{near}/dashboard#token={server.token}")
        frozen = dashboard.page.locator("#sessions td").nth(4)
        await expect(frozen).to_have_text(re.compile(r"^\d+(\.\d)? s$"), timeout=PATIENCE_S * 1000)
        assert float((await frozen.inner_text()).split()[0]) == pytest.approx(session["frozen_s"], abs=0.06)
        assert dashboard.problems == []
        assert watcher.problems == []
