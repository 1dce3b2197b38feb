from __future__ import annotations

import asyncio
import json
import zlib

import pytest

from streamer.egress.webrtc import ViewerState
from streamer.hub.stream import Publisher
from tests.fakes.units import H264_B_FRAMES, picture
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.web.rig import SDP, WebRig

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
TRICKLE = (
    "a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    "a=candidate:1 1 UDP 2130706431 192.0.2.7 50000 typ host\r\n"
)


class TestJoin:
    async def test_created(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers, answer = await rig.watch()
        (viewer,) = rig.egress.measured()
        assert headers["Content-Type"] == "application/sdp"
        assert headers["Location"] == f"/whep/cam/{viewer.key}"
        assert headers["ETag"] == viewer.etag
        assert headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
        assert answer.startswith("v=0\r\n")
        assert "a=sendonly" in answer

    async def test_the_content_type_may_have_parameters(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers = {"Content-Type": "Application/SDP; charset=utf-8"}
        assert (await rig.answer("POST", "/whep/cam", headers=headers, data=CHROMIUM))[0] == 201

    @pytest.mark.parametrize(
        ("name", "headers", "body", "status", "code"),
        [
            ("nowhere", SDP, CHROMIUM, 404, "no_such_stream"),
            ("closed", SDP, CHROMIUM, 401, "unauthorized"),
            ("closed", SDP | {"Authorization": "Bearer wrong"}, CHROMIUM, 401, "token_invalid"),
            ("closed", SDP | {"Authorization": "Basic eDp5"}, CHROMIUM, 401, "unauthorized"),
            ("cam", {"Content-Type": "text/plain"}, CHROMIUM, 415, "unsupported_media_type"),
            ("cam", SDP, "", 400, "bad_offer"),
            ("cam", SDP, "v=0\r\n", 400, "bad_offer"),
            ("cam", SDP, b"\xff\xfe", 400, "bad_offer"),
            ("cam", SDP, "v" * (64 * 1024 + 1), 413, "too_large"),
            ("cam", SDP | {"Content-Encoding": "deflate"}, b"nonsense", 400, "bad_request"),
        ],
    )
    async def test_refused(
        self, rig: WebRig, name: str, headers: dict[str, str], body: str | bytes, status: int, code: str
    ) -> None:
        rig.publish_to("cam")
        got, answered, text = await rig.answer("POST", f"/whep/{name}", headers=headers, data=body)
        problem = json.loads(text)
        assert (got, problem["error"]) == (status, code)
        assert problem["message"]
        if status == 401:
            assert answered["WWW-Authenticate"].split()[0] == "Bearer"
        if status == 415:
            assert answered["Accept-Post"] == "application/sdp"
        assert rig.egress.measured() == []

    async def test_a_body_that_unpacks_to_too_much(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        packed = zlib.compress(b"v" * 10_000_000)
        headers = SDP | {"Content-Encoding": "deflate"}
        assert (await rig.answer("POST", "/whep/cam", headers=headers, data=packed))[0] == 413

    async def test_not_live_says_when_to_ask_again(self, rig: WebRig) -> None:
        status, headers, text = await rig.answer("POST", "/whep/cam", headers=SDP, data=CHROMIUM)
        assert status == 409
        assert json.loads(text) == {
            "error": "not_live",
            "message": "'cam' is not live: nobody publishes it",
            "retry_after_s": 2,
        }
        assert headers["Retry-After"] == "2"

    async def test_not_playable_says_why(self, rig: WebRig) -> None:
        stream = rig.make("plain", renditions="off", public=True)
        rig.registry._streams["plain"] = stream
        rig.publish_to("plain", H264_B_FRAMES)
        status, _, text = await rig.answer("POST", "/whep/plain", headers=SDP, data=CHROMIUM)
        assert status == 406
        assert "B-frames" in json.loads(text)["message"]

    async def test_the_server_is_stopping(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        await rig.egress.drain("test", 5.0)
        status, headers, text = await rig.answer("POST", "/whep/cam", headers=SDP, data=CHROMIUM)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert json.loads(text)["retry_after_s"] == 5

    async def test_a_stream_removed_while_a_viewer_waits(self, rig: WebRig) -> None:
        rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.answer("POST", "/whep/cam", headers=SDP, data=CHROMIUM))
        await until(lambda: rig.stream.demand.wait(0))
        rig.registry.apply({})
        assert (await joining)[0] == 404

    async def test_one_that_waits_is_answered_with_the_first_keyframe(self, rig: WebRig) -> None:
        publication = rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.watch())
        await until(lambda: rig.stream.demand.wait(0))
        publication.write(picture(0.0, keyframe=True))
        await joining

    async def test_one_that_does_not_wait_is_no_viewer(self, rig: WebRig) -> None:
        server = rig.client.server.runner.server
        assert server is not None
        # aiohttp's server for tests ends the handler of a client that has gone; the one for use does not.
        server.handler_cancellation = False
        publication = rig.stream.publish(Publisher("one", "srt", "x"))
        joining = asyncio.create_task(rig.answer("POST", "/whep/cam", headers=SDP, data=CHROMIUM))
        await until(lambda: rig.stream.demand.wait(0))
        joining.cancel()
        await asyncio.wait({joining})
        await until(lambda: all(each.transport is None for each in server.connections))
        publication.write(picture(0.0, keyframe=True))
        await until(lambda: not rig.stream.demand.wait(0))
        assert rig.egress.measured() == []

    async def test_a_private_stream_opens_with_the_token(self, rig: WebRig) -> None:
        rig.publish_to("closed")
        for headers, query in ((rig.admin, ""), ({}, f"?token={rig.token}")):
            answer = await rig.answer("POST", f"/whep/closed{query}", headers=SDP | headers, data=CHROMIUM)
            assert answer[0] == 201

    async def test_a_user_agent_that_is_no_text_breaks_nothing(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers = {"Content-Type": b"application/sdp", "User-Agent": b"a\xff"}
        assert await rig.raw("POST", "/whep/cam", headers, CHROMIUM) == 201
        assert len((await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"]) == 1


class TestSession:
    async def test_delete_ends_it(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers, _ = await rig.watch()
        (viewer,) = rig.egress.measured()
        assert (await rig.answer("DELETE", headers["Location"]))[0] == 200
        assert viewer.state is ViewerState.ENDED
        status, _, text = await rig.answer("DELETE", headers["Location"])
        assert (status, json.loads(text)["error"]) == (404, "no_such_session")
        assert (await rig.answer("PATCH", headers["Location"], headers=FRAGMENT, data=""))[0] == 404

    async def test_delete_ends_only_what_is_meant(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers, _ = await rig.watch()
        status, _, text = await rig.answer(
            "DELETE", headers["Location"], headers={"If-Match": '"older", "another"'}
        )
        assert (status, json.loads(text)["error"]) == (412, "precondition_failed")
        assert len(rig.egress.measured()) == 1
        meant = {"If-Match": f'"older", {headers["ETag"]}'}
        assert (await rig.answer("DELETE", headers["Location"], headers=meant))[0] == 200
        assert rig.egress.measured() == []

    @pytest.mark.parametrize("tag", [None, "*", '"*"', "weak", "own", "listed"])
    async def test_candidates(self, rig: WebRig, tag: str | None) -> None:
        rig.publish_to("cam")
        headers, _ = await rig.watch()
        (viewer,) = rig.egress.measured()
        etag = headers["ETag"]
        own = {"weak": f"W/{etag}", "own": etag, "listed": f'"older", {etag}'}.get(tag or "", tag)
        status, _, _ = await rig.answer(
            "PATCH",
            headers["Location"],
            headers=FRAGMENT | ({"If-Match": own} if own else {}),
            data=TRICKLE.format(ufrag=viewer.remote_ufrag),
        )
        assert status == 204

    async def test_an_ice_restart(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers, _ = await rig.watch()
        status, answered, text = await rig.answer(
            "PATCH",
            headers["Location"],
            headers=FRAGMENT | {"If-Match": "*"},
            data=TRICKLE.format(ufrag="another"),
        )
        assert status == 200
        assert answered["Content-Type"] == "application/trickle-ice-sdpfrag"
        assert answered["ETag"] != headers["ETag"]
        assert "a=ice-ufrag:" in text

    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            (FRAGMENT | {"If-Match": '"of another session"'}, TRICKLE, 412),
            ({"Content-Type": "text/plain"}, TRICKLE, 415),
            (FRAGMENT, "a" * (64 * 1024 + 1), 413),
            (FRAGMENT, "a=ice-ufrag:x\r\na=candidate:what\r\n", 400),
        ],
    )
    async def test_fragments_refused(
        self, rig: WebRig, headers: dict[str, str], body: str, status: int
    ) -> None:
        rig.publish_to("cam")
        location = (await rig.watch())[0]["Location"]
        got, _, text = await rig.answer("PATCH", location, headers=headers, data=body)
        assert got == status
        assert json.loads(text)["message"]
        assert len(rig.egress.measured()) == 1


class TestAsking:
    async def test_is_there_an_endpoint(self, rig: WebRig) -> None:
        for method in ("GET", "HEAD"):
            status, headers, _ = await rig.answer(method, "/whep/cam")
            assert (status, headers["Accept-Post"]) == (204, "application/sdp")
        assert (await rig.answer("GET", "/whep/nowhere"))[0] == 404
        assert (await rig.answer("GET", "/whep/closed"))[0] == 401

    async def test_options(self, rig: WebRig) -> None:
        status, headers, _ = await rig.answer("OPTIONS", "/whep/cam")
        assert status == 204
        assert headers["Accept-Post"] == "application/sdp"
        assert "POST" in headers["Allow"]
        status, headers, _ = await rig.answer("OPTIONS", "/whep/cam/any")
        assert headers["Accept-Patch"] == "application/trickle-ice-sdpfrag"
        assert "PATCH" in headers["Allow"]
