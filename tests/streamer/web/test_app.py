"""CORS, and what every answer has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.web.rig import SDP, WebRig

ELSEWHERE = {"Origin": "https://player.example"}
PREFLIGHT = ELSEWHERE | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path, origins=("https://site.example",))
    await rig.open()
    yield rig
    await rig.close()


@pytest.mark.parametrize("path", ["/whep/cam", "/whep/cam/session", "/api/v1/live", "/none"])
async def test_preflight_needs_no_token_and_no_stream(rig: WebRig, path: str) -> None:
    status, headers, _ = await rig.answer("OPTIONS", path, headers=PREFLIGHT)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert {"POST", "PATCH", "DELETE"} <= set(headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "Content-Type", "If-Match"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )


async def test_the_answer_may_be_read(rig: WebRig) -> None:
    rig.publish_to("cam")
    status, headers, _ = await rig.answer("POST", "/whep/cam", headers=SDP | ELSEWHERE, data=CHROMIUM)
    assert status == 201
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert {"Location", "ETag"} <= set(headers["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in headers


async def test_problems_may_be_read_too(rig: WebRig) -> None:
    status, headers, _ = await rig.answer("POST", "/whep/cam", headers=SDP | ELSEWHERE, data=CHROMIUM)
    assert status == 409
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in headers["Access-Control-Expose-Headers"]


async def test_what_is_sent_piece_by_piece_may_be_read_too(rig: WebRig) -> None:
    """Its headers have left long before its handler is done."""
    async with rig.client.get("/api/v1/audit/export", headers=rig.admin | ELSEWHERE) as answer:
        assert answer.status == 200
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Vary"] == "Origin"


async def test_nothing_without_an_origin(rig: WebRig) -> None:
    headers = (await rig.answer("GET", "/api/v1/live"))[1]
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Vary"] == "Origin", "a cache would hand it to who needs another one"


async def test_only_the_origins_that_are_listed(strict: WebRig) -> None:
    _, headers, _ = await strict.answer("GET", "/api/v1/live", headers=ELSEWHERE)
    assert "Access-Control-Allow-Origin" not in headers
    status, headers, _ = await strict.answer("OPTIONS", "/whep/cam", headers=PREFLIGHT)
    assert status == 204
    assert "Access-Control-Allow-Origin" not in headers
    site = {"Origin": "https://site.example"}
    _, headers, _ = await strict.answer("GET", "/api/v1/live", headers=site)
    assert headers["Access-Control-Allow-Origin"] == "https://site.example"
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/", "/watch/cam", "/api/v1/live", "/healthz", "/metrics"])
async def test_head_is_get_without_the_body(rig: WebRig, path: str) -> None:
    got, got_headers, got_text = await rig.answer("GET", path)
    status, headers, text = await rig.answer("HEAD", path)
    assert (status, text) == (got, "")
    assert got_text
    assert headers["Content-Type"] == got_headers["Content-Type"]


async def test_another_method_is_told_which_there_are(rig: WebRig) -> None:
    status, headers, _ = await rig.answer("PUT", "/api/v1/live")
    assert status == 405
    assert set(headers["Allow"].split(",")) >= {"GET", "HEAD"}
