from __future__ import annotations

import io
import itertools
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import av
from sqlalchemy.ext.asyncio import AsyncEngine

from streamer.relay.machine import State
from streamer.relay.platforms.broadcast import Health, HealthState
from streamer.relay.platforms.errors import NeedsReconnect, PlatformError
from tests.fakes.broadcast import KEY as PLATFORM_KEY
from tests.fakes.broadcast import FakePlatform
from tests.fakes.wait import until
from tests.streamer.relay.rig import KEY, Encoder, RelayRig
from tests.transport.rtmp.ingest import Ingest
from transport.rtmp.wire import MessageType


def to(ingest: Ingest, **more: Any) -> dict[str, Any]:
    return {"url": f"rtmp://127.0.0.1:{ingest.port}/live", "key": KEY, **more}


@asynccontextmanager
async def opened(engine: AsyncEngine, *relays: dict[str, Any], **more: Any) -> AsyncIterator[RelayRig]:
    rig = RelayRig(engine, list(relays), **more)
    await rig.open()
    try:
        yield rig
    finally:
        await rig.close()


def times(ingest: Ingest, kind: MessageType) -> list[int]:
    return [tag.timestamp for tag in ingest.tags if tag.kind is kind]


def assert_never_back(ingest: Ingest) -> None:
    for kind in (MessageType.VIDEO, MessageType.AUDIO):
        assert all(after >= before for before, after in itertools.pairwise(times(ingest, kind))), kind


def keyframes(ingest: Ingest) -> Iterator[int]:
    return (tag.timestamp for tag in ingest.tags if tag.kind is MessageType.VIDEO and tag.body[0] >> 4 == 1)


def headers(ingest: Ingest) -> int:
    """Decoder configurations among the picture's tags; they are no pictures."""
    return sum(tag.kind is MessageType.VIDEO and tag.body[1] == 0 for tag in ingest.tags)


async def test_it_follows_its_publisher(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine, to(ingest, slate_s=0.5)) as rig:
        assert rig.relay().state is State.IDLE
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        await ingest.until(lambda: len(times(ingest, MessageType.VIDEO)) > 30)
        assert ingest.publications[0].key == KEY
        sent = rig.relay().statistics
        assert sent.pictures_sent >= 30
        assert sent.pictures_dropped == 0
        await encoder.leave()
        relay = await rig.until(State.ENDED)
        assert "away for 0.5 s" in relay.reason
        assert KEY in rig.concealed
        assert KEY not in repr(relay.destination)
    assert ingest.ends == ["unpublished"]


async def test_a_still_picture_and_silence_bridge_the_publishers_absence(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    async with opened(engine, to(ingest)) as rig:
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        await ingest.until(lambda: len(times(ingest, MessageType.VIDEO)) > 30)
        left_at = time.monotonic()
        await encoder.leave()
        await until(lambda: rig.relay().is_filling, "the still picture")
        assert rig.relay().state is State.DEGRADED
        assert "still picture" in rig.relay().reason
        count = len(ingest.tags)
        await ingest.until(lambda: len(ingest.tags) > count + 100)
        absent_ms = 1000 * (time.monotonic() - left_at)
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        count = len(ingest.tags)
        await ingest.until(lambda: len(ingest.tags) > count + 50)
        await encoder.leave()
    assert len(ingest.publications) == 1
    assert_never_back(ingest)
    video = times(ingest, MessageType.VIDEO)
    assert max(after - before for before, after in itertools.pairwise(video)) < absent_ms
    # The stream's pictures, still ones, the stream's again: no decoder stumbles, and all are of one size.
    with av.open(io.BytesIO(ingest.file()), format="flv") as received:
        sizes = Counter((frame.width, frame.height) for frame in received.decode(video=0))
    assert sizes == {(64, 64): len(video) - headers(ingest)}


async def test_a_lost_connection_is_made_again_within_the_same_broadcast(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        await ingest.until(lambda: len(times(ingest, MessageType.VIDEO)) > 20)
        ingest.sessions[0][1].transport.abort()
        await until(lambda: relay.machine.reconnects == 1, "the loss to be noticed")
        await rig.until(State.LIVE, id=relay.id)
        await ingest.until(
            lambda: len(ingest.publications) == 2 and next(keyframes(ingest), None) is not None
        )
        count = len(ingest.tags)
        await ingest.until(lambda: len(ingest.tags) > count + 20)
        assert_never_back(ingest)
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED, id=relay.id)
        await encoder.leave()
    assert [publication.key for publication in ingest.publications] == [PLATFORM_KEY] * 2
    assert platform.prepared == platform.ended == ["broadcast-0"]
    assert platform.live[0] == "broadcast-0"


async def test_another_server_goes_on_with_the_same_broadcast(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        await ingest.until(lambda: len(times(ingest, MessageType.VIDEO)) > 40)
        await encoder.leave()
    async with opened(engine, platform=platform) as rig:
        # Before its publisher is back: the still picture has the size that the picture had.
        await rig.until(State.LIVE, State.DEGRADED, id=relay.id)
        await until(lambda: rig.relay(relay.id).is_filling, "the still picture")
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE, id=relay.id)
        count = len(ingest.tags)
        await ingest.until(lambda: len(ingest.tags) > count + 20)
        assert_never_back(ingest)
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED, id=relay.id)
        await encoder.leave()
    assert platform.prepared == platform.resumed == platform.ended == ["broadcast-0"]
    async with opened(engine, platform=platform) as rig:
        assert rig.relay(relay.id).state is State.IDLE, "what was stopped stays stopped"


async def test_what_fails_says_why_and_touches_nobody_else(engine: AsyncEngine, ingest: Ingest) -> None:
    refusing = await Ingest().start()
    refusing.refuse_publication = ("NetStream.Publish.Denied", "no such key")
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        nobody = {"url": f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live", "key": KEY, "name": "silent"}
        async with opened(engine, to(ingest), to(refusing, name="refusing"), nobody, public=True) as rig:
            encoder = Encoder(rig.stream)
            relay = await rig.until(State.FAILED, State.RECONNECTING, id="cam:refusing")
            assert "no such key" in relay.reason
            await rig.until(State.LIVE)
            await ingest.until(lambda: len(times(ingest, MessageType.VIDEO)) > 50)
            assert rig.relay("cam:silent").state is State.CONNECTING
            assert rig.relay().statistics.pictures_dropped == 0
            await encoder.leave()
    finally:
        silent.close()
        await refusing.stop()


async def test_the_platform_is_heard(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay = await rig.keep(platform="facebook", account="one")
        encoder = Encoder(rig.stream)
        platform.refuses = NeedsReconnect("the account must be connected again")
        rig.relays.start(relay.id)
        await rig.until(State.FAILED, id=relay.id)
        assert relay.reason == "the account must be connected again"
        platform.refuses = None
        platform.health = Health(HealthState.POOR, ("The bit rate is too low.",), viewers=7, again_s=0.1)
        rig.relays.start(relay.id)
        await rig.until(State.DEGRADED, id=relay.id)
        assert relay.reason == "The bit rate is too low."
        assert relay.watch_url == "https://watch.example/1"
        assert relay.health is not None and relay.health.viewers == 7
        platform.health = Health(HealthState.ENDED, again_s=0.1)
        await rig.until(State.ENDED, id=relay.id)
        assert relay.reason == "the platform has ended the broadcast"
        await encoder.leave()


async def test_a_broadcast_that_is_as_long_as_it_may_be_is_followed_by_another(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay = await rig.keep(platform="facebook", account="one", rotate_s=1.0)
        encoder = Encoder(rig.stream)
        rig.relays.start(relay.id)
        await until(lambda: len(platform.prepared) == 3 and len(ingest.publications) == 3, "the third")
        await encoder.leave()
    assert platform.ended == platform.prepared[:2]
    assert ingest.ends[:2] == ["unpublished", "unpublished"]


async def test_a_publisher_that_comes_back_late_is_followed_again(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    async with opened(engine, to(ingest, slate_s=0.3)) as rig:
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        await encoder.leave()
        await rig.until(State.ENDED)
        assert "away for 0.3 s" in rig.relay().reason
        encoder = Encoder(rig.stream)
        await rig.until(State.LIVE)
        await encoder.leave()


async def test_a_publisher_that_is_back_while_the_network_is_away_ends_nothing(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    async with opened(engine, to(ingest, slate_s=60.0)) as rig:
        encoder = Encoder(rig.stream)
        relay = await rig.until(State.LIVE)
        await until(lambda: next(keyframes(ingest), None) is not None, "a picture")
        await encoder.leave()
        await until(lambda: relay.is_filling, "the still picture")
        await ingest.stop()
        await rig.until(State.RECONNECTING)
        assert relay.machine.gives_up_at is not None
        encoder = Encoder(rig.stream)
        await until(lambda: relay.machine.gives_up_at is None, "its return to be noticed")
        await encoder.leave()
        await until(lambda: relay.machine.gives_up_at is not None, "its leaving to be noticed")


async def test_a_broadcast_that_cannot_be_ended_is_tried_again(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        platform.refuses_to_end = PlatformError("unavailable", "YouTube has a problem", retryable=True)
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED, id=relay.id)
        assert relay.reason == "stopped; the broadcast could not be ended yet: YouTube has a problem"
        await encoder.leave()
    assert platform.ended == []
    async with opened(engine, platform=platform) as rig:
        relay = rig.relay("id-of-kept")
        assert relay.memory.ending == tuple(platform.prepared)
        assert not relay.state.is_running
        platform.refuses_to_end = None
        await until(lambda: platform.ended == platform.prepared, "its end")
        await until(lambda: relay.memory.ending == (), "it to be forgotten")
    async with opened(engine, platform=platform) as rig:
        assert rig.relay("id-of-kept").memory.ending == ()


async def test_a_broadcast_whose_destination_is_removed_is_tried_again(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        platform.refuses_to_end = PlatformError("unavailable", "YouTube has a problem", retryable=True)
        await rig.relays.remove(relay.id)
        await until(lambda: "could not be ended yet" in relay.reason, "the first try")
        platform.refuses_to_end = None
        await until(lambda: platform.ended == platform.prepared == ["broadcast-0"], "its end")
        await encoder.leave()


async def test_one_that_is_stopped_before_it_could_go_on_is_ended_at_the_platform(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        await encoder.leave()
    platform.refuses_to_resume = PlatformError("unavailable", "YouTube does not answer", retryable=True)
    async with opened(engine, platform=platform) as rig:
        relay = rig.relay("id-of-kept")
        await until(lambda: relay.reason == "YouTube does not answer", "the first try")
        rig.relays.stop(relay.id)
        await rig.until(State.ENDED, id=relay.id)
        assert "could not be ended yet" in relay.reason
        platform.refuses_to_resume = None
        await until(lambda: platform.ended == platform.prepared == ["broadcast-0"], "its end")
        await until(lambda: relay.reason == "stopped", "it to be said")


async def test_another_account_ends_the_broadcast_of_the_former(engine: AsyncEngine, ingest: Ingest) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        other = relay.destination.settings.model_copy(update={"account": "two"})
        await rig.relays.change(relay.destination.model_copy(update={"settings": other}))
        await until(lambda: platform.ended == ["broadcast-0"], "the end of the first")
        await until(lambda: platform.prepared == ["broadcast-0", "broadcast-1"], "the second")
        await rig.until(State.LIVE, id=relay.id)
        assert platform.resumed == []
        await encoder.leave()


async def test_a_broadcast_that_was_ended_at_the_platform_meanwhile_is_not_pushed_to(
    engine: AsyncEngine, ingest: Ingest
) -> None:
    platform = FakePlatform(f"rtmp://127.0.0.1:{ingest.port}/app")
    async with opened(engine, platform=platform) as rig:
        relay, encoder = await rig.on_air(platform="youtube", account="one")
        platform.over.add("broadcast-0")
        await until(lambda: ingest.sessions, "the session")
        ingest.sessions[0][1].transport.abort()
        await rig.until(State.ENDED, id=relay.id)
        assert relay.reason == "the platform has ended the broadcast"
        await encoder.leave()


async def test_no_sound_becomes_silence_and_another_codec_h264(engine: AsyncEngine, ingest: Ingest) -> None:
    async with opened(engine, to(ingest)) as rig:
        encoder = Encoder(rig.stream, audio=False)
        await rig.until(State.LIVE)
        await ingest.until(lambda: len(times(ingest, MessageType.AUDIO)) > 50)
        await encoder.leave()
    assert_never_back(ingest)
