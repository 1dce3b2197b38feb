from __future__ import annotations

import json

import pytest

from streamer.hub.stream import IngestStatus, Publisher
from tests.fakes.units import H264_B_FRAMES
from tests.fakes.wait import until
from tests.streamer.web.rig import SECRETS, WebRig

ADMIN_ONLY = [
    ("GET", "/api/v1/streams"),
    ("GET", "/api/v1/streams/cam"),
    ("GET", "/api/v1/viewers"),
    ("DELETE", "/api/v1/viewers/any"),
    ("GET", "/api/v1/server"),
]


class TestAccess:
    @pytest.mark.parametrize(("method", "path"), ADMIN_ONLY)
    async def test_the_admin_only(self, rig: WebRig, method: str, path: str) -> None:
        status, headers, text = await rig.answer(method, path)
        assert (status, json.loads(text)["error"]) == (401, "unauthorized")
        assert headers["WWW-Authenticate"] == "Bearer"
        assert (await rig.answer(method, path, headers={"Authorization": "Bearer no"}))[0] == 401
        assert (await rig.answer(method, path, headers=rig.admin))[0] in (200, 404)

    async def test_a_token_that_is_no_text(self, rig: WebRig) -> None:
        assert await rig.raw("GET", "/api/v1/streams", {"Authorization": b"Bearer \xff"}) == 401

    @pytest.mark.parametrize("value", ["Bearer ", "bearer", "Bearer  "])
    async def test_an_empty_token_is_none(self, rig: WebRig, value: str) -> None:
        headers = {"Authorization": value}
        assert (await rig.answer("GET", "/api/v1/streams", headers=headers))[0] == 401

    async def test_the_scheme_is_written_any_way(self, rig: WebRig) -> None:
        headers = {"Authorization": f"bEARER {rig.token.value}"}
        assert (await rig.answer("GET", "/api/v1/streams", headers=headers))[0] == 200

    async def test_a_private_thumbnail(self, rig: WebRig) -> None:
        assert (await rig.answer("GET", "/thumbnails/closed.jpg"))[0] == 401

    @pytest.mark.parametrize("path", ["/api/v1/live", "/healthz", "/readyz", "/metrics", "/openapi.json"])
    async def test_for_everybody(self, rig: WebRig, path: str) -> None:
        assert (await rig.answer("GET", path))[0] == 200


class TestLive:
    async def test_everybody_sees_the_public_ones(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        rig.publish_to("closed")
        await rig.watch()
        (shown,) = (await rig.json("/api/v1/live"))["streams"]
        assert shown["name"] == "cam"
        assert shown["live"] is True
        assert shown["video"] == {"codec": "h264", "width": 640, "height": 360, "fps": 0.0}
        assert shown["audio"] == {"codec": "aac", "sample_rate": 48_000, "channels": 2}
        assert shown["viewers"] == 1
        assert shown["thumbnail"].startswith("/thumbnails/cam.jpg?t=")

    async def test_the_admin_sees_all(self, rig: WebRig) -> None:
        names = [stream["name"] for stream in (await rig.json("/api/v1/live", headers=rig.admin))["streams"]]
        assert names == ["cam", "closed", "door", "far"]

    async def test_what_is_off(self, rig: WebRig) -> None:
        (shown,) = (await rig.json("/api/v1/live"))["streams"]
        assert (shown["live"], shown["state"]) == (False, "offline")
        assert shown["video"] is shown["audio"] is shown["thumbnail"] is None
        assert shown["uptime_s"] == 0

    async def test_the_publishers_address_is_not_shown(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        assert "192.0.2.1" not in (await rig.answer("GET", "/api/v1/live"))[2]


class TestStreams:
    async def test_one_in_full(self, rig: WebRig) -> None:
        rig.publish_to("cam", H264_B_FRAMES)
        shown = await rig.json("/api/v1/streams/cam", headers=rig.admin)
        assert shown["state"] == "live"
        assert shown["publisher"]["address"] == "192.0.2.1:4000"
        assert [(track["kind"], track["codec"]) for track in shown["tracks"]] == [
            ("video", "h264"),
            ("audio", "aac"),
        ]
        assert shown["tracks"][0]["has_b_frames"] is True
        assert "B-frames" in shown["warnings"][0]
        assert shown["bytes_received"] == 120
        assert shown["ingest"]["state"] == "live"
        assert {made["name"]: made["active"] for made in shown["renditions"]} == {
            "h264": False,
            "opus": False,
        }

    async def test_none_of_that_name(self, rig: WebRig) -> None:
        status, _, text = await rig.answer("GET", "/api/v1/streams/none", headers=rig.admin)
        assert (status, json.loads(text)["error"]) == (404, "no_such_stream")

    async def test_why_it_is_not_live(self, rig: WebRig) -> None:
        rig.registry.find("door").ingest = IngestStatus("retrying", "the camera refused")
        shown = await rig.json("/api/v1/streams/door", headers=rig.admin)
        assert (shown["ingest"]["state"], shown["ingest"]["reason"]) == ("retrying", "the camera refused")
        assert shown["publisher"] is None

    async def test_statistics_are_the_publishers(self, rig: WebRig) -> None:
        publisher = Publisher("one", "srt", "x", describe=lambda: {"srt": {"rtt_ms": 1.5}})
        rig.stream.publish(publisher)
        shown = await rig.json("/api/v1/streams/cam", headers=rig.admin)
        assert shown["publisher"]["statistics"] == {"srt": {"rtt_ms": 1.5}}


async def test_no_answer_shows_a_secret(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()
    paths = [operation.documented_path for operation in rig.api.described if operation.method == "GET"]
    for name in ("cam", "closed", "door", "far", "none"):
        for path in paths:
            path = path.replace("{name}", name).replace("{stream}", name).replace("{path}", "js/player.js")
            for headers in (rig.admin, {}):
                _, answered, text = await rig.answer("GET", path, headers=headers)
                for secret in (*SECRETS, rig.token.value):
                    assert secret not in text, path
                    assert secret not in str(answered), path


class TestViewers:
    async def test_they_are_listed_and_can_be_ended(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        headers, _ = await rig.watch()
        (shown,) = (await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"]
        assert shown["stream"] == "cam"
        assert shown["state"] == "connecting"
        assert shown["address"] == shown["cipher"] == ""
        # Who may end a session is told by its key, which is nobody else's business.
        assert headers["Location"].rpartition("/")[2] not in json.dumps(shown)
        path = f"/api/v1/viewers/{shown['id']}"
        assert (await rig.answer("DELETE", path, headers=rig.admin))[0] == 204
        status, _, text = await rig.answer("DELETE", path, headers=rig.admin)
        assert (status, json.loads(text)["error"]) == (404, "no_such_viewer")
        assert (await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"] == []

    async def test_counters_are_numbers(self, rig: WebRig) -> None:
        rig.publish_to("cam")
        await rig.watch()
        (viewer,) = rig.egress.measured()
        rig.plane.counters[viewer.peer.id] = {"packets_sent": 2**40, "rtt_ms": 12.345, "video_lost": -1}
        rig.plane.learned(viewer.peer)
        rig.egress._measure(0.0)
        await until(lambda: viewer.peer.address)
        (shown,) = (await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"]
        assert (shown["packets_sent"], shown["video_lost"]) == (2**40, -1)
        assert shown["rtt_ms"] == pytest.approx(12.35, abs=0.01)
        assert shown["address"] == "192.0.2.9:50000"


class TestServer:
    async def test_the_server_itself(self, rig: WebRig) -> None:
        shown = await rig.json("/api/v1/server", headers=rig.admin)
        assert shown["plane"] == "fake"
        assert shown["loop_lag_ms"] == 250
        assert shown["version"]
        assert shown["webrtc_candidates"]

    async def test_health(self, rig: WebRig) -> None:
        assert await rig.json("/healthz") == {"status": "ok"}
        assert await rig.json("/readyz") == {"status": "ready"}
        rig.ready = False
        status, _, text = await rig.answer("GET", "/readyz")
        assert (status, json.loads(text)["error"]) == (503, "not_ready")
        assert (await rig.answer("GET", "/healthz"))[0] == 200
