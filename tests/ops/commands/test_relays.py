from __future__ import annotations

from streamer.relay.memory import Command, read_memories
from tests.ops.commands.rig import Commands

RELAY = """
[[streams.cam.relays]]
name = "venue"
url = "rtmp://192.0.2.1/live"
key = "stream-key-123456"
"""


def asked(streamer: Commands) -> dict[str, Command]:
    async def look(identity: object) -> dict[str, Command]:
        async with identity.engine.connect() as connection:  # type: ignore[attr-defined]
            return {id: memory.command for id, memory in (await read_memories(connection)).items()}

    return streamer.look(look)


def test_listing_starting_and_stopping(streamer: Commands) -> None:
    assert streamer("relay", "list") == []
    streamer.path.write_text(streamer.path.read_text() + RELAY)
    (line,) = streamer("relay", "list")
    assert line.split() == ["cam:venue", "cam:venue", "rtmp://192.0.2.1/live", "publishing", "idle", "-"]
    assert asked(streamer) == {}
    streamer("relay", "start", "cam:venue")
    assert asked(streamer) == {"cam:venue": Command.START}
    streamer("relay", "stop", "cam:venue")
    assert asked(streamer) == {"cam:venue": Command.STOP}
    assert [entry["target"] for entry in streamer.audited("relay.start")] == ["cam:venue"]
    assert [entry["target"] for entry in streamer.audited("relay.stop")] == ["cam:venue"]


def test_one_that_is_not_there(streamer: Commands) -> None:
    assert "no relay 'nothing'" in streamer.refused("relay", "start", "nothing")
