from __future__ import annotations

import asyncio
import contextlib
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from auth.permissions.actions import Action
from ops.components.engagement import Engagement
from streamer.config import parse
from streamer.web.access import Access
from streamer.web.analytics import analytics
from streamer.web.operations import add_routes
from streamer.web.privacy import Privacy
from streamer.web.problems import problems
from streamer.web.whep import Whep
from tests.streamer.egress.webrtc.rig import CHROMIUM, KEYS
from tests.streamer.web.rig import SDP, WebRig

ROOT = "/api/v1/analytics"


class AudienceRig:
    """The web rig with engagement hooked to it, and faces of its own."""

    client: TestClient[web.Request, web.Application]

    def __init__(self, rig: WebRig, state: Path) -> None:
        self.rig = rig
        config = parse({"state": {"dir": state}})
        self.engagement = Engagement(config, rig.identity, lambda: [])
        self.engagement.follow(rig.egress, rig.hls)

    async def open(self) -> None:
        await self.engagement.start()
        access = Access(self.rig.guard.door)
        app = web.Application(middlewares=[problems])
        for face in (
            Whep(self.rig.registry, self.rig.egress, access, self.engagement.welcome),
            *analytics(self.rig.registry, access, self.engagement.insight),
            Privacy(access, self.engagement.people),
        ):
            add_routes(app, face.operations())
        self.client = TestClient(TestServer(app))
        await self.client.start_server()

    async def close(self) -> None:
        await self.client.close()
        await self.engagement.close(5.0)

    async def watch(self, **headers: str) -> str:
        """Join and be sent media; the session's key."""
        async with self.client.post("/whep/cam", data=CHROMIUM, headers={**SDP, **headers}) as answer:
            assert answer.status == 201
            key = answer.headers["Location"].rpartition("/")[2]
        viewer = self.rig.egress.by_key(key)
        viewer.start(KEYS)
        for tell in self.rig.egress.on_connect:
            tell(viewer)
        return key

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        # Who asks waits a second at most for what happened just now, which a busy machine may exceed.
        await self.engagement.collector.settle(20)
        async with self.client.get(ROOT + path, headers=headers or self.rig.admin) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text) if answer.content_type == "application/json" else text

    async def report(self, key: str, **values: Any) -> int:
        async with self.client.post(f"{ROOT}/beacon/{key}", json=values) as answer:
            if answer.status in (204, 429):
                assert answer.headers["Retry-After"] == "10"
            return answer.status


@pytest.fixture
async def audience(rig: WebRig, tmp_path: Path) -> AsyncIterator[AudienceRig]:
    audience = AudienceRig(rig, tmp_path)
    await audience.open()
    rig.publish_to("cam")
    yield audience
    await audience.close()


class TestAudience:
    async def test_from_joining_to_the_export(self, audience: AudienceRig) -> None:
        first = await audience.watch(DNT="0")
        await audience.watch()
        await audience.watch(DNT="1")
        live = await audience.get("/live")
        cam = next(stream for stream in live["streams"] if stream["name"] == "cam")
        assert (cam["viewers"], cam["peak_viewers"], cam["title"], live["viewers"]) == (3, 3, "Camera", 3)
        assert await audience.report(first, decoded=100, width=640, height=360, frozen_s=0) == 204
        assert await audience.report(first, decoded=101) == 429
        async with audience.client.delete(f"/whep/cam/{first}") as answer:
            assert answer.status == 200
        assert await audience.report(first, decoded=102, last=True) == 204
        await audience.engagement.collector.flush(linger_s=0.0)
        told = await audience.get("/streams/cam")
        # Who asked not to be tracked counts as a play, and is nobody.
        assert (told["plays"], told["unique_viewers"], told["peak_viewers"]) == (3, 2, 3)
        assert {"watch_seconds", "join_ms_p50", "quality", "retention", "bytes"} <= told.keys()
        (session,) = (await audience.get("/streams/cam/sessions"))["sessions"]
        assert (session["decoded"], session["width"]) == (102, 640)
        assert (session["device"], session["country"]) == ("", "")
        rows = list(csv.DictReader((await audience.get("/streams/cam/export")).splitlines()))
        assert [row["id"] for row in rows] == [session["id"]]
        lines = (await audience.get("/streams/cam/export?format=jsonl")).splitlines()
        assert [json.loads(line)["id"] for line in lines] == [session["id"]]
        assert (await audience.get("/streams"))["streams"][0]["plays"] == 3
        assert (await audience.get("/summary"))["plays"] == 3
        assert (await audience.get("/streams/cam/series"))["points"][0]["plays"] == 3
        shares = await audience.get("/streams/cam/breakdown?by=device")
        assert (shares["shares"], shares["withheld"]) == ([], True)
        assert "127.0.0.1" not in json.dumps([told, session, shares])

    async def test_events(self, audience: AudienceRig) -> None:
        async with audience.client.get(f"{ROOT}/live/events", headers=audience.rig.admin) as answer:
            assert answer.content_type == "text/event-stream"
            seen = []
            for _ in range(2):
                assert (await answer.content.readline()) == b"event: live\n"
                seen.append(json.loads((await answer.content.readline()).removeprefix(b"data: "))["viewers"])
                await answer.content.readline()
                if len(seen) == 1:
                    await audience.watch()
        assert seen == [0, 1]

    @pytest.mark.parametrize("path", ["/live/events", "/streams/cam/export"])
    async def test_head_has_no_body(self, audience: AudienceRig, path: str) -> None:
        """What followed its headers would be taken for the answer to the next request."""
        server = audience.client.server
        reader, writer = await asyncio.open_connection(server.host, server.port)
        fields = f"Host: a\r\nAuthorization: {audience.rig.admin['Authorization']}\r\n"
        with contextlib.closing(writer):
            for method in ("HEAD", "OPTIONS"):
                writer.write(f"{method} {ROOT}{path} HTTP/1.1\r\n{fields}\r\n".encode())
            async with asyncio.timeout(20):
                answers = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
        assert [answer[:13] for answer in answers] == [b"HTTP/1.1 200 ", b"HTTP/1.1 405 "]


class TestAccess:
    @pytest.mark.parametrize(
        "path",
        ["/live", "/live/events", "/streams", "/summary", "/streams/cam", "/streams/cam/series",
         "/streams/cam/breakdown", "/streams/cam/sessions", "/streams/cam/export"],
    )  # fmt: skip
    async def test_only_who_manages(self, audience: AudienceRig, path: str) -> None:
        await audience.get(path, 401, Accept="*/*")
        watcher = audience.rig.bearer(Action.WATCH)
        await audience.get(path, 403, **watcher)

    async def test_of_one_stream_only(self, audience: AudienceRig) -> None:
        manager = audience.rig.bearer(Action.MANAGE, stream="cam")
        assert [each["name"] for each in (await audience.get("/live", **manager))["streams"]] == ["cam"]
        await audience.get("/streams/cam", **manager)
        await audience.get("/streams/closed", 403, **manager)
        await audience.get("/summary", 403, **manager)

    async def test_of_one_that_is_no_more_or_never_was(self, audience: AudienceRig) -> None:
        assert (await audience.get("/streams/gone"))["plays"] == 0
        await audience.get("/streams/a%00b", 404)

    @pytest.mark.parametrize(
        "query",
        ["?from=x", "?from=-1", "?to=nan", "?from=10&to=5", "?from=0&to=2000000000", "?from=1&from=2",
         "/sessions?limit=0", "/sessions?before=x:y", "/breakdown?by=address", "/export?format=xml"],
    )  # fmt: skip
    async def test_what_cannot_be_asked(self, audience: AudienceRig, query: str) -> None:
        answer = await audience.get(f"/streams/cam{query}", 400)
        assert "expected" in answer["message"] or "input" in answer["message"]

    async def test_times_as_people_write_them(self, audience: AudienceRig) -> None:
        answer = await audience.get("/streams/cam?from=2026-01-01&to=2026-01-02T00:00:00Z")
        assert (answer["from"], answer["to"]) == (1_767_225_600, 1_767_312_000)


class TestBeacons:
    @pytest.mark.parametrize(
        "values", [{"decoded": -1}, {"decoded": "1"}, {"frozen_s": 1e9}, {"more": 1}, {"width": 10**9}]
    )
    async def test_what_is_no_report(self, audience: AudienceRig, values: dict[str, Any]) -> None:
        assert await audience.report(await audience.watch(), **values) == 400

    async def test_of_nobody(self, audience: AudienceRig) -> None:
        assert await audience.report("nobody", decoded=1) == 404
        # Nor of who asked not to be tracked.
        assert await audience.report(await audience.watch(DNT="1"), decoded=1) == 404

    async def test_of_any_length(self, audience: AudienceRig) -> None:
        path = f"{ROOT}/beacon/x"
        async with audience.client.post(
            path, data=b" " * 5000, headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 413


class TestPrivacy:
    async def test_people(self, audience: AudienceRig) -> None:
        from auth.permissions.principals import Kind

        await audience.rig.identity.accounts.create(Kind.USER, "anna")
        users = "/api/v1/privacy/users"
        async with audience.client.get(f"{users}/anna/export", headers=audience.rig.admin) as answer:
            assert (await answer.json())["auth_principal"][0]["name"] == "anna"
        async with audience.client.delete(f"{users}/anna") as answer:
            assert answer.status == 401
        async with audience.client.delete(f"{users}/anna", headers=audience.rig.admin) as answer:
            assert (await answer.json())["erased"]["sessions"] == 0
        async with audience.client.delete(f"{users}/anna", headers=audience.rig.admin) as answer:
            assert answer.status == 404
        body = {"kind": "erase", "subject": "bert"}
        requests = "/api/v1/privacy/requests"
        async with audience.client.post(requests, headers=audience.rig.admin, json=body) as answer:
            assert answer.status == 201
        async with audience.client.get(requests, headers=audience.rig.admin) as answer:
            told = await answer.json()
        assert sorted((each["kind"], each["subject"]) for each in told["requests"]) == [
            ("erase", ""), ("erase", "bert"), ("export", "")
        ]  # fmt: skip
        assert told["overdue"] == 0
