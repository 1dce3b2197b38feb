from __future__ import annotations

import json

import pytest

from auth.permissions.actions import Action
from auth.storage.schema import bump
from auth.tokens.issued import revoke
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
            assert await self.join(rig, rig.bearer(Action.WATCH, stream="closed", lifetime_s=3.0)) == 201
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
        status, answered, text = await rig.answer(
            "POST", "/whep/closed", headers=SDP | headers, data=CHROMIUM
        )
        assert (status, json.loads(text)["error"]) == (429, "seats_taken")
        assert answered["Retry-After"] == "5"
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


class TestApiKeys:
    async def test_a_service_account_comes_with_its_key(self, rig: WebRig) -> None:
        key, _ = await rig.api_key(Action.WATCH, "closed")
        assert await status(rig, "GET", "/whep/closed", key) == (204, "")
        assert await status(rig, "GET", "/api/v1/streams", key) == (403, "forbidden")
        wrong = {"Authorization": key["Authorization"][:-1]}
        assert await status(rig, "GET", "/whep/closed", wrong) == (401, "unauthorized")

    async def test_it_is_known_when_it_was_used(self, rig: WebRig) -> None:
        key, prefix = await rig.api_key(Action.WATCH, "closed")
        robot = await rig.identity.accounts.named("robot")
        (before,) = await rig.identity.api_keys.keys(robot.id)
        await status(rig, "GET", "/whep/closed", key)
        await rig.guard.note_used_keys()
        (after,) = await rig.identity.api_keys.keys(robot.id)
        assert (before.used_at, after.prefix) == (None, prefix)
        assert after.used_at is not None

    async def test_what_it_opened_ends_with_it(self, rig: WebRig, caplog: pytest.LogCaptureFixture) -> None:
        rig.publish_to("closed")
        key, prefix = await rig.api_key(Action.WATCH, "closed")
        with caplog.at_level("INFO"):
            status, _, _ = await rig.answer("POST", "/whep/closed", headers=SDP | key, data=CHROMIUM)
            assert status == 201
            await rig.identity.api_keys.revoke(prefix)
            await until(lambda: not rig.egress.measured())
        assert "viewer is robot" in caplog.text
        assert "viewer left: the API key was withdrawn" in caplog.text


class TestListening:
    async def test_it_is_sent_the_sound_alone(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        listens = rig.bearer(Action.LISTEN, stream="closed")
        assert await status(rig, "GET", "/whep/closed", listens) == (204, "")
        code, _, answer = await rig.answer("POST", "/whep/closed", headers=SDP | listens, data=CHROMIUM)
        assert code == 201
        (viewer,) = rig.egress.measured()
        assert (viewer.video_codec, viewer.video_source, viewer.audio_codec) == ("", "", "opus")
        assert (answer.count("a=inactive"), answer.count("a=sendonly"), answer.count("a=ssrc:")) == (1, 1, 1)

    async def test_it_sees_no_picture_anywhere(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        listens = rig.bearer(Action.LISTEN, stream="closed")
        assert await status(rig, "GET", "/thumbnails/closed.jpg", listens) == (403, "forbidden")
        shown = await rig.json("/api/v1/live", headers=listens)
        assert {stream["name"] for stream in shown["streams"]} == {"cam", "closed"}

    async def test_who_asks_for_pictures_alone_is_told(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        listens = rig.bearer(Action.LISTEN, stream="closed")
        silent = CHROMIUM.replace("m=audio 9 ", "m=audio 0 ").replace("opus/48000/2", "opus/48000")
        code, _, text = await rig.answer("POST", "/whep/closed", headers=SDP | listens, data=silent)
        assert (code, json.loads(text)["error"]) == (406, "not_playable")
        assert "nothing else may be sent to it" in text

    async def test_who_may_watch_has_the_sound_too(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        watches = rig.bearer(Action.WATCH, stream="closed")
        assert (await rig.answer("POST", "/whep/closed", headers=SDP | watches, data=CHROMIUM))[0] == 201
        (viewer,) = rig.egress.measured()
        assert (viewer.video_codec, viewer.audio_codec) == ("h264", "opus")

    async def test_it_ends_as_watching_does(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        listens = rig.bearer(Action.LISTEN, stream="closed", lifetime_s=3.0)
        assert (await rig.answer("POST", "/whep/closed", headers=SDP | listens, data=CHROMIUM))[0] == 201
        await until(lambda: not rig.egress.measured())


class TestAPublicStream:
    async def join(self, rig: WebRig, headers: dict[str, str]) -> int:
        return (await rig.answer("POST", "/whep/cam", headers=SDP | headers, data=CHROMIUM))[0]

    async def test_what_does_not_count_shuts_nobody_out(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        useless = (
            {"Authorization": "Bearer wrong"},
            rig.bearer(Action.WATCH, stream="other"),
            rig.bearer(Action.WATCH, networks=["192.0.2.0/24"]),
            rig.bearer(Action.LISTEN),
        )
        for headers in useless:
            assert await self.join(rig, headers) == 201
        assert all(viewer.video_codec for viewer in rig.egress.measured())

    async def test_what_counts_counts(self, rig: WebRig, caplog: pytest.LogCaptureFixture) -> None:
        rig.publish_to("cam")
        with caplog.at_level("INFO"):
            assert await self.join(rig, rig.bearer(Action.WATCH, lifetime_s=3.0)) == 201
            assert await self.join(rig, {}) == 201
            await until(lambda: len(rig.egress.measured()) == 1)
        assert "viewer is token" in caplog.text
        assert "viewer left: its time is over" in caplog.text

    async def test_a_seat_is_taken_and_the_next_one_comes_as_anybody(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        once, alone = rig.bearer(Action.WATCH, once=True), rig.bearer(Action.WATCH, viewers=1)
        for headers in (once, once, alone, alone):
            assert await self.join(rig, headers) == 201
        authority = rig.identity.authority
        tokens = [headers["Authorization"].removeprefix("Bearer ") for headers in (once, alone)]
        now = rig.identity.clock()
        for token in tokens:
            claims = authority.tokens.verify(authority.snapshot.ring, token, now)
            async with rig.identity.engine.begin() as connection:
                await revoke(connection, claims.token_id, now, claims.expires_at)
        # One of each came by it, and goes with it.
        await until(lambda: len(rig.egress.measured()) == 2)
