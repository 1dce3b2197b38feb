from __future__ import annotations

import json

import pytest
from yarl import URL

from tests.streamer.web.rig import WebRig


@pytest.mark.parametrize(
    ("method", "theirs", "ours"),
    [
        ("POST", "/cam/whip", "/whip/cam"),
        ("OPTIONS", "/cam/whip", "/whip/cam"),
        ("POST", "/cam/whep?token=a%26b", "/whep/cam?token=a%26b"),
        ("OPTIONS", "/cam/whep", "/whep/cam"),
        ("GET", "/cam/index.m3u8?token=t", "/hls/cam/index.m3u8?token=t"),
        ("GET", "/cam/publish", "/publish/cam"),
        ("POST", "/a%20b/whep", "/whep/a%20b"),
    ],
)
async def test_addresses_of_mediamtx_lead_to_ours(rig: WebRig, method: str, theirs: str, ours: str) -> None:
    response = await rig.client.request(method, theirs, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (308, ours)
    said = await response.json()
    assert said["message"] == f"here this is at {ours.partition('?')[0].replace('%20', ' ')}"


async def test_nobody_is_led_to_another_site(rig: WebRig) -> None:
    url = URL("/%2F%2Fevil.example/publish", encoded=True)
    response = await rig.client.get(url, allow_redirects=False)
    assert response.status in (308, 404)
    assert response.headers.get("Location", "/publish/").startswith("/publish/")


async def test_streams_may_be_called_as_they_end(rig: WebRig) -> None:
    status, _, text = await rig.answer("POST", "/whep/whip", headers={"Content-Type": "application/sdp"})
    assert (status, json.loads(text)["error"]) == (404, "no_such_stream")
