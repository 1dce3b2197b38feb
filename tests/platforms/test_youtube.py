"""YouTube's rules: what a broadcast may become, who may do it, what it costs."""

from __future__ import annotations

from io import BytesIO

import pytest

from ops.sandbox.app import Sandbox
from ops.sandbox.reception import Reception
from tests.platforms.google import SNIPPET, Google, reason

CDN = {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}
NEW_CHANNEL = "UC7newChannelSandbox0000"


@pytest.fixture
async def google(google: Google) -> Google:
    await google.log_in()
    return google


def reception(sandbox: Sandbox, key: str) -> Reception:
    found = sandbox.world.keys.find("live2", key)
    assert found is not None
    return found.reception


def play(reception: Reception) -> None:
    """An encoder begins: headers, a keyframe."""
    reception.begin(secure=False)
    reception.picture(0, 40, codec="h264")
    reception.sound(0, 4, codec="aac")
    reception.picture(0, 5000, keyframe=True)


async def test_only_a_stream_that_runs_can_go_live(google: Google, sandbox: Sandbox) -> None:
    broadcast, key = await google.bound(monitorStream={"enableMonitorStream": False})
    assert await google.transition(broadcast, "live") == (403, "errorStreamInactive")
    ingest = reception(sandbox, key)
    ingest.begin(secure=False)
    ingest.picture(0, 5000, keyframe=True)  # no decoder could start: its header has not come
    assert await google.transition(broadcast, "live") == (403, "errorStreamInactive")
    ingest.picture(0, 40, codec="h264")
    ingest.picture(33, 500)
    assert await google.transition(broadcast, "live") == (403, "errorStreamInactive")
    ingest.picture(66, 5000, keyframe=True)
    assert await google.transition(broadcast, "live") == (200, "live")
    assert await google.transition(broadcast, "live") == (403, "redundantTransition")
    assert await google.transition(broadcast, "testing") == (403, "invalidTransition")
    assert await google.transition(broadcast, "complete") == (200, "complete")
    assert await google.transition(broadcast, "complete") == (403, "redundantTransition")
    assert await google.transition(broadcast, "live") == (403, "invalidTransition")


async def test_with_a_monitor_stream_testing_comes_first(google: Google, sandbox: Sandbox) -> None:
    broadcast, key = await google.bound()
    play(reception(sandbox, key))
    assert await google.transition(broadcast, "live") == (403, "invalidTransition")
    assert await google.transition(broadcast, "complete") == (403, "invalidTransition")
    assert await google.transition(broadcast, "testing") == (200, "testing")
    assert await google.transition(broadcast, "testing") == (403, "redundantTransition")
    assert await google.transition(broadcast, "live") == (200, "live")


async def test_starting_takes_a_while(google: Google, sandbox: Sandbox) -> None:
    sandbox.world.pace = type(sandbox.world.pace)(transition_s=10.0)
    broadcast, key = await google.bound(enableAutoStart=True)
    assert await google.life(broadcast) == "ready"
    play(reception(sandbox, key))
    assert await google.life(broadcast) == "liveStarting"
    assert await google.transition(broadcast, "live") == (403, "redundantTransition")
    sandbox.world.clock.advance(10)
    assert await google.life(broadcast) == "live"


async def test_auto_stop_waits_for_the_stream_to_come_back(google: Google, sandbox: Sandbox) -> None:
    broadcast, key = await google.bound(enableAutoStart=True, enableAutoStop=True)
    ingest = reception(sandbox, key)
    play(ingest)
    assert await google.life(broadcast) == "live"
    sandbox.world.clock.advance(1800)  # time alone is no silence
    assert await google.life(broadcast) == "live"
    ingest.end()
    sandbox.world.clock.advance(59)
    assert await google.life(broadcast) == "live"
    play(ingest)
    sandbox.world.clock.advance(59)
    assert await google.life(broadcast) == "live"
    ingest.end()
    sandbox.world.clock.advance(61)
    assert await google.life(broadcast) == "complete"


async def test_health_and_viewers_are_what_comes_in(google: Google, sandbox: Sandbox) -> None:
    broadcast, key = await google.bound(enableAutoStart=True)
    ingest = reception(sandbox, key)

    async def status() -> tuple[str, str, list[str]]:
        _, made = await google.call("GET", "/liveStreams", mine="true", part="id,status")
        got = made["items"][0]["status"]
        issues = [issue["type"] for issue in got["healthStatus"]["configurationIssues"]]
        return got["streamStatus"], got["healthStatus"]["status"], issues

    assert await status() == ("ready", "noData", [])
    play(ingest)
    assert await status() == ("active", "good", [])
    ingest.picture(4500, 5000, keyframe=True)
    assert await status() == ("active", "bad", ["gopSizeLong"])
    ingest.end()
    assert await status() == ("inactive", "noData", [])

    async def viewers() -> object:
        _, made = await google.call("GET", "/liveBroadcasts", id=broadcast, part="statistics")
        return made["items"][0]["statistics"]

    sandbox.youtube.watch(broadcast, 1234)
    assert await viewers() == {"concurrentViewers": "1234"}
    sandbox.youtube.watch(broadcast, None)  # hidden
    assert await viewers() == {}


async def test_binding_deleting_changing_depend_on_the_state(google: Google, sandbox: Sandbox) -> None:
    broadcast, key = await google.bound(monitorStream={"enableMonitorStream": False})
    stream, _ = await google.stream()
    play(reception(sandbox, key))
    assert (await google.transition(broadcast, "live"))[0] == 200
    status, body = await google.call("POST", "/liveBroadcasts/bind", id=broadcast, streamId=stream, part="id")
    assert (status, reason(body)) == (403, "liveBroadcastBindingNotAllowed")
    status, body = await google.call("DELETE", "/liveBroadcasts", id=broadcast)
    assert (status, reason(body)) == (403, "liveBroadcastDeletionNotAllowed")
    later = {"id": broadcast, "snippet": SNIPPET | {"scheduledStartTime": "2031-01-01T20:00:00Z"}}
    status, body = await google.call("PUT", "/liveBroadcasts", later, part="snippet")
    assert (status, reason(body)) == (403, "modificationNotAllowed")
    renamed = {"id": broadcast, "snippet": SNIPPET | {"title": "Late news"}}
    status, body = await google.call("PUT", "/liveBroadcasts", renamed, part="snippet")
    assert (status, body["snippet"]["title"]) == (200, "Late news")
    assert await google.transition(broadcast, "complete") == (200, "complete")
    assert (await google.call("DELETE", "/liveBroadcasts", id=broadcast))[0] == 204
    assert (
        reason((await google.call("DELETE", "/liveBroadcasts", id=broadcast))[1]) == "liveBroadcastNotFound"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"snippet": {"title": "x"}}, "scheduledStartTimeRequired"),
        ({"snippet": {"scheduledStartTime": "2030-01-01T00:00:00Z"}}, "titleRequired"),
        ({"snippet": SNIPPET | {"title": "x" * 101}}, "invalidTitle"),
        ({"snippet": SNIPPET | {"title": "<b>"}}, "invalidTitle"),
        ({"snippet": SNIPPET | {"scheduledStartTime": "tomorrow"}}, "invalidScheduledStartTime"),
        ({"snippet": SNIPPET | {"scheduledStartTime": "2020-01-01T00:00:00Z"}}, "invalidScheduledStartTime"),
        ({"snippet": SNIPPET | {"scheduledEndTime": "2029-01-01T00:00:00Z"}}, "invalidScheduledEndTime"),
        ({"status": {}}, "privacyStatusRequired"),
        ({"status": {"privacyStatus": "secret"}}, "invalidPrivacyStatus"),
        ({"contentDetails": {"latencyPreference": "none"}}, "invalidLatencyPreferenceOptions"),
        ({"contentDetails": {"monitorStream": "no"}}, "invalid"),
        ({"contentDetails": {"monitorStream": {"broadcastStreamDelayMs": "x"}}}, "invalid"),
        ({"snippet": [1]}, "invalid"),
    ],
)
async def test_a_body_is_looked_at(google: Google, change: dict[str, object], expected: str) -> None:
    body = {"snippet": SNIPPET, "status": {"privacyStatus": "public"}, **change}
    status, made = await google.call("POST", "/liveBroadcasts", body, part="snippet,status")
    assert (status, reason(made)) == (400, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"snippet": {"title": "x"}}, "cdnRequired"),
        ({"snippet": {"title": "x"}, "cdn": {"ingestionType": "rtmp"}}, "resolutionRequired"),
        ({"snippet": {}, "cdn": CDN}, "titleRequired"),
        ({"snippet": {"title": "\u0905" * 43}, "cdn": CDN}, "invalidTitle"),  # 129 bytes
        ({"snippet": {"title": "x"}, "cdn": CDN | {"frameRate": "25fps"}}, "invalidFrameRate"),
        ({"snippet": {"title": "x"}, "cdn": CDN | {"resolution": "1080p"}}, "invalidFrameRate"),
        ({"snippet": {"title": "x"}, "cdn": CDN | {"ingestionType": "srt"}}, "invalidIngestionType"),
    ],
)
async def test_a_streams_body_is_looked_at(google: Google, body: dict[str, object], expected: str) -> None:
    status, made = await google.call("POST", "/liveStreams", body, part="snippet,cdn")
    assert (status, reason(made), made["error"]["errors"][0]["domain"]) == (
        400,
        expected,
        "youtube.liveStream",
    )


async def test_lists_want_one_filter_and_known_parts(google: Google) -> None:
    for query, expected in (
        ({"mine": "true"}, "missingRequiredParameter"),
        ({"part": "id"}, "missingRequiredParameter"),
        ({"part": "everything", "mine": "true"}, "unknownPart"),
        ({"part": "id", "mine": "true", "broadcastStatus": "all"}, "incompatibleParameters"),
        ({"part": "id", "broadcastStatus": "over"}, "invalid"),
        ({"part": "id", "mine": "true", "maxResults": "51"}, "invalidParameter"),
        ({"part": "id", "mine": "true", "pageToken": "nonsense"}, "invalidPageToken"),
    ):
        status, body = await google.call("GET", "/liveBroadcasts", **query)
        assert (status, reason(body)) == (400, expected), query
    made = [await google.broadcast() for _ in range(3)]
    _, first = await google.call(
        "GET", "/liveBroadcasts", part="id", broadcastStatus="upcoming", maxResults="2"
    )
    assert [item["id"] for item in first["items"]] == made[:2]
    assert first["pageInfo"] == {"totalResults": 3, "resultsPerPage": 2}
    _, rest = await google.call(
        "GET", "/liveBroadcasts", part="id", mine="true", maxResults="2", pageToken=first["nextPageToken"]
    )
    assert [item["id"] for item in rest["items"]] == made[2:]


async def test_channels_are_apart(google: Google, sandbox: Sandbox) -> None:
    broadcast = await google.broadcast()
    other = Google(sandbox, google.http)
    await other.log_in("UC7northTheatreSandbox00")
    assert reason((await other.call("DELETE", "/liveBroadcasts", id=broadcast))[1]) == "liveBroadcastNotFound"
    await other.log_in(NEW_CHANNEL)
    status, body = await other.call("POST", "/liveBroadcasts", {}, part="snippet")
    assert (status, reason(body)) == (403, "liveStreamingNotEnabled")


async def test_quota_is_counted_until_midnight_in_california(google: Google, sandbox: Sandbox) -> None:
    quota, clock = sandbox.world.quota, sandbox.world.clock
    before = quota.spent("100000000001")
    await google.call("GET", "/liveBroadcasts", part="id", mine="true")
    assert quota.spent("100000000001") == before + 1
    await google.call("POST", "/liveBroadcasts", {}, part="snippet")  # refused, and paid for
    assert quota.spent("100000000001") == before + 51
    quota.daily_units = before + 60
    status, body = await google.call("POST", "/liveBroadcasts", {}, part="snippet")
    assert (status, reason(body)) == (403, "quotaExceeded")
    assert (await google.call("GET", "/liveBroadcasts", part="id", mine="true"))[0] == 200
    clock.advance(24 * 3600)
    await google.log_in()
    assert (await google.call("POST", "/liveBroadcasts", {}, part="snippet"))[0] == 400


async def test_thumbnails_are_pictures_of_ones_own_broadcasts(google: Google) -> None:
    broadcast = await google.broadcast()
    url = f"{google.base}/upload/youtube/v3/thumbnails/set"

    async def put(body: bytes, kind: str = "image/png", **query: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {google.token}", "Content-Type": kind}
        async with google.http.post(url, params=query, data=BytesIO(body), headers=headers) as answer:
            made = await answer.json()
            return answer.status, reason(made) if answer.status != 200 else ""

    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    assert await put(png, videoId=broadcast) == (200, "")
    assert await put(b"", videoId=broadcast) == (400, "mediaBodyRequired")
    assert await put(b"<svg/>", videoId=broadcast) == (400, "invalidImage")
    assert await put(png + bytes(2 * 1024 * 1024), videoId=broadcast) == (400, "invalidImage")
    assert await put(png, videoId="nothing") == (404, "videoNotFound")
    assert await put(png) == (400, "missingRequiredParameter")
    multipart = "multipart/related; boundary=b"
    assert await put(b"nonsense", multipart, videoId=broadcast, uploadType="multipart") == (400, "badContent")
