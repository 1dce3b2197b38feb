from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.access.rates import Rate
from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.web.rig import KEY, SDP, WebRig


@pytest.fixture
async def behind_proxy(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path, proxies=("127.0.0.0/8",))
    await rig.open()
    yield rig
    await rig.close()


def narrow(rig: WebRig, *, login: int = 1000, whep: int = 1000, api: int = 1000) -> None:
    rig.guard.rates.change(*(Rate(0.01, burst) for burst in (login, whep, api)))


async def test_who_joins_too_often_is_told_when_to_come_back(rig: WebRig) -> None:
    narrow(rig, whep=2)
    rig.publish_to("cam")
    assert (await rig.answer("POST", "/whep/cam", headers=SDP, data=CHROMIUM))[0] == 201
    assert (await rig.answer("GET", "/whep/cam"))[0] == 204
    origin = {"Origin": "https://player.example"}
    status, headers, text = await rig.answer("POST", "/whep/cam", headers=SDP | origin, data=CHROMIUM)
    body = json.loads(text)
    assert (status, body["error"]) == (429, "rate_limited")
    assert headers["Retry-After"] == str(body["retry_after_s"])
    assert 1 <= body["retry_after_s"] <= 100
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert len(rig.egress.measured()) == 1


async def test_each_kind_counts_apart_and_pages_are_free(rig: WebRig) -> None:
    narrow(rig, api=1)
    assert (await rig.answer("GET", "/api/v1/live"))[0] == 200
    assert (await rig.answer("GET", "/api/v1/live"))[0] == 429
    assert (await rig.answer("GET", "/thumbnails/cam.jpg"))[0] == 429
    assert (await rig.answer("DELETE", "/whep/cam/session"))[0] == 429
    for path in ("/", "/watch/cam", "/static/favicon.svg", "/healthz", "/metrics"):
        assert (await rig.answer("GET", path))[0] == 200
    assert (await rig.answer("GET", "/whep/cam"))[0] == 204


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_publish_key_is_guessed_no_faster_than_a_password(rig: WebRig, method: str) -> None:
    narrow(rig, login=2)
    guess = SDP | {"Authorization": "Bearer guess"}
    for _ in range(2):
        assert (await rig.answer(method, "/whip/cam", headers=guess))[0] == 401
    assert (await rig.answer(method, "/whip/cam", headers=SDP | {"Authorization": f"Bearer {KEY}"}))[0] == 429
    # Who is in stays able to leave.
    assert (await rig.answer("DELETE", "/whip/cam/session"))[0] == 404


async def test_each_address_has_its_own(behind_proxy: WebRig) -> None:
    narrow(behind_proxy, api=1)
    for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
        told = {"X-Forwarded-For": address}
        assert (await behind_proxy.answer("GET", "/api/v1/live", headers=told))[0] == 200
        assert (await behind_proxy.answer("GET", "/api/v1/live", headers=told))[0] == 429


async def test_rates_change_under_a_running_server(rig: WebRig) -> None:
    narrow(rig, api=1)
    await rig.answer("GET", "/api/v1/live")
    assert (await rig.answer("GET", "/api/v1/live"))[0] == 429
    rig.guard.rates.change(Rate(1, 1), Rate(1, 1), Rate(1e6, 1000))
    assert (await rig.answer("GET", "/api/v1/live"))[0] == 200
