from __future__ import annotations

import json

import pytest

from auth.permissions.actions import Action
from streamer.hub.stream import Publisher
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM as VIEWER
from tests.streamer.web.rig import KEY, SDP, WebRig
from tests.transport.webrtc.vectors import publishers_vector

OFFER = publishers_vector("chromium")
WITH_KEY = SDP | {"Authorization": f"Bearer {KEY}"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def published(rig: WebRig, headers: dict[str, str] = WITH_KEY, name: str = "cam") -> str:
    """Where the new session is."""
    status, answered, text = await rig.answer("POST", f"/whip/{name}", headers=headers, data=OFFER)
    assert status == 201, text
    return answered["Location"]


async def test_created(rig: WebRig) -> None:
    status, headers, answer = await rig.answer("POST", "/whip/cam", headers=WITH_KEY, data=OFFER)
    assert status == 201
    assert headers["Content-Type"] == "application/sdp"
    assert headers["Location"].startswith("/whip/cam/")
    assert headers["ETag"] == rig.whip.by_key(headers["Location"].rsplit("/", 1)[1]).etag
    assert answer.startswith("v=0\r\n")
    assert "a=recvonly" in answer
    (peer,) = rig.plane.peers.values()
    assert peer.inbox is not None


@pytest.mark.parametrize(
    ("name", "headers", "body", "status", "code"),
    [
        ("nowhere", WITH_KEY, OFFER, 404, "no_such_stream"),
        ("cam", SDP, OFFER, 401, "unauthorized"),
        ("cam", SDP | {"Authorization": "Bearer wrong"}, OFFER, 401, "unauthorized"),
        ("door", SDP | {"Authorization": "Bearer anything"}, OFFER, 401, "unauthorized"),
        ("cam", WITH_KEY | {"Content-Type": "text/plain"}, OFFER, 415, "unsupported_media_type"),
        ("cam", WITH_KEY, "", 400, "bad_offer"),
        ("cam", WITH_KEY, VIEWER, 400, "bad_offer"),
        ("cam", WITH_KEY, "v" * (64 * 1024 + 1), 413, "too_large"),
        ("cam", WITH_KEY, OFFER.replace("H264", "H266"), 406, "not_takable"),
    ],
)
async def test_refused(
    rig: WebRig, name: str, headers: dict[str, str], body: str, status: int, code: str
) -> None:
    got, _, text = await rig.answer("POST", f"/whip/{name}", headers=headers, data=body)
    problem = json.loads(text)
    assert (got, problem["error"]) == (status, code)
    assert problem["message"]
    assert not rig.plane.peers


async def test_a_token_may_publish_what_it_is_for(rig: WebRig) -> None:
    await published(rig, SDP | rig.bearer(Action.PUBLISH, stream="cam"))
    for headers in (rig.bearer(Action.PUBLISH, stream="closed"), rig.bearer(Action.WATCH, stream="cam")):
        status, _, text = await rig.answer("POST", "/whip/cam", headers=SDP | headers, data=OFFER)
        assert (status, json.loads(text)["error"]) == (403, "forbidden")


async def test_a_pulled_stream_is_published_by_nobody(rig: WebRig) -> None:
    headers = SDP | rig.bearer(Action.PUBLISH)
    status, _, text = await rig.answer("POST", "/whip/door", headers=headers, data=OFFER)
    assert (status, json.loads(text)["message"]) == (406, "'door' is pulled from its source")


async def test_who_comes_second_is_told_when_to_ask_again(rig: WebRig) -> None:
    rig.publish_to("cam")
    status, headers, text = await rig.answer("POST", "/whip/cam", headers=WITH_KEY, data=OFFER)
    assert (status, json.loads(text)["error"], headers["Retry-After"]) == (409, "already_published", "2")
    assert "192.0.2.1:4000" in text


async def test_who_gives_way_is_no_obstacle(rig: WebRig) -> None:
    rig.registry.find("cam").publish(Publisher("one", "srt", "192.0.2.1:4000", gives_way=lambda: True))
    await published(rig)


async def test_who_begins_anew_ends_what_he_began(rig: WebRig) -> None:
    first, second = await published(rig), await published(rig)
    status, _, text = await rig.answer("PATCH", first, headers=FRAGMENT, data="a=ice-ufrag:x\r\n")
    assert status == 404
    assert "it began anew before it was connected" in text
    assert (await rig.answer("DELETE", second))[0] == 200
    await until(lambda: not rig.plane.peers)


async def test_a_token_that_was_used_up_ends_nothing(rig: WebRig) -> None:
    once = SDP | rig.bearer(Action.PUBLISH, stream="cam", once=True)
    mine = await published(rig, once)
    status, _, text = await rig.answer("POST", "/whip/cam", headers=once, data=OFFER)
    assert (status, "was" in json.loads(text)["message"]) == (401, True)
    assert rig.whip.by_key(mine.rsplit("/", 1)[1])
    await until(lambda: len(rig.plane.peers) == 1)


async def test_a_session_ends_once_and_its_publisher_hears_so_twice(rig: WebRig) -> None:
    session = await published(rig)
    assert (await rig.answer("DELETE", session, headers={"If-Match": '"other"'}))[0] == 412
    assert (await rig.answer("DELETE", session))[0] == 200
    assert (await rig.answer("DELETE", session))[0] == 200
    assert (await rig.answer("DELETE", session + "x"))[0] == 404
    await until(lambda: not rig.plane.peers)


async def test_ice_restarts(rig: WebRig) -> None:
    session = await published(rig)
    trickled = "a=ice-ufrag:{}\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    mine = next(line for line in OFFER.splitlines() if line.startswith("a=ice-ufrag:")).partition(":")[2]
    assert (await rig.answer("PATCH", session, headers=FRAGMENT, data=trickled.format(mine)))[0] == 204
    before = rig.whip.by_key(session.rsplit("/", 1)[1]).etag
    status, headers, text = await rig.answer("PATCH", session, headers=FRAGMENT, data=trickled.format("anew"))
    assert status == 200
    assert headers["ETag"] != before
    (peer,) = rig.plane.peers.values()
    assert len(peer.ufrags) == 2
    assert f"a=ice-ufrag:{peer.ufrags[1]}" in text
    assert (await rig.answer("PATCH", session, headers=FRAGMENT, data="nonsense"))[0] == 400


async def test_his_leave_ends_the_session(rig: WebRig) -> None:
    session = await published(rig, SDP | rig.bearer(Action.PUBLISH, stream="cam", lifetime_s=3.0))
    await until(lambda: not rig.plane.peers)
    status, _, text = await rig.answer("DELETE", session)
    assert status == 404
    assert "its time is over" in json.loads(text)["message"]


async def test_there_is_an_endpoint_for_who_may_publish(rig: WebRig) -> None:
    status, headers, _ = await rig.answer("GET", "/whip/cam", headers={"Authorization": f"Bearer {KEY}"})
    assert (status, headers["Accept-Post"]) == (204, "application/sdp")
    assert (await rig.answer("GET", "/whip/cam"))[0] == 401
    status, headers, _ = await rig.answer("OPTIONS", "/whip/cam")
    assert (status, headers["Allow"]) == (204, "POST, GET, OPTIONS")
