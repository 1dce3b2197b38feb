"""What happened to an audience is told as it was, over lines that lose packets and when one is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loadtests.audience.measure import measure
from loadtests.audience.visits import headers_of
from loadtests.crowd.crowd import Whep
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, stream_id
from tests.rigs.processes import free_port
from tests.rigs.redis import redis_server

SMALL = Programme(size="160x90", bitrate_kbps=200)
PATIENCE_S = 30.0
#: What was noted down late by a busy machine may be off by so much.
BUSY = 0.25


class Audience:
    """Viewers by number, with what really happened to them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._whep = Whep(f"{server.url}/whep/cam")
        self._identity = Identity()
        self._viewers: dict[int, Viewer] = {}
        self.began: dict[int, float] = {}
        self.ended: dict[int, float] = {}

    async def come(self, *people: int) -> None:
        for person in people:
            viewer = Viewer(self._identity, "127.0.0.1", checks=False)
            await self._whep.join(viewer, person, headers_of(person))
            self._viewers[person] = viewer
            self.began[person] = time.time()

    async def go(self, *people: int) -> None:
        for person in people:
            await self._whep.leave(self._viewers[person])
            self.end(person)

    def end(self, *people: int) -> None:
        """The server is gone, and they notice."""
        for person in people:
            self._viewers.pop(person).close()
            self.ended[person] = time.time()

    async def close(self) -> None:
        self.end(*list(self._viewers))
        await self._whep.close()

    @property
    def watched_s(self) -> float:
        return sum(self.ended[person] - self.began[person] for person in self.ended)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Server, ExitStack, int]]:
    """A server, and a Redis that is killed when its stack is closed."""
    port = free_port()
    redis = ExitStack()
    redis.enter_context(redis_server(tmp_path, port))
    shared = f'[redis]\nurl = "redis://127.0.0.1:{port}/0"\n[engagement]\nflush_s = 1\n'
    with Server(f'[streams.cam]\npublish_key = "{KEY}"\npublic = true\n{shared}') as server, redis:
        yield server, redis, port


def told(server: Server, since: float) -> Any:
    status, answer = server.request("GET", f"/api/v1/analytics/streams/cam?from={since}")
    assert status == 200, answer
    return answer


def live(server: Server) -> Any:
    (stream,) = server.request("GET", "/api/v1/analytics/live")[1]["streams"]
    return stream


def test_every_figure_is_the_truth() -> None:
    found = measure(viewers=10, seconds=8)
    assert found.failures == []
    assert len(found.visits) == 11
    figures = {each.name: each for each in found.compared if not each.name.startswith("minute")}
    assert figures["lost"].truth > 50
    assert figures["retransmitted"].truth > 20
    assert figures["device phone: viewers"].truth == 5
    exact = [each for each in figures.values() if not each.timed]
    assert len(exact) > 25
    # Of what is asked for and sent again, something may be under way when somebody leaves.
    known = [name for name in figures if name.rpartition(", ")[2] in ("nacks", "retransmitted")]
    assert set(known) == {"nacks", "retransmitted", "exported, nacks", "exported, retransmitted"}
    leaving = [figures.pop(name) for name in known]
    assert [each for each in leaving if abs(each.reported - each.truth) > max(2, 0.01 * each.truth)] == []
    assert [each for each in exact if each.off > each.allowed and each not in leaving] == []
    assert [each for each in figures.values() if each.off > BUSY] == []


async def test_nothing_is_lost_and_nothing_doubled(
    kept: tuple[Server, ExitStack, int], tmp_path: Path
) -> None:
    server, redis, port = kept
    since = time.time() - 1
    audience = Audience(server)
    spool = server.folder / "state" / "engagement" / "spool"
    try:
        with ffmpeg_srt(server.srt_port, stream_id(), SMALL):
            server.wait_live("cam")
            await audience.come(*range(6))
            wait_until(lambda: live(server)["viewers"] == 6, PATIENCE_S, "all of them live")
            wait_until(lambda: told(server, since)["plays"] == 6, PATIENCE_S, "all of them in the database")
            assert live(server)["peak_viewers"] == 6

            redis.close()
            await audience.go(0, 1, 2)
            await audience.come(6)
            wait_until(lambda: len(list(spool.glob("*.batch"))) > 1, PATIENCE_S, "batches on disk")
            assert live(server)["viewers"] == 4
            redis.enter_context(redis_server(tmp_path, port))
            wait_until(lambda: told(server, since)["plays"] == 7, PATIENCE_S, "what waited on disk")
            wait_until(lambda: not list(spool.glob("*.batch")), PATIENCE_S, "the spool to be empty")

            await asyncio.sleep(2)
            server.kill()
            audience.end(3, 4, 5, 6)
        server.start()
        sessions = "/api/v1/analytics/streams/cam/sessions"
        wait_until(
            lambda: len(server.request("GET", sessions)[1]["sessions"]) == 7, PATIENCE_S, "all sessions"
        )
        wait_until(lambda: told(server, since)["unique_viewers"] == 7, PATIENCE_S, "all viewers")
        found = server.request("GET", sessions)[1]["sessions"]
        assert len({session["id"] for session in found}) == 7
        reasons = sorted(session["reason"] for session in found)
        assert reasons == ["the server ended without notice"] * 4 + ["the viewer left"] * 3
        summary = told(server, since)
        assert (summary["plays"], summary["failed"], summary["peak_viewers"]) == (7, 0, 6)
        # The copy of the audience is at most two seconds old.
        assert audience.watched_s - 4 * 2.5 < summary["watch_seconds"] < audience.watched_s + 0.5
        kept_s = sum(session["watch_s"] for session in found)
        assert summary["watch_seconds"] == pytest.approx(kept_s, abs=4.5)
    finally:
        await audience.close()
