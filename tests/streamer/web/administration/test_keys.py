from __future__ import annotations

from tests.streamer.web.administration.desk import Desk


async def test_a_key_is_shown_once_and_can_be_revoked(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "encoder", "kind": "service"})
    made = await desk.done("POST", "/users/encoder/keys", {"label": "studio 1", "lifetime_s": 3600})
    assert made["key"].startswith(f"sk_{made['prefix']}_")
    (listed,) = (await desk.done("GET", "/users/encoder/keys"))["keys"]
    assert (listed["prefix"], listed["label"]) == (made["prefix"], "studio 1")
    assert listed["expires_at"] == made["expires_at"]
    assert "key" not in listed
    assert (await desk.done("GET", "/users/encoder"))["keys"] == 1
    await desk.done("POST", "/users", {"name": "other", "kind": "service"})
    wrong = f"/users/other/keys/{made['prefix']}"
    assert await desk.refused("DELETE", wrong) == (404, "no_such_key")
    await desk.done("DELETE", f"/users/encoder/keys/{made['prefix']}")
    assert (await desk.done("GET", "/users/encoder/keys"))["keys"] == []
    (added,), (removed,) = await desk.audited("key.add"), await desk.audited("key.remove")
    assert added["details"]["prefix"] == removed["details"]["prefix"] == made["prefix"]
    assert made["key"] not in str(added)


async def test_people_have_none(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "anna"})
    assert await desk.refused("POST", "/users/anna/keys", {}) == (409, "conflict")
