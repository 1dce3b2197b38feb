from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.config import parse
from tests.streamer.egress.webrtc.rig import CHROMIUM
from tests.streamer.recording.test_library import AT, add
from tests.streamer.web.rig import KEY, PASSPHRASE, SDP, WebRig

FLOOR = {"public": True, "publish_key": KEY, "passphrase": PASSPHRASE, "encryption": "aes-256"}
FROM_AFAR = {"X-Forwarded-For": "192.0.2.1"}
OVER_HTTPS = {**FROM_AFAR, "X-Forwarded-Proto": "https"}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[WebRig]:
    rig = WebRig(tmp_path, proxies=("127.0.0.1/32",), hsts=True)
    rig.registry.apply(parse({"streams": {"cam": FLOOR, "open": {"public": True}}}).streams)
    await rig.open()
    yield rig
    await rig.close()


async def test_plain_http_from_afar_gets_nothing(rig: WebRig) -> None:
    rig.publish_to("cam")
    asked = [("POST", "/whep/cam"), ("GET", "/whep/cam"), ("GET", "/thumbnails/cam.jpg")]
    for method, path in asked:
        data = CHROMIUM if method == "POST" else None
        status, _, text = await rig.answer(method, path, headers={**SDP, **FROM_AFAR}, data=data)
        assert (status, json.loads(text)["error"]) == (403, "encryption_required"), path
        assert "use https://" in json.loads(text)["message"]


async def test_neither_does_who_asks_for_what_was_recorded_before(rig: WebRig) -> None:
    """Of a stream that demands encryption by now; what is written of it then is another matter."""
    path = f"/api/v1/recordings/{add(rig.recordings.library, 'cam', AT)}"
    status, _, text = await rig.answer("GET", path, headers={**rig.admin, **FROM_AFAR})
    assert (status, json.loads(text)["error"]) == (403, "encryption_required")
    async with rig.client.get(path, headers={**rig.admin, **OVER_HTTPS}) as response:
        assert response.status == 200


async def test_https_at_a_trusted_proxy_will_do(rig: WebRig) -> None:
    rig.publish_to("cam")
    status, headers, text = await rig.answer(
        "POST", "/whep/cam", headers={**SDP, **OVER_HTTPS}, data=CHROMIUM
    )
    assert status == 201, text
    (viewer,) = (await rig.json("/api/v1/viewers", headers=rig.admin))["viewers"]
    assert viewer["signalling"] == "HTTPS up to the proxy at 127.0.0.1"
    fragment = {"Content-Type": "application/trickle-ice-sdpfrag", **FROM_AFAR}
    assert (await rig.answer("PATCH", headers["Location"], headers=fragment, data=""))[0] == 403


async def test_this_machine_will_do(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()


async def test_a_stream_without_a_floor_does_not_mind(rig: WebRig) -> None:
    assert (await rig.answer("GET", "/whep/open", headers=FROM_AFAR))[0] == 204


async def test_browsers_are_told_to_stay_with_https(rig: WebRig) -> None:
    for path in ("/", "/whep/none", "/api/v1/server"):
        assert (await rig.answer("GET", path))[1]["Strict-Transport-Security"] == "max-age=31536000"


async def test_why_a_session_ended_is_told_to_who_knows_its_key(rig: WebRig) -> None:
    rig.publish_to("cam")
    headers, _ = await rig.watch()
    assert (await rig.answer("DELETE", headers["Location"]))[0] == 200
    status, _, text = await rig.answer("DELETE", headers["Location"])
    assert (status, json.loads(text)["message"]) == (404, "this session has ended: the viewer left")
