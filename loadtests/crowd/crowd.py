"""All the viewers: they join at a rate, are counted together, and leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from yarl import URL

from loadtests.crowd import sdp
from loadtests.crowd.dtls import Identity
from loadtests.crowd.tally import Counts
from loadtests.crowd.viewer import Viewer

#: Of our player, until it is told another pause.
_REPORT_EVERY_S = 10.0


class Signalling(Protocol):
    """How a viewer exchanges SDP with the server under test."""

    async def join(self, viewer: Viewer, session: int) -> None:
        """Exchange SDP, connect the viewer.

        Raises:
            OSError: refused, or no answer in time (TimeoutError is one).
            ValueError: an answer that cannot be used.
        """
        ...

    async def leave(self, viewer: Viewer) -> None:
        """Tell the server that the viewer goes."""
        ...

    async def tell(self, viewer: Viewer, said: Mapping[str, object]) -> float:
        """Say how it went, where that can be said; the pause until the next time. Errors as above."""
        ...

    async def close(self) -> None:
        """End."""
        ...


class Whep:
    """WHEP (draft-ietf-wish-whep-03).

    Args:
        url: of the stream's endpoint.
    """

    def __init__(self, url: str) -> None:
        self._url = URL(url)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256),
            timeout=aiohttp.ClientTimeout(30),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def join(self, viewer: Viewer, session: int, shown: Mapping[str, str] | None = None) -> None:
        """POST an offer; `shown` are headers that tell the viewer from others."""
        offer = sdp.offer(viewer.local, session).encode()
        headers = {"Content-Type": "application/sdp", "User-Agent": "crowd", **(shown or {})}
        async with self._http.post(self._url, data=offer, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 201:
                raise ConnectionError(f"{answer.status}: {text[:200]}")
            viewer.leave_url = str(answer.url.join(URL(answer.headers["Location"])))
        await viewer.connect(sdp.parse(text))

    async def leave(self, viewer: Viewer) -> None:
        """DELETE the session."""
        if viewer.leave_url:
            async with self._http.delete(viewer.leave_url):
                pass

    async def tell(self, viewer: Viewer, said: Mapping[str, object]) -> float:
        """Say how it went, as our own player does.

        Returns:
            After how many seconds to do so again.

        Raises:
            ConnectionError: it was not taken.
        """
        url = URL(viewer.leave_url)
        async with self._http.post(
            url.with_path(f"/api/v1/analytics/beacon/{url.name}"), json=said
        ) as answer:
            if answer.status != 204:
                raise ConnectionError(f"{answer.status}: {(await answer.text())[:200]}")
            return float(answer.headers["Retry-After"])

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


@dataclass(slots=True)
class Joined:
    """How a round of joins went.

    Attributes:
        joined: viewers that are now watching.
        failed: reasons and how often.
        seconds: from the first request to the last viewer's keys.
        latencies_ms: from the request to the SRTP keys.
        profiles: SRTP profiles and how often.
    """

    joined: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    profiles: dict[str, int] = field(default_factory=dict)


class Crowd:
    """Viewers of one stream.

    Args:
        signalling: how they join.
        host: the address of this machine they watch from.
        check_every: every so manieth viewer decrypts and counts; the first one does.
    """

    def __init__(self, signalling: Signalling, host: str, check_every: int = 20) -> None:
        self._signalling = signalling
        self._host = host
        self._check_every = check_every
        self._identity = Identity()
        self._viewers: list[Viewer] = []
        self._made = 0
        self._pause_s = _REPORT_EVERY_S
        self._reporting: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Viewers that are watching."""
        return len(self._viewers)

    async def join(self, count: int, rate: float) -> Joined:
        """Let viewers join, so many a second whether or not those before are done; 0 for all at once."""
        outcome = Joined()
        start = time.monotonic()
        tasks = []
        for index in range(count):
            wait_s = start + index / rate - time.monotonic() if rate else 0
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.append(asyncio.ensure_future(self._join_one(outcome)))
        await asyncio.gather(*tasks)
        outcome.seconds = time.monotonic() - start
        return outcome

    def counts(self) -> Counts:
        """What all of them received so far."""
        total = Counts()
        for viewer in self._viewers:
            total.add(viewer.counts())
        return total

    def first_packets_ms(self) -> list[float]:
        """From the request to the first media packet, of the viewers that check."""
        return [(v.first_packet_at - v.started_at) * 1000 for v in self._viewers if v.first_packet_at]

    async def leave(self, count: int) -> None:
        """Let that many go, those that came first."""
        leaving, self._viewers = self._viewers[:count], self._viewers[count:]
        await asyncio.gather(*map(self._signalling.leave, leaving), return_exceptions=True)
        for viewer in leaving:
            viewer.close()

    def report(self) -> None:
        """From now on everybody's player says how it goes, as often as the server wants to know."""
        self._reporting = asyncio.create_task(self._report())

    async def close(self) -> None:
        """All leave."""
        if self._reporting is not None:
            self._reporting.cancel()
        await self.leave(len(self._viewers))
        await self._signalling.close()

    async def _report(self) -> None:
        told: set[asyncio.Task[None]] = set()
        number, due_at = 0, time.monotonic()
        while self._viewers:
            viewer = self._viewers[number % len(self._viewers)]
            number += 1
            # All of them in turn, evenly spread.
            due_at += self._pause_s / len(self._viewers)
            watched_s = time.monotonic() - viewer.started_at
            said = {"watch_s": watched_s, "visible_s": watched_s, "decoded": round(30 * watched_s)}
            task = asyncio.create_task(self._tell(viewer, said))
            told.add(task)
            task.add_done_callback(told.discard)
            await asyncio.sleep(due_at - time.monotonic())

    async def _tell(self, viewer: Viewer, said: Mapping[str, object]) -> None:
        with suppress(OSError, aiohttp.ClientError):
            self._pause_s = await self._signalling.tell(viewer, said)

    async def _join_one(self, outcome: Joined) -> None:
        checks = self._made % self._check_every == 0
        self._made += 1
        viewer = Viewer(self._identity, self._host, checks=checks)
        try:
            await self._signalling.join(viewer, self._made)
        except (OSError, ValueError, aiohttp.ClientError) as error:
            why = f"{type(error).__name__}: {error}"[:300]
            outcome.failed[why] = outcome.failed.get(why, 0) + 1
            viewer.close()
            return
        outcome.latencies_ms.append((time.monotonic() - viewer.started_at) * 1000)
        outcome.profiles[viewer.profile] = outcome.profiles.get(viewer.profile, 0) + 1
        outcome.joined += 1
        self._viewers.append(viewer)
