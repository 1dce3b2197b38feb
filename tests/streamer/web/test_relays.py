from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select

from auth.audit.entries import audit_log
from auth.permissions.actions import Action
from tests.streamer.web.rig import PASSPHRASE, WebRig

KEY = "stream-key-123456"


async def ask(
    rig: WebRig, method: str, path: str, body: object = None, headers: Any = None
) -> tuple[int, Any]:
    async with rig.client.request(
        method, path, json=body, headers=rig.admin if headers is None else headers
    ) as answer:
        text = await answer.text()
        assert KEY not in text
        assert PASSPHRASE not in text
        return answer.status, await answer.json() if text else None


def wanted(**more: Any) -> dict[str, Any]:
    return {"stream": "cam", "name": "one", "url": "rtmp://127.0.0.1:1/live", "key": KEY, **more}


async def test_a_destination_is_made_changed_and_removed(rig: WebRig) -> None:
    status, made = await ask(rig, "POST", "/api/v1/destinations", wanted(title="The evening"))
    assert status == 201
    assert (made["url"], made["has_key"], made["title"]) == ("rtmp://127.0.0.1:1/live", True, "The evening")
    path = f"/api/v1/destinations/{made['id']}"
    assert await ask(rig, "GET", path) == (200, made)
    status, changed = await ask(rig, "PATCH", path, {"title": "", "slate_s": 5})
    assert status == 200
    assert (changed["title"], changed["slate_s"], changed["has_key"]) == ("", 5, True)
    status, listed = await ask(rig, "GET", "/api/v1/relays")
    assert [(each["id"], each["state"], each["url"]) for each in listed["relays"]] == [
        (made["id"], "idle", "rtmp://127.0.0.1:1/live")
    ]
    assert await ask(rig, "DELETE", path) == (204, None)
    assert (await ask(rig, "GET", path))[0] == 404
    assert (await ask(rig, "GET", "/api/v1/destinations")) == (200, {"destinations": []})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"url": "http://127.0.0.1/x"}, "rtmps://host/app"),
    ({"url": "rtmp://127.0.0.1"}, "application"),
    ({"key": ""}, "expected key"),
    ({"url": "srt://127.0.0.1"}, "port"),
    ({"url": "srt://127.0.0.1:9?mode=listener"}, "caller"),
    ({"passphrase": PASSPHRASE}, "srt:// only"),
    ({"platform": "youtube", "url": ""}, "account"),
    ({"platform": "youtube", "account": "x"}, "no url"),
    ({"when": "scheduled"}, "starts_at"),
    ({"when": "scheduled", "starts_at": 20, "ends_at": 10}, "ends_at after"),
    ({"when": "scheduled", "starts_at": 20}, "in the past"),
    ({"name": "a b"}, "expected a name"),
    ({"stream": "closed", "passphrase": "short", "url": "srt://127.0.0.1:9"}, "10-79"),
]


async def test_what_cannot_be(rig: WebRig) -> None:
    for more, expected in REFUSED:
        status, answer = await ask(rig, "POST", "/api/v1/destinations", wanted(**more))
        assert (status, expected in answer["message"]) == (422, True), answer


async def test_one_name_once_and_streams_that_are_there(rig: WebRig) -> None:
    assert (await ask(rig, "POST", "/api/v1/destinations", wanted()))[0] == 201
    status, answer = await ask(rig, "POST", "/api/v1/destinations", wanted())
    assert (status, "called 'one' already" in answer["message"]) == (422, True)
    assert (await ask(rig, "POST", "/api/v1/destinations", wanted(stream="nowhere")))[0] == 404
    assert (await ask(rig, "POST", "/api/v1/destinations", wanted(name="two", colour="red")))[0] == 400
    assert (await ask(rig, "POST", "/api/v1/destinations", wanted(name="two", account="x"), {}))[0] == 401


async def test_an_account_must_be_there(rig: WebRig) -> None:
    body = wanted(url="", platform="youtube", account="nobodys")
    body.pop("key")
    assert (await ask(rig, "POST", "/api/v1/destinations", body))[0] == 404


async def test_a_relay_is_started_and_stopped_and_that_is_kept(rig: WebRig) -> None:
    _, made = await ask(rig, "POST", "/api/v1/destinations", wanted())
    path = f"/api/v1/relays/{made['id']}"
    status, relay = await ask(rig, "POST", f"{path}/start")
    assert (status, relay["state"]) == (200, "preparing")
    status, answer = await ask(rig, "PATCH", f"/api/v1/destinations/{made['id']}", {"title": "x"})
    assert (status, answer["error"]) == (409, "relay_busy")
    status, relay = await ask(rig, "POST", f"{path}/stop")
    assert (status, relay["state"] in ("ending", "ended")) == (200, True)
    assert (await ask(rig, "POST", "/api/v1/relays/nothing/start"))[0] == 404
    async with rig.identity.engine.connect() as connection:
        query = select(audit_log.c.what, audit_log.c.who).where(audit_log.c.target == made["id"])
        kept = [tuple(row) for row in await connection.execute(query.order_by(audit_log.c.seq))]
    assert [what for what, _ in kept] == ["destination.add", "relay.start", "relay.stop"]
    assert all(who for _, who in kept)


async def test_who_manages_a_stream_manages_where_it_goes(rig: WebRig) -> None:
    _, mine = await ask(rig, "POST", "/api/v1/destinations", wanted())
    _, other = await ask(rig, "POST", "/api/v1/destinations", wanted(stream="closed"))
    cam = rig.bearer(Action.MANAGE, stream="cam")
    watcher = rig.bearer(Action.WATCH, stream="cam")
    status, listed = await ask(rig, "GET", "/api/v1/relays", headers=cam)
    assert (status, [each["id"] for each in listed["relays"]]) == (200, [mine["id"]])
    assert (await ask(rig, "GET", "/api/v1/relays?stream=closed", headers=cam))[0] == 403
    assert (await ask(rig, "POST", f"/api/v1/relays/{mine['id']}/start", headers=cam))[0] == 200
    assert (await ask(rig, "POST", f"/api/v1/relays/{other['id']}/start", headers=cam))[0] == 403
    assert (await ask(rig, "DELETE", f"/api/v1/destinations/{other['id']}", headers=cam))[0] == 403
    assert (await ask(rig, "GET", "/api/v1/relays/nothing", headers=cam))[0] == 403
    for method, path in (("GET", "/api/v1/relays"), ("GET", f"/api/v1/relays/{mine['id']}")):
        assert (await ask(rig, method, path, headers=watcher))[0] == 403
        assert (await ask(rig, method, path, headers={}))[0] == 401


async def test_a_schedule_that_is_over_begins_nothing(rig: WebRig) -> None:
    now = time.time()
    schedule = {"when": "scheduled", "starts_at": now + 3600}
    _, made = await ask(rig, "POST", "/api/v1/destinations", wanted(**schedule))
    path = f"/api/v1/destinations/{made['id']}"
    status, answer = await ask(rig, "PATCH", path, {"starts_at": now - 7200})
    assert status == 422
    assert "starts_at lies 2:00:00 in the past; expected one to come" in answer["message"]
    assert (await ask(rig, "PATCH", path, {"title": "Evening", **schedule}))[0] == 200
    # As a form says it that knows minutes.
    assert (await ask(rig, "PATCH", path, {"starts_at": now - 59}))[0] == 200


async def test_metrics_have_every_relay(rig: WebRig) -> None:
    await ask(rig, "POST", "/api/v1/destinations", wanted())
    _, _, text = await rig.answer("GET", "/metrics")
    assert 'streamer_relay_state{relay="one",state="idle",stream="cam"} 1.0' in text
    assert 'streamer_relay_live{relay="one",stream="cam"} 0.0' in text
    assert 'streamer_relay_lag_seconds{relay="one",stream="cam"} 0.0' in text
    assert 'streamer_relay_queued_bytes{relay="one",stream="cam"} 0.0' in text
    assert KEY not in text
