from __future__ import annotations

from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.server import free_ports


async def test_viewers_that_are_refused_are_counted_with_the_reason():
    (port,) = free_ports(1)
    crowd = Crowd(Whep(f"http://127.0.0.1:{port}/whep/cam"), "127.0.0.1")
    outcome = await crowd.join(3, 0)
    assert (outcome.joined, len(crowd), outcome.latencies_ms) == (0, 0, [])
    assert sum(outcome.failed.values()) == 3
    assert all("Connect" in why for why in outcome.failed)
    assert crowd.counts().delivered == 0
    await crowd.close()
