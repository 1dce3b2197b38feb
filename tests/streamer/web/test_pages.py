from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streamer.web.operations import add_routes
from streamer.web.pages import Pages
from tests.streamer.web.rig import WebRig


@pytest.mark.parametrize(
    ("path", "ancestors"),
    [
        ("/", "'self'"),
        ("/watch/cam", "'self'"),
        ("/embed/cam", "*"),
        ("/login", "'none'"),
        ("/setup", "'none'"),
        ("/account", "'none'"),
    ],
)
async def test_pages_hold_themselves_to_a_policy(rig: WebRig, path: str, ancestors: str) -> None:
    status, headers, text = await rig.answer("GET", path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    # What stands in the page counts by its hash, and nothing else.
    player = path.startswith(("/watch/", "/embed/"))
    for kind, count in (("script", 2 * player), ("style", 2 + player)):
        parts = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts]
        assert policy[f"{kind}-src"] == " ".join(["'self'", *(f"'sha256-{each}'" for each in hashes)])
        assert len(parts) == count
    assert 'rel="stylesheet"' not in text
    assert policy["frame-ancestors"] == ancestors
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "<html" in text


_PERSON = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nosuch", "/watch", "/api/v1/nosuch", "/watch/cam/more"])
async def test_a_person_at_an_address_that_is_none_is_shown_a_page(rig: WebRig, path: str) -> None:
    status, headers, text = await rig.answer("GET", path, headers=_PERSON)
    assert status == 404
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "There is nothing at this address" in text
    again = await rig.answer("GET", path, headers=_PERSON | {"If-None-Match": headers["ETag"]})
    assert again[0] == 404
    for method, told in (("GET", {}), ("GET", {"Accept": "application/json"}), ("POST", _PERSON)):
        status, headers, text = await rig.answer(method, path, headers=told)
        assert status == 404
        assert json.loads(text)["error"] == "not_found"


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/watch/cam/?latency=low&x=%26", "/watch/cam?latency=low&x=%26"),
        ("//watch/cam//", "/watch/cam"),
        ("//elsewhere.example/", "/elsewhere.example"),
        ("/\\elsewhere.example/", "/%5Celsewhere.example"),
    ],
)
async def test_a_slash_too_many_is_taken_away_and_leads_nowhere_else(
    rig: WebRig, path: str, location: str
) -> None:
    reader, writer = await asyncio.open_connection(rig.client.host, rig.client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n".encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 302 ")
    assert f"\r\nLocation: {location}\r\n" in answer


@pytest.mark.parametrize(
    ("name", "kind"), [("js/player.js", "text/javascript"), ("icons.svg", "image/svg+xml")]
)
async def test_files_have_their_types(rig: WebRig, name: str, kind: str) -> None:
    status, headers, _ = await rig.answer("GET", f"/static/{name}")
    assert status == 200
    assert headers["Content-Type"].startswith(kind)


async def test_a_file_that_was_not_changed_is_not_sent_again(rig: WebRig) -> None:
    _, headers, _ = await rig.answer("GET", "/static/js/player.js")
    assert headers["Cache-Control"] == "no-cache"
    again = await rig.answer("GET", "/static/js/player.js", headers={"If-None-Match": headers["ETag"]})
    assert (again[0], again[2]) == (304, "")
    for condition in (f"W/{headers['ETag']}", f'"other", {headers["ETag"]}', "*"):
        again = await rig.answer("GET", "/static/js/player.js", headers={"If-None-Match": condition})
        assert (again[0], again[2]) == (304, ""), condition
    changed = await rig.answer("GET", "/static/js/player.js", headers={"If-None-Match": '"other", "more"'})
    assert changed[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/static/none.js", "/static/../pages.py", "/static/%2e%2e/pages.py", "/static/js", "/favicon.ico"],
)
async def test_nothing_else_is_served(rig: WebRig, path: str) -> None:
    status, _, text = await rig.answer("GET", path)
    assert status == 404
    assert json.loads(text)["error"] == "not_found"


async def test_a_page_says_nothing_of_whether_a_stream_exists(rig: WebRig) -> None:
    assert (await rig.answer("GET", "/watch/none"))[2] == (await rig.answer("GET", "/watch/cam"))[2]


async def test_it_is_told_whose_player_is_opened() -> None:
    opened: list[str] = []
    app = web.Application()
    add_routes(app, Pages(on_player=opened.append).operations())
    async with TestClient(TestServer(app)) as client:
        for path in ("/", "/watch/cam", "/embed/a%20b", "/static/css/player.css"):
            assert (await client.get(path)).status == 200, path
    assert opened == ["cam", "a b"]


@pytest.mark.parametrize(
    ("ancestors", "policy"),
    [
        (("https://a.example", "*.b.example"), "https://a.example *.b.example"),
        (("self",), "'self'"),
        ((), "'none'"),
        (("none",), "'none'"),
    ],
)
async def test_who_may_show_the_player_in_a_frame(
    tmp_path: Path, ancestors: tuple[str, ...], policy: str
) -> None:
    rig = WebRig(tmp_path, ancestors=ancestors)
    await rig.open()
    _, headers, _ = await rig.answer("GET", "/embed/cam")
    assert headers["Content-Security-Policy"].endswith(f"frame-ancestors {policy}")
    assert "frame-ancestors 'self'" in (await rig.answer("GET", "/watch/cam"))[1]["Content-Security-Policy"]
    await rig.close()
