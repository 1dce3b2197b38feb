from __future__ import annotations

import time

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.relay.destinations import add_destination, change_destination, remove_destination
from streamer.relay.errors import NoSuchRelay, RelayRefused
from streamer.relay.machine import State
from streamer.relay.memory import LEASE_S, Command, ask, read_memories
from tests.fakes.broadcast import FakePlatform
from tests.fakes.wait import until
from tests.streamer.relay.rig import KEY, VAULT, Encoder
from tests.streamer.relay.test_relay import opened, to
from tests.transport.rtmp.ingest import Ingest


async def test_the_clock_starts_one_and_ends_it(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine) as rig:
        encoder = Encoder(rig.stream)
        now = time.time()
        schedule = {"when": "scheduled", "starts_at": now + 1.0, "ends_at": now + 3.0}
        relay = await rig.keep(**to(ingest), **schedule)
        assert relay.state is State.IDLE
        await rig.until(State.LIVE, id=relay.id)
        assert time.time() >= now + 1.0
        await rig.until(State.ENDED, id=relay.id)
        assert relay.reason == "its scheduled end"
        await encoder.leave()


async def test_a_schedule_outlives_a_restart_and_is_kept_once(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine) as rig:
        relay = await rig.keep(**to(ingest), when="scheduled", starts_at=time.time() + 0.5)
    async with opened(engine) as rig:
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE, id=relay.id)
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED, id=relay.id)
        await encoder.leave()
    async with opened(engine) as rig:
        assert rig.relay(relay.id).state is State.IDLE
        assert rig.relay(relay.id).scheduled_for is not None


async def test_the_command_line_reaches_a_running_server(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine, to(ingest, when="manual")) as rig:
        encoder = Encoder(rig.stream)
        async with engine.begin() as connection:
            await ask(connection, "cam:127.0.0.1", Command.START, 1.0)
            await ask(connection, "cam:nobody", Command.START, 1.0)
        await rig.until(State.LIVE)
        async with engine.begin() as connection:
            await ask(connection, "cam:127.0.0.1", Command.STOP, 2.0)
        await rig.until(State.ENDED)
        await encoder.leave()
    async with engine.connect() as connection:
        memory = (await read_memories(connection))["cam:127.0.0.1"]
    assert (memory.wanted, memory.state, memory.command) == (False, "ended", Command.NONE)


async def test_another_machine_leaves_a_broadcast_alone_until_it_is_orphaned(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    ahead_s = 0.0
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        await until(lambda: relay.began_at is not None, "its beginning")
        async with opened(engine, platform=platform, node="two") as other:
            idle = other.relay(relay.id)
            assert idle.state is State.IDLE
            second = Encoder(other.stream)
            other.relays.start(relay.id)
            await other.until(State.ENDED, id=relay.id)
            assert idle.reason == "another machine (one) relays it"
            other.relays.stop(relay.id)
            await second.leave()
            assert (platform.prepared, platform.resumed, platform.ended) == (["broadcast-0"], [], [])
            async with engine.connect() as connection:
                memory = (await read_memories(connection))[relay.id]
            assert (memory.wanted, memory.owner, memory.broadcast_id) == (True, "one", "broadcast-0")
        await encoder.leave()
    async with opened(engine, platform=platform, node="two", clock=lambda: time.time() + ahead_s) as other:
        encoder = Encoder(other.stream)
        assert other.relay(relay.id).state is State.IDLE
        ahead_s = 2 * LEASE_S
        await other.until(State.LIVE, id=relay.id)
        assert (platform.prepared, platform.resumed) == (["broadcast-0"], ["broadcast-0"])
        other.relays.stop(relay.id)
        await until(lambda: platform.ended == ["broadcast-0"], "its end")
        await encoder.leave()


async def test_a_machine_whose_clock_is_set_back_says_what_it_relays_all_the_same(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    ahead_s = 3600.0
    async with opened(engine, platform=platform, clock=lambda: time.time() + ahead_s) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        await until(lambda: relay.began_at is not None, "its beginning")
        told: list[float] = []
        rig.relays._keeper.note = lambda relay: told.append(ahead_s)  # type: ignore[method-assign]
        ahead_s = 0.0
        await until(lambda: 0.0 in told, "it to be told")
        await encoder.leave()


async def test_a_command_is_left_to_the_machine_that_relays(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay = await rig.keep(platform="youtube", account="one")
        encoder = Encoder(rig.stream)
        async with opened(engine, platform=platform, node="two") as other:
            async with engine.begin() as connection:
                await ask(connection, relay.id, Command.START, time.time())
            await rig.until(State.LIVE, id=relay.id)
            assert other.relay(relay.id).state is State.IDLE
            async with engine.begin() as connection:
                await ask(connection, relay.id, Command.STOP, time.time())
            await rig.until(State.ENDED, id=relay.id)
        await encoder.leave()
    assert platform.prepared == platform.ended == ["broadcast-0"]


async def test_what_is_stopped_on_one_machine_begins_on_no_other(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one", when="publishing")
        async with opened(engine, platform=platform, node="two") as other:
            second = Encoder(other.stream)
            await other.until(State.ENDED, id=relay.id)
            rig.relays.stop(relay.id)
            await rig.until(State.ENDED, id=relay.id)
            assert other.relay(relay.id).state is State.ENDED
            assert other.relay(relay.id).machine.timer is None, "nothing is waited for"
            await second.leave()
        await encoder.leave()
    assert platform.prepared == platform.ended == ["broadcast-0"]


async def test_what_is_stopped_by_hand_stays_so_until_its_stream_was_offline(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    async with opened(engine, to(ingest), grace_s=0.0) as rig:
        encoder = Encoder(rig.stream)
        relay = await rig.until(State.LIVE)
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED)
        rig.relays.apply()
        rig.registry.on_change[-1](rig.stream)
        assert relay.state is State.ENDED
        await encoder.leave()
        rig.stream.expire(time.monotonic() + 1)
        await until(lambda: relay.id not in rig.relays._held, "the stream to be missed")
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        await encoder.leave()


async def test_a_destination_that_goes_takes_its_relay_along(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine) as rig:
        encoder = Encoder(rig.stream)
        relay = await rig.keep(**to(ingest))
        rig.relays.start(relay.id)
        await rig.until(State.LIVE, id=relay.id)
        async with engine.begin() as connection:  # as another server would
            await remove_destination(connection, relay.id)
        await until(lambda: relay.state is State.ENDED, "its end")
        assert relay.reason == "its destination was removed"
        with pytest.raises(NoSuchRelay):
            rig.relays.find(relay.id)
        await ingest.until(lambda: ingest.ends == ["unpublished"])
        await encoder.leave()


async def test_what_a_server_with_a_slow_clock_writes_is_noticed(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine) as rig:
        first, second = await rig.keep(**to(ingest), title="old"), await rig.keep(**to(ingest), name="second")
        changed = first.destination.model_copy(
            update={"settings": first.destination.settings.model_copy(update={"title": "new"})}
        )
        async with engine.begin() as connection:
            await change_destination(connection, VAULT, changed, 1.0)
        await until(lambda: rig.relay(first.id).destination == changed, "the change")
        other = second.destination.model_copy(update={"id": "id-of-other", "name": "other"})
        async with engine.begin() as connection:  # as many as before
            await remove_destination(connection, first.id)
            await add_destination(connection, VAULT, other, 2.0)
        await until(lambda: {relay.id for relay in rig.relays} == {second.id, other.id}, "the exchange")


async def test_a_changed_configuration_leaves_other_relays_alone(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine, to(ingest)) as rig:
        encoder = Encoder(rig.stream)
        relay = await rig.until(State.LIVE)
        rig.configure([to(ingest), to(ingest, name="second", when="manual")])
        rig.relays.apply()
        assert [each.id for each in rig.relays] == ["cam:127.0.0.1", "cam:second"]
        assert rig.relay() is relay
        assert relay.state is State.LIVE
        await encoder.leave()


async def test_a_stream_that_demands_more_refuses(engine: AsyncEngine, ingest: Ingest) -> None:
    floor = {"encryption": "aes-128", "passphrase": "correct horse battery"}
    async with opened(engine, **floor) as rig:
        relay = await rig.keep(**to(ingest))
        with pytest.raises(RelayRefused, match="needs TLS"):
            rig.relays.start(relay.id)
        assert relay.state is State.IDLE
        assert KEY not in str(relay.memory)
