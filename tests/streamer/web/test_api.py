from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from auth.permissions.actions import Action
from streamer.config import parse
from streamer.hub.stream import IngestStatus, Publisher
from streamer.web.app import DESCRIPTION
from tests.fakes.units import H264_B_FRAMES
from tests.fakes.wait import until
from tests.streamer.web.rig import SECRETS, STREAMS, WebRig

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
        headers = {"Authorization": f"bEARER {rig.token}"}
        assert (await rig.answer("GET", "/api/v1/streams", headers=headers))[0] == 200

    async def test_a_private_thumbnail(self, rig: WebRig) -> None:
        assert (await rig.answer("GET", "/thumbnails/closed.jpg"))[0] == 401

    @pytest.mark.parametrize("path", ["/api/v1/live", "/healthz", "/readyz", "/metrics", "/openapi.json"])
    async def test_for_everybody(self, rig: WebRig, path: str) -> None:
        assert (await rig.answer("GET", path))[0] == 200


class TestMetrics:
    async def test_they_are_written_down_beside_the_event_loop(self, rig: WebRig) -> None:
        """Of hundreds of streams that takes it a tenth of a second."""
        threads: list[threading.Thread] = []

        class Watched(GaugeMetricFamily):
            def __getattribute__(self, name: str) -> Any:
                if name == "samples":
                    threads.append(threading.current_thread())
                return super().__getattribute__(name)

        class Watching(Collector):
            def collect(self) -> list[Metric]:
                return [Watched("watched", "by this test", value=1)]

        rig.prometheus.register(Watching())
        _, _, text = await rig.answer("GET", "/metrics")
        assert "watched 1.0" in text
        assert threads[-1] is not threading.main_thread()


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

    async def test_what_another_machine_has_can_be_watched_here(self, rig: WebRig) -> None:
        rig.stream.elsewhere_since = time.time() - 60
        (shown,) = (await rig.json("/api/v1/live"))["streams"]
        assert (shown["live"], shown["state"], shown["video"]) == (True, "live", None)
        assert shown["uptime_s"] >= 60

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
            "h264_1": False,
            "h264_2": False,
            "h264_3": False,
            "opus": False,
            "aac": False,
        }

    async def test_none_of_that_name(self, rig: WebRig) -> None:
        status, _, text = await rig.answer("GET", "/api/v1/streams/none", headers=rig.admin)
        assert (status, json.loads(text)["error"]) == (404, "no_such_stream")

    async def test_why_it_is_not_live(self, rig: WebRig) -> None:
        rig.registry.find("door").ingest = IngestStatus("retrying", "the camera refused")
        shown = await rig.json("/api/v1/streams/door", headers=rig.admin)
        assert (shown["ingest"]["state"], shown["ingest"]["reason"]) == ("retrying", "the camera refused")
        assert shown["publisher"] is None

    async def test_where_the_publisher_moved_to_is_shown(self, rig: WebRig) -> None:
        rig.stream.publish(Publisher("one", "whip", "192.0.2.1:4000", moved_to=lambda: "192.0.2.7:5000"))
        shown = await rig.json("/api/v1/streams/cam", headers=rig.admin)
        assert shown["publisher"]["address"] == "192.0.2.7:5000"

    async def test_statistics_are_the_publishers(self, rig: WebRig) -> None:
        publisher = Publisher("one", "srt", "x", describe=lambda: {"srt": {"rtt_ms": 1.5}})
        rig.stream.publish(publisher)
        shown = await rig.json("/api/v1/streams/cam", headers=rig.admin)
        assert shown["publisher"]["statistics"] == {"srt": {"rtt_ms": 1.5}}


async def test_no_answer_shows_a_secret(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()
    paths = [
        operation.documented_path for operation in rig.app[DESCRIPTION].described if operation.method == "GET"
    ]
    for name in ("cam", "closed", "door", "far", "none"):
        for path in paths:
            path = path.replace("{name}", name).replace("{stream}", name).replace("{path}", "js/player.js")
            for headers in (rig.admin, {}):
                _, answered, text = await rig.answer("GET", path, headers=headers)
                for secret in (*SECRETS, rig.token):
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
        rig.plane.counters[viewer.peer.id] = {
            "packets_sent": 2**40,
            "rtt_ms": 12.345,
            "rtx_refused": 7,
            "video_lost": -1,
        }
        rig.plane.learned(viewer.peer)
        rig.egress._tally.measure(0.0)
        await until(lambda: viewer.peer.address)
        (shown,) = (await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"]
        assert (shown["packets_sent"], shown["video_lost"], shown["rtx_refused"]) == (2**40, -1, 7)
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


class TestContentKey:
    PATH = "/api/v1/streams/{}/content-key"

    @pytest.fixture(autouse=True)
    def sealed(self, rig: WebRig) -> None:
        added: dict[str, Any] = {
            "sealed": {"e2e": True, "e2e_rotate_s": 400},
            "leaky": {"e2e": True, "e2e_key_bytes": 16, "public": True},
        }
        rig.registry.apply(parse({"streams": STREAMS | added}).streams)

    async def test_whoever_may_watch_is_given_it(self, rig: WebRig) -> None:
        status, headers, text = await rig.answer("GET", self.PATH.format("sealed"), headers=rig.admin)
        answer = json.loads(text)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert (answer["stream"], answer["format"]) == ("sealed", "gcm-trailer")
        assert answer["algorithm"] == "AES-256-GCM"
        (key,) = answer["keys"]
        assert key["state"] == "current"
        ring = rig.egress.ring(rig.registry.find("sealed"))
        assert ring is not None
        current = ring.cipher(time.monotonic()).key
        assert (key["index"], base64.b64decode(key["key"])) == (current.index, current.secret)
        assert 399 < answer["rotates_at"] - time.time() <= 400
        # Announced 60 s before, and asked for in the first 48 of them.
        assert 339 < answer["ask_again_s"] <= 388

    async def test_the_others_are_not(self, rig: WebRig) -> None:
        path = self.PATH.format("sealed")
        for headers, expected in (
            ({}, 401),
            ({"Authorization": "Bearer no"}, 401),
            (rig.bearer(Action.WATCH, stream="closed"), 403),
        ):
            status, _, text = await rig.answer("GET", path, headers=headers)
            assert (status, "keys" in json.loads(text)) == (expected, False)

    async def test_a_shorter_one_of_a_public_stream(self, rig: WebRig) -> None:
        answer = await rig.json(self.PATH.format("leaky"))
        assert (answer["algorithm"], len(base64.b64decode(answer["keys"][0]["key"]))) == ("AES-128-GCM", 16)

    @pytest.mark.parametrize(("name", "error"), [("cam", "not_encrypted"), ("none", "no_such_stream")])
    async def test_there_is_none(self, rig: WebRig, name: str, error: str) -> None:
        status, _, text = await rig.answer("GET", self.PATH.format(name), headers=rig.admin)
        assert (status, json.loads(text)["error"]) == (404, error)

    async def test_a_removed_viewer_takes_its_key_along(self, rig: WebRig) -> None:
        rig.publish_to("leaky")
        await rig.watch("leaky")
        ring = rig.egress.ring(rig.registry.find("leaky"))
        assert ring is not None
        before = ring.cipher(time.monotonic()).key
        (viewer,) = rig.egress.measured()
        status, _, _ = await rig.answer("DELETE", f"/api/v1/viewers/{viewer.id}", headers=rig.admin)
        assert status == 204
        # A key is used for a second at least.
        await until(lambda: ring.cipher(time.monotonic()).key != before)
        states = {key["index"]: key["state"] for key in (await rig.json(self.PATH.format("leaky")))["keys"]}
        assert states[before.index] == "previous"

    async def test_who_leaves_does_not(self, rig: WebRig) -> None:
        rig.publish_to("leaky")
        headers, _ = await rig.watch("leaky")
        ring = rig.egress.ring(rig.registry.find("leaky"))
        assert ring is not None
        told = ring.keys(time.monotonic())
        assert (await rig.answer("DELETE", headers["Location"]))[0] == 200
        assert ring.keys(time.monotonic()).rotates_in_s > told.rotates_in_s - 60

    async def test_it_is_shown_where_streams_are(self, rig: WebRig) -> None:
        stream = await rig.json("/api/v1/streams/sealed", headers=rig.admin)
        assert stream["e2e"] == {"format": "gcm-trailer", "algorithm": "AES-256-GCM", "key_index": 1}
        assert stream["warnings"] == []
        live = {each["name"]: each for each in (await rig.json("/api/v1/live"))["streams"]}
        assert live["leaky"]["e2e"]["algorithm"] == "AES-128-GCM"
        assert live["cam"]["e2e"] is None
        (warning,) = (await rig.json("/api/v1/streams/leaky", headers=rig.admin))["warnings"]
        assert "public" in warning

    async def test_whep_tells_where_it_is(self, rig: WebRig) -> None:
        rig.publish_to("leaky")
        rig.publish_to("cam")
        link = (
            '</api/v1/streams/leaky/content-key>; rel="content-key"; '
            'format="gcm-trailer"; algorithm="AES-128-GCM"'
        )
        assert (await rig.watch("leaky"))[0]["Link"] == link
        assert (await rig.answer("GET", "/whep/leaky"))[1]["Link"] == link
        assert "Link" not in (await rig.watch("cam"))[0]
