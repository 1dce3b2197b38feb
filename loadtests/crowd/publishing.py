"""Publishers over WebRTC, in a process of their own; they send until it is ended.

`python -m loadtests.crowd.publishing KEY MBPS URL...`
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import aiohttp
import uvloop

from loadtests.crowd import sdp
from loadtests.crowd.dtls import Identity
from loadtests.crowd.publisher import Programme, Publisher


@asynccontextmanager
async def publishing(urls: Sequence[str], key: str, programme: Programme) -> AsyncIterator[None]:
    """Have a publisher send to each of these WHIP endpoints (RFC 9725) meanwhile.

    Raises:
        ConnectionError: one was refused, or its DTLS failed.
        TimeoutError: one had no answer in time.
        ValueError: an answer that cannot be used.
    """
    identity = Identity()
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
    with ExitStack() as publishers:
        async with aiohttp.ClientSession(headers=headers) as http:
            for number, url in enumerate(urls):
                publisher = Publisher(identity, "127.0.0.1", programme)
                publishers.callback(publisher.close)
                async with http.post(url, data=sdp.offer(publisher.local, number, "sendonly")) as answer:
                    text = await answer.text()
                    if answer.status != 201:
                        raise ConnectionError(f"{url}: {answer.status}: {text[:200]}")
                await publisher.connect(sdp.parse(text))
        yield


async def _run(key: str, mbps: float, urls: Sequence[str]) -> None:
    async with publishing(urls, key, Programme.of(mbps)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, _key, _mbps, *_urls = sys.argv
    uvloop.run(_run(_key, float(_mbps), _urls))
