from __future__ import annotations

import json

import pytest

from auth.actions import Action
from auth.issued import revoke
from auth.schema import bump
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.web.rig import SDP, WebRig

READ = ["/api/v1/streams", "/api/v1/streams/cam", "/api/v1/viewers", "/api/v1/server"]


async def status(rig: WebRig, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    code, _, text = await rig.answer(method, path, headers=headers)
    return code, json.loads(text)["error"] if code >= 400 else ""


@pytest.mark.parametrize("path", READ)
async def test_who_manages_everything_reads_everything(rig: WebRig, path: str) -> None:
    assert await status(rig, "GET", path, rig.bearer(Action.MANAGE)) == (200, "")
    for action in set(Action) - {Action.MANAGE}:
        assert await status(rig, "GET", path, rig.bearer(action)) == (403, "forbidden")


async def test_who_manages_a_stream_reads_of_that_one(rig: WebRig) -> None:
    headers = rig.bearer(Action.MANAGE, stream="cam")
    for name in ("cam", "closed"):
        rig.publish_to(name)
    await rig.watch()
    await rig.answer("POST", "/whep/closed", headers=SDP | rig.admin, data=CHROMIUM)
    streams = await rig.json("/api/v1/streams", headers=headers)
    assert [stream["name"] for stream in streams["streams"]] == ["cam"]
    viewers = await rig.json("/api/v1/viewers", headers=headers)
    assert [viewer["stream"] for viewer in viewers["viewers"]] == ["cam"]
    assert await status(rig, "GET", "/api/v1/streams/cam", headers) == (200, "")
    # What there is besides is not told.
    for path in ("/api/v1/streams/closed", "/api/v1/streams/none", "/api/v1/server"):
        assert await status(rig, "GET", path, headers) == (403, "forbidden")


@pytest.mark.parametrize(
    ("actions", "video", "audio"),
    [
        ((Action.WATCH, Action.LISTEN), True, True),
        ((Action.WATCH,), True, False),
        ((Action.LISTEN,), False, True),
    ],
)
async def test_who_may_not_listen_gets_no_sound(
    rig: WebRig, actions: tuple[Action, ...], video: bool, audio: bool
) -> None:
    rig.publish_to("closed")
    headers = SDP | rig.bearer(*actions)
    code, _, answer = await rig.answer("POST", "/whep/closed", headers=headers, data=CHROMIUM)
    assert code == 201
    ports = {line.split()[0]: line.split()[1] for line in answer.splitlines() if line.startswith("m=")}
    assert (ports["m=video"] != "0", ports["m=audio"] != "0") == (video, audio)
    (viewer,) = rig.egress.measured()
    assert (bool(viewer.video_codec), bool(viewer.audio_codec)) == (video, audio)


async def test_a_token_in_the_query(rig: WebRig) -> None:
    token = rig.bearer(Action.MANAGE)["Authorization"].removeprefix("Bearer ")
    assert await status(rig, "GET", f"/api/v1/streams?token={token}", {}) == (200, "")


async def test_a_private_stream_is_listed_for_who_may_watch_it(rig: WebRig) -> None:
    async def listed(headers: dict[str, str]) -> set[str]:
        answer = await rig.json("/api/v1/live", headers=headers)
        return {stream["name"] for stream in answer["streams"]}

    assert await listed({}) == {"cam"}
    assert await listed({"Authorization": "Bearer wrong"}) == {"cam"}
    assert await listed(rig.bearer(Action.WATCH, stream="closed")) == {"cam", "closed"}
    assert await listed(rig.admin) == {"cam", "closed", "door", "far"}


async def test_a_public_stream_asks_for_nothing(rig: WebRig) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, rig.bearer(Action.PUBLISH)):
        assert await status(rig, "GET", "/whep/cam", headers) == (204, "")


async def test_who_manages_a_stream_ends_its_sessions(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()
    (viewer,) = rig.egress.measured()
    path = f"/api/v1/viewers/{viewer.id}"
    for headers in (rig.bearer(Action.WATCH), rig.bearer(Action.MANAGE, stream="closed")):
        assert await status(rig, "DELETE", path, headers) == (403, "forbidden")
    assert await status(rig, "DELETE", path, rig.bearer(Action.MANAGE, stream="cam")) == (204, "")
    assert rig.egress.measured() == []
    # Who does not manage everything does not learn who is not there.
    assert await status(rig, "DELETE", path, rig.bearer(Action.MANAGE, stream="cam")) == (403, "forbidden")
    assert await status(rig, "DELETE", path, rig.bearer(Action.MANAGE)) == (404, "no_such_viewer")


class TestEntering:
    async def join(self, rig: WebRig, headers: dict[str, str]) -> int:
        return (await rig.answer("POST", "/whep/closed", headers=SDP | headers, data=CHROMIUM))[0]

    async def test_the_end_of_the_token_ends_the_session(
        self, rig: WebRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.publish_to("closed")
        with caplog.at_level("INFO"):
            assert await self.join(rig, rig.bearer(Action.WATCH, stream="closed", lifetime_s=1.5)) == 201
            assert len(rig.egress.measured()) == 1
            await until(lambda: not rig.egress.measured())
        assert "viewer left: its time is over" in caplog.text

    async def test_a_revoked_token_ends_the_session(
        self, rig: WebRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.publish_to("closed")
        headers = rig.bearer(Action.WATCH)
        authority, now = rig.identity.authority, rig.identity.clock()
        token = headers["Authorization"].removeprefix("Bearer ")
        claims = authority.tokens.verify(authority.snapshot.ring, token, now)
        with caplog.at_level("INFO"):
            assert await self.join(rig, headers) == 201
            async with rig.identity.engine.begin() as connection:
                await revoke(connection, claims.token_id, now, claims.expires_at)
            await until(lambda: not rig.egress.measured())
        assert "viewer left: the token was revoked" in caplog.text
        assert await self.join(rig, headers) == 401

    async def test_a_viewer_who_leaves_gives_his_seat_back(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        headers = rig.bearer(Action.WATCH, viewers=1)
        assert await self.join(rig, headers) == 201
        assert await self.join(rig, headers) == 403
        (viewer,) = rig.egress.measured()
        rig.egress.leave(viewer, "the viewer left")
        assert await self.join(rig, headers) == 201

    async def test_a_join_that_fails_does_not_use_a_token_up(self, rig: WebRig) -> None:
        headers = rig.bearer(Action.WATCH, once=True)
        assert await self.join(rig, headers) == 409
        rig.publish_to("closed")
        assert await self.join(rig, headers) == 201
        assert await self.join(rig, headers) == 401
        assert len(rig.egress.measured()) == 1

    async def test_the_administrator_stays(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        assert await self.join(rig, rig.admin) == 201
        async with rig.identity.engine.begin() as connection:
            await bump(connection)
        before = rig.identity.authority.version
        await until(lambda: rig.identity.authority.version > before)
        assert len(rig.egress.measured()) == 1
