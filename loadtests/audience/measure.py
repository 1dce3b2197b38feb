"""A server, an audience of known viewers, and what the one says of the other; undisturbed or not."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.audience.scripted import Play
from loadtests.audience.truth import Compared, Told, Truth
from loadtests.audience.visits import Visit, plan
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.redis import redis
from loadtests.rig.server import Server, free_ports

_KEY = "key-of-the-encoder"
_STREAMS = f'[streams.cam]\npublish_key = "{_KEY}"\npublic = true\n'
_SMALL = Programme(size="160x90", bitrate_kbps=200)
_API = "/api/v1/analytics/streams/cam"
_DIMENSIONS = ("protocol", "device", "browser")
#: Redis is away for so long.
_AWAY_S = 5.0
#: So long nobody comes before the server is killed: all who came are watching.
_SETTLE_S = 4.0
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; `disruption` says what was done."""

    visits: list[Visit]
    compared: list[Compared]
    disruption: str = ""

    @property
    def failures(self) -> list[str]:
        """Why viewers could not watch."""
        return [visit.failed for visit in self.visits if visit.failed]

    @property
    def overflowed(self) -> int:
        """Packets for which viewers had no room: not in the truth."""
        return sum(visit.counts.overflowed for visit in self.visits)


def measure(viewers: int, seconds: float, disrupt: str = "") -> Outcome:
    """Play and compare.

    Args:
        viewers: different ones.
        seconds: until the last one has come and gone, about.
        disrupt: "redis" or "node": what is killed in the middle; "" for nothing.
    """
    with _stage(disrupt) as (server, shared):
        with Process(_encoder(server).command) as encoder:
            server.wait_live("cam")
            began = time.time() - 1
            play = Play(f"{server.url}/whep/cam", plan(viewers, seconds))
            stage = _Disruption(server, shared, encoder, play, seconds)
            asyncio.run(stage.run(disrupt))
        visits = len([visit for visit in play.visits if not visit.failed])
        wait_until(lambda: len(_sessions(server, began)) >= visits, _PATIENCE_S, "all sessions")
        wait_until(lambda: _summary(server, began)["plays"] >= visits, _PATIENCE_S, "all plays")
        told = _ask(server, began)
    return Outcome(play.visits, Truth(play.visits, stage.known_at).compare(told), stage.done)


class _Disruption:
    """The play, and what goes wrong in the middle of it.

    Attributes:
        known_at: when a server that was killed had last taken note of who was there.
        done: what was done, for people.
    """

    def __init__(
        self, server: Server, shared: Process | None, encoder: Process, play: Play, seconds: float
    ) -> None:
        self.known_at = 0.0
        self.done = ""
        self._server = server
        self._shared = shared
        self._encoder = encoder
        self._play = play
        self._middle_s = seconds / 3

    async def run(self, what: str) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._play.run())
            if what == "redis":
                group.create_task(self._without_redis())
            elif what == "node":
                group.create_task(self._without_server())

    async def _without_redis(self) -> None:
        assert self._shared is not None
        await asyncio.sleep(self._middle_s)
        await asyncio.to_thread(self._shared.kill)
        await asyncio.sleep(_AWAY_S)
        await asyncio.to_thread(self._shared.start)
        self.done = f"Redis was killed after {self._middle_s:.0f} s, and away for {_AWAY_S:.0f} s"

    async def _without_server(self) -> None:
        await asyncio.sleep(self._middle_s)
        self._play.pause()
        await asyncio.sleep(_SETTLE_S)
        present = self._server.request("GET", "/api/v1/analytics/live")[1]["viewers"]
        self._server.kill()
        self.done = f"the server was killed with {present} viewers watching"
        self._play.cut_off()
        self.known_at = (self._server.folder / "state" / "engagement" / "audience").stat().st_mtime
        await asyncio.to_thread(self._begin_again)
        self._play.go_on()

    def _begin_again(self) -> None:
        self._server.start()
        self._encoder.stop()
        self._encoder.start()
        self._server.wait_live("cam")


@contextmanager
def _stage(disrupt: str) -> Iterator[tuple[Server, Process | None]]:
    if disrupt != "redis":
        with Server(_STREAMS) as server:
            yield server, None
        return
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, redis(port, Path(folder)) as shared:
        with Server(f'{_STREAMS}[redis]\nurl = "redis://127.0.0.1:{port}/0"\n') as server:
            yield server, shared


def _encoder(server: Server) -> Process:
    return ffmpeg_srt(server.srt_port, f"#!::r=cam,m=publish,s={_KEY}", _SMALL)


def _summary(server: Server, began: float) -> Any:
    return server.request("GET", f"{_API}?from={began}&to={time.time()}")[1]


def _sessions(server: Server, began: float) -> list[dict[str, Any]]:
    """As they are exported: line by line."""
    path = f"{_API}/export?format=jsonl&from={began}&to={time.time()}"
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {server.token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def _ask(server: Server, began: float) -> Told:
    span = f"from={began}&to={time.time()}"
    (live,) = server.request("GET", "/api/v1/analytics/live")[1]["streams"]
    return Told(
        summary=server.request("GET", f"{_API}?{span}")[1],
        series=server.request("GET", f"{_API}/series?{span}")[1],
        breakdowns={by: server.request("GET", f"{_API}/breakdown?by={by}&{span}")[1] for by in _DIMENSIONS},
        sessions=_sessions(server, began),
        live=live,
    )
