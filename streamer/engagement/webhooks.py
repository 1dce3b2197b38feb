"""Tells others over HTTP what happens: signed, tried again for an hour, never in anybody's way.

POST, JSON: {"id": …, "event": "stream.start", "stream": "cam", "at": 1795631421.3, "data": {…}}, with
`Streamer-Signature: t=<seconds since 1970>,v1=<hex>`, where v1 is the HMAC-SHA256 of "<t>.<body>" under the
secret. Who takes it checks that t is recent, and that it does not have that id yet: what was answered too
late comes twice.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from streamer.sections.webhook import WebhookConfig

_log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
RETRY_S = (1.0, 5.0, 30.0, 120.0, 600.0, 3000.0)
_MOST_WAITING = 1000
SIGNATURE = "Streamer-Signature"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to be told."""

    event: str
    stream: str
    at: float
    data: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: secrets.token_hex(12))

    def body(self) -> bytes:
        """As it is sent."""
        told = {"id": self.id, "event": self.event, "stream": self.stream, "at": self.at, "data": self.data}
        return json.dumps(told, separators=(",", ":")).encode()


def signature(secret: str, body: bytes, at: int) -> str:
    """The value of the header."""
    mac = hmac.digest(secret.encode(), f"{at}.".encode() + body, "sha256")
    return f"t={at},v1={mac.hex()}"


class Webhook:
    """One address, and what it still has to be told.

    Args:
        config: it.
        retry_s: pauses after failures; after the last one it is given up.
        clock: seconds since 1970.

    Attributes:
        delivered: how much it was told.
        dropped: and how much it never was.
    """

    def __init__(
        self,
        config: WebhookConfig,
        retry_s: Sequence[float] = RETRY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.delivered = 0
        self.dropped = 0
        self._retry_s = retry_s
        self._clock = clock
        self._waiting: deque[Happening] = deque()
        self._something = asyncio.Event()

    def tell(self, happening: Happening) -> None:
        """Have it told, if it is wanted here. Full: the oldest is given up."""
        config = self.config
        if happening.event not in config.events or (
            config.streams and happening.stream not in config.streams
        ):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self._give_up("too much waits to be told")
        self._waiting.append(happening)
        self._something.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_TIMEOUT_S)) as http:
            while True:
                await self._something.wait()
                self._something.clear()
                while self._waiting:
                    await self._deliver(http, self._waiting.popleft())

    async def _deliver(self, http: aiohttp.ClientSession, happening: Happening) -> None:
        body = happening.body()
        why = ""
        for pause_s in (*self._retry_s, None):
            try:
                headers = {
                    "Content-Type": "application/json",
                    "User-Agent": "Streamer",
                    SIGNATURE: signature(self.config.secret.get_secret_value(), body, int(self._clock())),
                }
                async with http.post(
                    self.config.url, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    if 200 <= answer.status < 300:
                        self.delivered += 1
                        return
                    why = f"answered {answer.status}"
                    if answer.status == 410:  # gone: it does not want to be told any more
                        break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = type(error).__name__
            if pause_s is None:
                break
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))
        self._give_up(why)

    def _give_up(self, why: str) -> None:
        self.dropped += 1
        # Without its address's path and query, which are often secrets.
        _log.warning("a webhook could not be told what happened: %s", why)
