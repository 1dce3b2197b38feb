from __future__ import annotations

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.vault.rewrap import rewrap_all
from auth.vault.vault import MasterKey, Vault
from streamer.relay.destination import Destination, Platform, Settings, When
from streamer.relay.destinations import (
    add_destination,
    change_destination,
    list_destinations,
    new_id,
    remove_destination,
)
from streamer.relay.errors import NoSuchDestination, RelayRefused
from streamer.relay.look import Look
from streamer.relay.memory import Command, Memory, ask, read_memories, remember, take_commands
from streamer.relay.tables import destinations
from tests.streamer.relay.rig import KEY, VAULT
from transport.media import Codec

PASSPHRASE = "correct horse battery"


def destination(name: str = "one", **more: object) -> Destination:
    settings = Settings(url="srt://192.0.2.1:9000", when=When.SCHEDULED, starts_at=10.0, title="Evening")
    return Destination(
        id=new_id(),
        stream="cam",
        name=name,
        settings=settings,
        key=SecretStr(KEY),
        passphrase=SecretStr(PASSPHRASE),
    ).model_copy(update=more)


async def test_it_is_kept_as_it_was_with_its_secrets_sealed(engine: AsyncEngine) -> None:
    kept = destination()
    async with engine.begin() as connection:
        await add_destination(connection, VAULT, kept, 1.0)
    async with engine.connect() as connection:
        assert await list_destinations(connection, VAULT) == [kept]
        row = (await connection.execute(select(destinations))).one()
    assert KEY not in str(row)
    assert PASSPHRASE not in str(row)
    assert KEY not in repr(kept)


async def test_keys_rotate_goes_over_it(engine: AsyncEngine) -> None:
    kept = destination()
    old, new = MasterKey(bytes(32)), MasterKey(bytes([1]) * 32)
    async with engine.begin() as connection:
        await add_destination(connection, VAULT, kept, 1.0)
        assert await rewrap_all(connection, Vault([new, old])) >= 1
        assert await list_destinations(connection, Vault([new])) == [kept]


async def test_changing_and_removing(engine: AsyncEngine) -> None:
    kept, other = destination(), destination("two")
    async with engine.begin() as connection:
        await add_destination(connection, VAULT, kept, 1.0)
        await add_destination(connection, VAULT, other, 2.0)
        renamed = kept.model_copy(update={"name": "three"})
        await change_destination(connection, VAULT, renamed, 3.0)
        assert await list_destinations(connection, VAULT) == [renamed, other]
        await remember(connection, Memory(kept.id, wanted=True), 4.0)
        await remove_destination(connection, kept.id)
        assert await list_destinations(connection, VAULT) == [other]
        assert await read_memories(connection) == {}
        with pytest.raises(NoSuchDestination):
            await remove_destination(connection, kept.id)
        with pytest.raises(NoSuchDestination):
            await change_destination(connection, VAULT, kept, 5.0)


async def test_a_stream_has_a_name_once(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await add_destination(connection, VAULT, destination(), 1.0)
    with pytest.raises(RelayRefused, match="called 'one' already"):
        async with engine.begin() as connection:
            await add_destination(connection, VAULT, destination(), 1.0)


async def test_what_is_remembered_and_what_is_asked_for(engine: AsyncEngine) -> None:
    look = Look(Codec.H265, 1920, 1080, 50.0)
    memory = Memory("cam:one", True, "live", "", "broadcast", 12.5, look, 7.0)
    async with engine.begin() as connection:
        await remember(connection, memory, 1.0)
        assert await read_memories(connection) == {"cam:one": memory}
        await ask(connection, "cam:one", Command.STOP, 2.0)
        await ask(connection, "cam:two", Command.START, 2.0)
        await remember(connection, memory, 3.0)
        assert await take_commands(connection) == {"cam:one": Command.STOP, "cam:two": Command.START}
        assert await take_commands(connection) == {}


@pytest.mark.parametrize("platform", [Platform.YOUTUBE, Platform.FACEBOOK, Platform.TWITCH])
def test_a_platform_says_itself_where_to_push(platform: Platform) -> None:
    with pytest.raises(ValueError, match="no url"):
        Settings(platform=platform, account="a", url="rtmp://x/y")
    with pytest.raises(ValueError, match="account"):
        Settings(platform=platform)
    assert Settings(platform=platform, account="a").url == ""
