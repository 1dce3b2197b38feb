from __future__ import annotations

import json

from sqlalchemy import update

from auth.audit.entries import audit_log
from auth.permissions.actions import Role
from tests.streamer.web.administration.desk import Desk


async def test_the_newest_first_page_by_page(desk: Desk) -> None:
    for number in range(5):
        await desk.done("POST", "/users", {"name": f"anna {number}"})
    first = await desk.done("GET", "/audit?what=user.add&limit=3")
    assert [entry["target_name"] for entry in first["entries"]] == ["anna 4", "anna 3", "anna 2"]
    rest = await desk.done("GET", f"/audit?what=user&limit=3&before={first['before']}")
    assert [entry["details"]["name"] for entry in rest["entries"]] == ["anna 1", "anna 0"]
    assert rest["before"] is None


async def test_filters(desk: Desk) -> None:
    boss = await desk.somebody("boss", Role.ADMINISTRATOR)
    await desk.done("POST", "/users", {"name": "anna"}, by=boss)
    await desk.done("POST", "/users", {"name": "berta"})
    assert (await desk.answer("GET", "/whep/closed", headers={"Authorization": "Bearer no"}))[0] == 401
    assert len(await desk.audited("refused.watch")) == 1
    for query, count in (
        ("target=anna", 1),
        ("outcome=refused", 1),
        ("what=user.add&address=127.0.0.1", 2),
        ("what=user.add&address=192.0.2.1", 0),
        ("until=1", 0),
        ("what=user.add&since=1", 2),
    ):
        assert len((await desk.done("GET", f"/audit?{query}"))["entries"]) == count, query
    for wrong in ("limit=0", "since=soon", "outcome=odd"):
        assert await desk.refused("GET", f"/audit?{wrong}") == (400, "bad_request")


async def test_export_and_verification(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "anna"})
    status, headers, text = await desk.answer("GET", "/api/v1/audit/export?what=user", headers=desk.admin)
    assert (status, headers["Content-Type"]) == (200, "application/jsonl")
    assert [json.loads(line)["what"] for line in text.splitlines()] == ["user.add"]
    assert (await desk.done("GET", "/audit/verification"))["is_whole"]
    async with desk.identity.engine.begin() as connection:
        await connection.execute(update(audit_log).where(audit_log.c.seq == 1).values(who="somebody else"))
    verdict = await desk.done("GET", "/audit/verification")
    assert (verdict["is_whole"], verdict["first_broken"], verdict["why"]) == (False, 1, "it was changed")
    assert len(await desk.audited("audit.verify")) == 2
    assert len(await desk.audited("audit.export")) == 1


async def test_auditors_read_that_and_nothing_else(desk: Desk) -> None:
    auditor = await desk.somebody("auditor", Role.AUDITOR)
    for path in ("/audit", "/audit/export", "/audit/verification"):
        async with desk.client.get(f"/api/v1{path}", headers=auditor) as response:
            assert response.status == 200
    for path in ("/users", "/groups", "/grants", "/tokens", "/streams", "/viewers", "/server"):
        assert await desk.refused("GET", path, by=auditor) == (403, "forbidden")
    operator = await desk.somebody("operator", Role.OPERATOR)
    assert await desk.refused("GET", "/audit", by=operator) == (403, "forbidden")
    (entry,) = await desk.audited("audit.read")
    assert entry["who"].startswith("token:")


async def test_kicks_and_looks_at_viewers_are_kept(desk: Desk) -> None:
    desk.publish_to("cam")
    await desk.watch()
    (viewer,) = (await desk.done("GET", "/viewers"))["viewers"]
    await desk.done("DELETE", f"/viewers/{viewer['id']}")
    (kick,), (look,) = await desk.audited("viewer.kick"), await desk.audited("viewer.list")
    assert (kick["target"], kick["details"]) == (viewer["id"], {"stream": "cam"})
    assert look["details"] == {"count": 1}
