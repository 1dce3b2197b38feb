from __future__ import annotations

import dataclasses

import pytest

from streamer.relay.platforms.broadcast import HealthState
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError
from streamer.relay.platforms.facebook import split_stream_url
from tests.rigs.connected import ASKER
from tests.streamer.relay.platforms.rig import TOLD, Stage

PAGE = "61550000000000011"


async def test_a_live_video_of_a_page_from_the_first_call_to_the_last(stage: Stage) -> None:
    broadcast = await stage.open("facebook", dataclasses.replace(TOLD, page=PAGE))
    ingest = await broadcast.prepare()
    assert ingest.push_by == pytest.approx(stage.clock.now() + 24 * 3600, abs=30)
    (video,) = stage.sandbox.facebook.videos.values()
    assert (video.owner, video.title, video.stop_on_delete) == (PAGE, "Harbour concert", False)
    stage.push(ingest)
    assert stage.status("facebook") == ["UNPUBLISHED"]  # nobody sees it before it is published
    assert (await broadcast.health()).state is HealthState.WAITING
    await broadcast.went_live()
    await broadcast.went_live()
    stage.sandbox.facebook.watch("", 7)
    health = await broadcast.health()
    assert (health.state, health.issues, health.viewers) == (HealthState.GOOD, (), 7)
    assert health.ends_at == pytest.approx(stage.clock.now() + 8 * 3600, abs=30)
    assert health.watch_url.startswith("https://www.facebook.com/")
    await broadcast.end()
    await broadcast.end()
    assert stage.status("facebook")[0] in ("LIVE_STOPPED", "PROCESSING", "VOD")
    assert (await broadcast.health()).state is HealthState.ENDED


async def test_a_profile_and_who_may_see_it(stage: Stage) -> None:
    broadcast = await stage.open("facebook", dataclasses.replace(TOLD, privacy="private"))
    await broadcast.prepare()
    (video,) = stage.sandbox.facebook.videos.values()
    assert (video.owner, video.privacy) == ("122100000000000001", "SELF")
    page = await stage.open("facebook", dataclasses.replace(TOLD, privacy="private", page=PAGE))
    with pytest.raises(PlatformError, match="expected public") as caught:
        await page.prepare()
    assert caught.value.reason == "unsupported"


async def test_the_page_that_was_picked_when_connecting(stage: Stage) -> None:
    record = await stage.rig.connect("facebook")
    await stage.rig.connections.pick_page(record.id, PAGE, ASKER)
    await stage.platforms.open("facebook", record.id, TOLD).prepare()
    (video,) = stage.sandbox.facebook.videos.values()
    assert video.owner == PAGE


async def test_a_start_that_is_announced(stage: Stage) -> None:
    starts_at = stage.clock.now() + 3600
    broadcast = await stage.open("facebook", dataclasses.replace(TOLD, starts_at=starts_at))
    await broadcast.prepare()
    (video,) = stage.sandbox.facebook.videos.values()
    assert (video.status, video.planned_at) == ("SCHEDULED_UNPUBLISHED", float(int(starts_at)))
    late = await stage.open("facebook", dataclasses.replace(TOLD, starts_at=stage.clock.now() + 8 * 86_400))
    with pytest.raises(PlatformError, match="seven days"):
        await late.prepare()


async def test_it_is_found_again_until_its_eight_hours_are_over(stage: Stage) -> None:
    first = await stage.open("facebook")
    ingest = await first.prepare()
    stage.push(ingest)
    await first.went_live()
    second = await stage.open("facebook")
    assert (await second.resume(first.id)).key == ingest.key
    stage.clock.advance(8 * 3600 + 1)
    assert (await second.health()).state is HealthState.ENDED
    with pytest.raises(PlatformError) as caught:
        await second.resume(first.id)
    assert caught.value.reason == "over"


async def test_sound_that_is_missing_is_said(stage: Stage) -> None:
    broadcast = await stage.open("facebook")
    stage.push(await broadcast.prepare(), sound=False)
    with pytest.raises(PlatformError, match="audio in AAC") as caught:
        await broadcast.went_live()
    assert (caught.value.reason, caught.value.retryable) == ("not_live", True)


async def test_what_nobody_has_seen_is_deleted(stage: Stage) -> None:
    broadcast = await stage.open("facebook")
    await broadcast.prepare()
    await broadcast.end()
    assert stage.sandbox.facebook.videos == {}


async def test_nothing_arrives_any_more(stage: Stage) -> None:
    broadcast = await stage.open("facebook")
    key = stage.push(await broadcast.prepare())
    await broadcast.went_live()
    key.reception.end()
    health = await broadcast.health()
    assert (health.state, health.issues[0]) == (HealthState.BAD, "nothing arrives at Facebook")


async def test_an_account_that_may_not_go_live(stage: Stage) -> None:
    broadcast = await stage.open("facebook", account="122100000000000002")
    with pytest.raises(PlatformError, match="60 days old") as caught:
        await broadcast.prepare()
    assert (caught.value.reason, caught.value.retryable) == ("not_enabled", False)


@pytest.mark.parametrize(
    ("reason", "kind", "retryable"),
    [
        ("4", Exhausted, True),
        ("368", PlatformError, False),
        ("2", PlatformError, True),
        ("10", NeedsReconnect, False),
        ("1609", PlatformError, False),
    ],
)
async def test_refusals(stage: Stage, reason: str, kind: type[PlatformError], retryable: bool) -> None:
    broadcast = await stage.open("facebook")
    stage.fault("facebook", "live_videos.create", reason, status=400)
    with pytest.raises(kind) as caught:
        await broadcast.prepare()
    assert (type(caught.value), caught.value.retryable) == (kind, retryable)


async def test_a_login_that_was_withdrawn_asks_to_connect_again(stage: Stage) -> None:
    broadcast = await stage.open("facebook", dataclasses.replace(TOLD, page=PAGE))
    await broadcast.prepare()
    for grant in stage.sandbox.facebook.tokens.grants:
        grant.ended = "removed"
    with pytest.raises(NeedsReconnect):
        await broadcast.health()
    (record,) = await stage.rig.connections.list()
    assert not record.is_usable


def test_an_address_is_taken_apart() -> None:
    url = "rtmps://live-api-s.facebook.com:443/rtmp/FB-1-0-Abc?s_bl=1&s_psm=1"
    assert split_stream_url(url) == ("rtmps://live-api-s.facebook.com:443/rtmp", "FB-1-0-Abc?s_bl=1&s_psm=1")
    for wrong in ("", "https://x/rtmp/k", "rtmps://x/rtmp/", "rtmps://x/"):
        with pytest.raises(PlatformError) as caught:
            split_stream_url(wrong)
        assert wrong == "" or wrong not in str(caught.value)
