"""Real WHEP viewers that come and go by plan, and keep an account of what really happened to them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import aiohttp

from loadtests.audience.visits import Visit
from loadtests.crowd.crowd import Whep
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer

#: What was said last, by UDP, arrives before the goodbye, by HTTP; and what was under way is waited for.
_LAST_WORDS_S = 0.02
_UNDER_WAY_S = 0.02


class Play:
    """One audience at one server.

    Args:
        url: where it joins.
        visits: the plan; it is filled in as they go.
    """

    def __init__(self, url: str, visits: list[Visit]) -> None:
        self.visits = visits
        self._open = asyncio.Event()
        self._open.set()
        self._closed_at = self._late_s = 0.0
        self._turns: dict[int, asyncio.Lock] = {}
        self._url = url
        self._whep: Whep
        self._identity = Identity()
        self._is_cut_off = False
        self._present: dict[int, tuple[Visit, Viewer, asyncio.Event]] = {}

    async def run(self) -> None:
        """Let all of them come and go."""
        self._whep = Whep(self._url)
        start = time.time()
        sampling = asyncio.create_task(self._sample())
        try:
            async with asyncio.TaskGroup() as group:
                for number, visit in enumerate(self.visits):
                    group.create_task(self._visit(visit, number, start))
        finally:
            sampling.cancel()
            await asyncio.wait({sampling})
            await self._whep.close()

    def pause(self) -> None:
        """From now on nobody comes, until `go_on`."""
        self._open.clear()
        self._closed_at = time.time()

    def go_on(self) -> None:
        """All that were still to come do so as much later."""
        self._late_s += time.time() - self._closed_at
        self._open.set()

    def cut_off(self) -> None:
        """The server was killed: all that are there notice."""
        self._is_cut_off = True
        for visit, _, left in self._present.values():
            visit.cut_off = True
            left.set()

    async def _visit(self, visit: Visit, number: int, start: float) -> None:
        # Who watches twice at once would rightly be taken for two.
        async with self._turns.setdefault(visit.person, asyncio.Lock()):
            while (wait_s := start + self._late_s + visit.arrives_s - time.time()) > 0:
                await asyncio.sleep(wait_s)
                await self._open.wait()
            await self._come(visit, number)

    async def _come(self, visit: Visit, number: int) -> None:
        viewer = Viewer(self._identity, "127.0.0.1", checks=True, line=visit.line)
        left, seen = asyncio.Event(), asyncio.Event()
        viewer.on_media = lambda _: seen.set()
        self._present[number] = visit, viewer, left
        visit.asked_at, asked_at = time.time(), time.monotonic()
        try:
            await self._whep.join(viewer, number, visit.headers)
            await seen.wait()
            visit.join_ms = (viewer.first_packet_at - asked_at) * 1000
            visit.began_at = visit.asked_at + visit.join_ms / 1000
            await self._watch(visit, viewer, left)
            if not visit.cut_off:
                await self._leave(visit, viewer)
        except (OSError, ValueError, aiohttp.ClientError) as error:
            visit.cut_off = self._is_cut_off and visit.began_at > 0
            visit.failed = "" if visit.cut_off else f"{type(error).__name__}: {error}"
        finally:
            visit.counts = replace(viewer.counts())
            del self._present[number]
            viewer.close()

    async def _watch(self, visit: Visit, viewer: Viewer, left: asyncio.Event) -> None:
        pause_s = visit.watches_s / (visit.plis + 1)
        for remaining in range(visit.plis, -1, -1):
            until = visit.began_at + visit.watches_s - remaining * pause_s
            try:
                async with asyncio.timeout(max(0.0, until - time.time())):
                    await left.wait()
                return
            except TimeoutError:
                if remaining:
                    viewer.ask_for_keyframe()

    async def _leave(self, visit: Visit, viewer: Viewer) -> None:
        if visit.said is not None:
            await self._whep.tell(viewer, visit.beacon(time.time() - visit.began_at))
        viewer.report()
        await asyncio.sleep(_LAST_WORDS_S)
        asked_at = time.time()
        await self._whep.leave(viewer)
        # The server ended it between the two.
        visit.ended_at = (asked_at + time.time()) / 2
        await asyncio.sleep(_UNDER_WAY_S)

    async def _sample(self) -> None:
        """Take down what everybody has when a second of the clock begins, when the server does so too."""
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            second = round(time.time())
            for visit, viewer, _ in self._present.values():
                visit.samples[second] = replace(viewer.counts())
