from __future__ import annotations

import dataclasses

import pytest

from streamer.relay.platforms.broadcast import HealthState
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError
from tests.streamer.relay.platforms.rig import TOLD, Stage


async def test_a_broadcast_from_the_first_call_to_the_last(stage: Stage) -> None:
    broadcast = await stage.open("twitch", dataclasses.replace(TOLD, category="music"))
    ingest = await broadcast.prepare()
    channel = stage.sandbox.twitch.channels.by_id["901000001"]
    assert (channel.title, channel.game.name) == ("Harbour concert", "Music")
    assert (await broadcast.health()).state is HealthState.WAITING
    key = stage.push(ingest)
    assert key is channel.key
    await broadcast.went_live()
    stage.sandbox.twitch.watch("", 12)
    health = await broadcast.health()
    assert (health.state, health.viewers) == (HealthState.GOOD, 12)
    assert health.watch_url == "https://www.twitch.tv/harbourradio"
    key.reception.end()
    stage.clock.advance(600)
    assert (await broadcast.health()).state is HealthState.BAD
    await broadcast.end()


async def test_it_goes_on_with_the_same_channel_only(stage: Stage) -> None:
    first = await stage.open("twitch")
    ingest = await first.prepare()
    again = await stage.open("twitch")
    assert (await again.resume(first.id)).key == ingest.key
    other = await stage.open("twitch", account="901000002")
    with pytest.raises(PlatformError) as caught:
        await other.resume(first.id)
    assert caught.value.reason == "over"


async def test_without_leave_to_set_the_title_it_goes_on_air_all_the_same(stage: Stage) -> None:
    broadcast = await stage.open("twitch", without=frozenset({"channel:manage:broadcast"}))
    stage.push(await broadcast.prepare())
    await broadcast.went_live()
    health = await broadcast.health()
    assert health.state is HealthState.POOR
    assert "title and category were not set" in health.issues[0]


async def test_a_category_that_is_not_there(stage: Stage) -> None:
    broadcast = await stage.open("twitch", dataclasses.replace(TOLD, category="Qqqqqq"))
    stage.push(await broadcast.prepare())
    assert "no category 'Qqqqqq'" in (await broadcast.health()).issues[0]


async def test_everybody_or_nobody(stage: Stage) -> None:
    broadcast = await stage.open("twitch", dataclasses.replace(TOLD, privacy="private"))
    with pytest.raises(PlatformError, match="everybody"):
        await broadcast.prepare()


async def test_a_list_of_ingests_that_cannot_be_had(stage: Stage) -> None:
    broadcast = await stage.open("twitch")
    stage.fault("twitch", "ingests.list", status=503)
    assert (await broadcast.prepare()).url == "rtmps://ingest.global-contribute.live-video.net:443/app"


async def test_nothing_arrives(stage: Stage) -> None:
    broadcast = await stage.open("twitch")
    await broadcast.prepare()
    with pytest.raises(PlatformError) as caught:
        await broadcast.went_live()
    assert caught.value.reason == "not_live"


@pytest.mark.parametrize(("status", "kind"), [(429, Exhausted), (500, PlatformError), (403, PlatformError)])
async def test_refusals(stage: Stage, status: int, kind: type[PlatformError]) -> None:
    broadcast = await stage.open("twitch")
    stage.fault("twitch", "streams.key", status=status)
    with pytest.raises(kind) as caught:
        await broadcast.prepare()
    assert caught.value.retryable is (status != 403)


async def test_a_login_that_was_withdrawn_asks_to_connect_again(stage: Stage) -> None:
    broadcast = await stage.open("twitch")
    await broadcast.prepare()
    for grant in stage.sandbox.twitch.tokens.grants:
        grant.ended = "removed"
    with pytest.raises(NeedsReconnect):
        await broadcast.health()
