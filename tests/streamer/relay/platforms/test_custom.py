from __future__ import annotations

from streamer.relay.platforms.broadcast import HealthState
from streamer.relay.platforms.custom import CustomBroadcast


async def test_it_is_as_configured_and_tells_nothing() -> None:
    broadcast = CustomBroadcast("rtmps://host/app", "secret-key")
    ingest = await broadcast.prepare()
    assert (ingest.url, ingest.key) == ("rtmps://host/app", "secret-key")
    assert await broadcast.resume(broadcast.id) == ingest
    assert "secret-key" not in repr(ingest) + repr(vars(broadcast))
    await broadcast.went_live()
    assert (await broadcast.health()).state is HealthState.UNKNOWN
    await broadcast.end()
