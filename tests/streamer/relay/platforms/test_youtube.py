from __future__ import annotations

import asyncio
import dataclasses

import pytest

from ops.sandbox.faults import FaultKind
from ops.sandbox.youtube import resources
from ops.sandbox.youtube.broadcast import Issue
from streamer.relay.platforms.broadcast import HealthState
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError
from streamer.relay.platforms.youtube import YouTubeBroadcast
from tests.streamer.relay.platforms.rig import TOLD, Stage


async def test_a_broadcast_from_the_first_call_to_the_last(stage: Stage) -> None:
    broadcast = await stage.open(
        "youtube", dataclasses.replace(TOLD, privacy="unlisted", latency="ultra-low")
    )
    ingest = await broadcast.prepare()
    assert ingest.url.startswith("rtmps://") and ingest.backup_url and ingest.watch_url
    assert ingest.key not in repr(ingest)
    assert (await broadcast.health()).state is HealthState.WAITING
    stage.push(ingest)
    await broadcast.went_live()
    stage.sandbox.youtube.watch("", 41)
    health = await broadcast.health()
    assert (health.state, health.issues, health.viewers) == (HealthState.GOOD, (), 41)
    await broadcast.end()
    await broadcast.end()
    assert stage.status("youtube") == ["complete"]
    (made,) = stage.sandbox.youtube.broadcasts.values()
    assert (made.title, made.privacy, made.latency) == ("Harbour concert", "unlisted", "ultraLow")
    assert (made.auto_start, made.auto_stop, made.monitor, made.made_for_kids) == (True, False, False, False)
    assert (await broadcast.health()).state is HealthState.ENDED


async def test_what_is_wrong_is_said_in_words(stage: Stage) -> None:
    broadcast = await stage.open("youtube")
    ingest = await broadcast.prepare()
    stage.push(ingest, sound=False, gop_ms=6000)
    await broadcast.went_live()
    (stream,) = stage.sandbox.youtube.streams.values()
    stream.extra_issues.append(Issue("somethingNew", "warning", "New", "YouTube's own sentence."))
    health = await broadcast.health()
    assert health.state is HealthState.BAD
    assert set(health.issues) == {
        "YouTube's own sentence.",
        "there is no sound",
        "keyframes are too far apart; set the encoder's keyframe interval to 2 s",
    }
    stage.key(ingest).reception.end()
    health = await broadcast.health()
    assert (health.state, health.issues[0]) == (HealthState.BAD, "nothing arrives at YouTube")


async def test_it_is_found_again_by_another_process(stage: Stage) -> None:
    first = await stage.open("youtube")
    ingest = await first.prepare()
    stage.push(ingest)
    await first.went_live()
    second = await stage.open("youtube")
    resumed = await second.resume(first.id)
    assert (resumed.url, resumed.key, resumed.broadcast_id) == (ingest.url, ingest.key, first.id)
    await second.went_live()
    await second.end()
    with pytest.raises(PlatformError) as caught:
        await second.resume(first.id)
    assert (caught.value.reason, caught.value.retryable) == ("over", False)


async def test_what_nobody_has_seen_is_deleted(stage: Stage) -> None:
    broadcast = await stage.open("youtube")
    await broadcast.prepare()
    await broadcast.end()
    assert stage.sandbox.youtube.broadcasts == {}


async def test_a_preparation_that_fails_leaves_nothing_behind(stage: Stage) -> None:
    broadcast = await stage.open("youtube")
    stage.fault("youtube", "liveBroadcasts.bind", "liveStreamNotFound", status=404)
    with pytest.raises(PlatformError):
        await broadcast.prepare()
    assert stage.sandbox.youtube.broadcasts == {}
    assert broadcast.id == ""


async def test_an_ingest_that_is_not_there_yet_leaves_nothing_behind(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = await stage.open("youtube")
    with monkeypatch.context() as early:
        early.setattr(resources, "_cdn", lambda stream, addresses: {"ingestionType": "rtmp"})
        with pytest.raises(PlatformError, match="no ingest yet"):
            await broadcast.prepare()
    assert stage.sandbox.youtube.broadcasts == {}
    assert (await broadcast.prepare()).key
    assert len(stage.sandbox.youtube.broadcasts) == len(stage.sandbox.youtube.streams) == 1


async def test_an_ingest_is_used_again_but_never_by_two(stage: Stage) -> None:
    first, second = await stage.open("youtube"), await stage.open("youtube")
    ingests = await asyncio.gather(first.prepare(), second.prepare())
    assert ingests[0].key != ingests[1].key
    await first.end()
    third = await stage.open("youtube")
    assert (await third.prepare()).key == ingests[0].key
    assert len(stage.sandbox.youtube.streams) == 2


async def test_an_ingest_of_another_process_is_left_alone(stage: Stage) -> None:
    first = await stage.open("youtube")
    ingest = await first.prepare()
    elsewhere = Stage(stage.rig)
    other = await elsewhere.open("youtube")
    assert (await other.prepare()).key != ingest.key


async def test_auto_start_that_does_not_come_is_helped(stage: Stage) -> None:
    broadcast = await stage.open("youtube")
    ingest = await broadcast.prepare()
    (made,) = stage.sandbox.youtube.broadcasts.values()
    made.auto_start = False
    stage.push(ingest)
    await broadcast.went_live()
    assert stage.status("youtube") == ["live"]


async def test_nothing_arrives(stage: Stage) -> None:
    broadcast = await stage.open("youtube")
    await broadcast.prepare()
    with pytest.raises(PlatformError) as caught:
        await broadcast.went_live()
    assert (caught.value.reason, caught.value.retryable) == ("not_live", True)


async def test_a_thumbnail_is_set_and_its_refusal_is_no_obstacle(stage: Stage) -> None:
    told = dataclasses.replace(TOLD, thumbnail=b"\x89PNG\r\n\x1a\n" + bytes(64))
    broadcast = await stage.open("youtube", told)
    stage.fault("youtube", "thumbnails.set", "invalidImage", status=400)
    stage.push(await broadcast.prepare())
    await broadcast.went_live()
    health = await broadcast.health()
    assert "the thumbnail was not set: YouTube does not take this thumbnail" in health.issues[0]


async def test_a_channel_that_may_not_go_live(stage: Stage) -> None:
    broadcast = await stage.open("youtube", account="UC7newChannelSandbox0000")
    with pytest.raises(PlatformError, match="takes up to 24 hours the first time") as caught:
        await broadcast.prepare()
    assert (caught.value.reason, caught.value.retryable) == ("not_enabled", False)


@pytest.mark.parametrize(
    ("status", "reason", "word", "retryable"),
    [
        (403, "livePermissionBlocked", "blocked", False),
        (403, "userRequestsExceedRateLimit", "exhausted", True),
        (403, "quotaExceeded", "exhausted", True),
        (500, "backendError", "unavailable", True),
        (400, "invalidTitle", "bad_title", False),
        (400, "somethingUnheardOf", "refused", False),
    ],
)
async def test_refusals(stage: Stage, status: int, reason: str, word: str, retryable: bool) -> None:
    broadcast = await stage.open("youtube")
    stage.fault("youtube", "liveBroadcasts.insert", reason, status=status)
    with pytest.raises(PlatformError) as caught:
        await broadcast.prepare()
    assert (caught.value.reason, caught.value.retryable) == (word, retryable)


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.CUT, FaultKind.GARBAGE])
async def test_answers_that_are_none(stage: Stage, kind: FaultKind) -> None:
    broadcast = await stage.open("youtube")
    # A request that was cut off on a kept connection is sent once more by the client itself.
    stage.fault("youtube", "liveStreams.list", kind=kind, count=None)
    with pytest.raises(PlatformError) as caught:
        await broadcast.prepare()
    assert (caught.value.reason, caught.value.retryable) == ("unavailable", True)


class TestConnection:
    async def test_an_expired_token_is_replaced_without_anybody_noticing(self, stage: Stage) -> None:
        broadcast = await stage.open("youtube")
        await broadcast.prepare()
        for token in stage.sandbox.youtube.tokens.tokens(lambda token: token.use == "access"):
            token.expires_at = stage.clock.now()
        assert (await broadcast.health()).state is HealthState.WAITING

    async def test_a_revoked_one_asks_to_connect_again(self, stage: Stage) -> None:
        broadcast = await stage.open("youtube")
        await broadcast.prepare()
        for grant in stage.sandbox.youtube.tokens.grants:
            grant.ended = "removed"
        with pytest.raises(NeedsReconnect, match="revoked or has expired"):
            await broadcast.health()
        (record,) = await stage.rig.connections.list()
        assert not record.is_usable

    async def test_a_scope_that_was_taken_back_asks_to_connect_again(self, stage: Stage) -> None:
        broadcast = await stage.open("youtube")
        stage.fault("youtube", "liveStreams.list", "insufficientPermissions")
        with pytest.raises(NeedsReconnect, match="permission"):
            await broadcast.prepare()
        (record,) = await stage.rig.connections.list()
        assert not record.is_usable


class TestQuota:
    async def test_what_a_broadcast_costs(self, stage: Stage) -> None:
        broadcast = await stage.open("youtube")
        key = stage.push(await broadcast.prepare())
        await broadcast.went_live()
        await broadcast.end()
        key.reception.end()
        spent = 10_000 - await stage.ledger.left("100000000001")
        assert spent == stage.sandbox.world.quota.spent("100000000001-web") - 1  # whose channel it is, once
        assert spent < 210
        again = await stage.open("youtube")
        await again.prepare()
        assert 10_000 - await stage.ledger.left("100000000001") - spent == 103

    async def test_no_broadcast_begins_that_could_not_end(self, stage: Stage) -> None:
        await stage.ledger.spend("100000000001", 9_750)
        broadcast = await stage.open("youtube")
        with pytest.raises(Exhausted) as caught:
            await broadcast.prepare()
        assert caught.value.retry_after_s is not None
        assert stage.sandbox.youtube.streams == {}

    async def test_one_that_runs_ends_even_so(self, stage: Stage) -> None:
        if (left_s := stage.ledger.renews_in_s()) < 2 * 3600:
            stage.clock.advance(left_s)  # who asks in the last hour of a day is told to wait for less
        broadcast = await stage.open("youtube")
        stage.push(await broadcast.prepare())
        await broadcast.went_live()
        await stage.ledger.exhaust("100000000001")
        health = await broadcast.health()
        assert (health.state, health.again_s) == (HealthState.UNKNOWN, 3600)
        await broadcast.end()
        assert stage.status("youtube") == ["complete"]

    async def test_looks_are_fewer_when_little_is_left(self, stage: Stage) -> None:
        broadcast = await stage.open("youtube")
        assert isinstance(broadcast, YouTubeBroadcast)
        stage.push(await broadcast.prepare())
        await broadcast.went_live()
        fresh = (await broadcast.health()).again_s
        left = await stage.ledger.left("100000000001")
        await stage.ledger.spend("100000000001", left - 170)
        scarce = (await broadcast.health()).again_s
        assert fresh < 31
        assert scarce > 10 * fresh or scarce == 3600
