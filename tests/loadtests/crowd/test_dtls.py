from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from loadtests.crowd.dtls import Handshake, Identity
from transport.plane.interface import SrtpProfile


def pair(lost: Callable[[int], bool]) -> tuple[Handshake, Handshake]:
    """Client and server; `lost` says of each datagram by its number whether the path loses it."""
    loop, identity = asyncio.get_running_loop(), Identity()
    ends: list[Handshake] = []
    sent = 0

    def towards(end: int) -> Callable[[bytes], None]:
        def send(datagram: bytes) -> None:
            nonlocal sent
            sent += 1
            if not lost(sent - 1):
                loop.call_soon(lambda: ends[end].datagram(datagram))

        return send

    ends += [Handshake(identity, True, towards(1)), Handshake(identity, False, towards(0))]
    return ends[0], ends[1]


@pytest.mark.parametrize("lost", [set(), {0}, {0, 1, 2}, {1}, {3}], ids=str)
async def test_both_ends_agree_whatever_is_lost(lost):
    client, server = pair(lost.__contains__)
    client.start()
    server.start()
    async with asyncio.timeout(20):
        at_client, at_server = await client.keys, await server.keys
    assert at_client.profile is at_server.profile is SrtpProfile.AES128_CM_SHA1_80
    assert (at_client.tx, at_client.rx) == (at_server.rx, at_server.tx)
    assert len(at_client.tx) == 30 and at_client.tx != at_client.rx
    client.stop()
    server.stop()
