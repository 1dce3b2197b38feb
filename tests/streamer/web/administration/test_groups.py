from __future__ import annotations

from auth.permissions.actions import Role
from tests.streamer.web.administration.desk import Desk


async def test_from_making_to_removing(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "anna"})
    crew = await desk.done("POST", "/groups", {"name": "crew", "factor_required": True})
    assert (crew["factor_required"], crew["members"]) == (True, [])
    assert await desk.done("PUT", "/groups/crew/members/anna") is None
    (group,) = (await desk.done("GET", "/groups"))["groups"]
    assert [(each["name"], each["sources"]) for each in group["members"]] == [("anna", [""])]
    assert [each["name"] for each in (await desk.done("GET", "/users/anna"))["groups"]] == ["crew"]
    changed = await desk.done("PATCH", "/groups/crew", {"factor_required": False, "name": "team"})
    assert (changed["name"], changed["factor_required"]) == ("team", False)
    await desk.done("DELETE", "/groups/team/members/anna")
    assert await desk.refused("DELETE", "/groups/team/members/anna") == (404, "no_such_account")
    await desk.done("DELETE", f"/groups/{crew['id']}")
    assert (await desk.done("GET", "/groups"))["groups"] == []
    kept = [len(await desk.audited(f"group.{what}")) for what in ("add", "join", "change", "leave", "delete")]
    assert kept == [1, 1, 1, 1, 1]


async def test_a_group_in_itself(desk: Desk) -> None:
    for name in ("inner", "outer"):
        await desk.done("POST", "/groups", {"name": name})
    await desk.done("PUT", "/groups/outer/members/inner")
    assert await desk.refused("PUT", "/groups/inner/members/outer") == (409, "conflict")


async def test_the_last_administrators_stay(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "boss"})
    await desk.done("POST", "/groups", {"name": "chiefs"})
    await desk.done("PUT", "/groups/chiefs/members/boss")
    await desk.done("POST", "/grants", {"to": "chiefs", "what": Role.ADMINISTRATOR, "stream": "*"})
    for method, path in (("DELETE", "/groups/chiefs"), ("DELETE", "/groups/chiefs/members/boss")):
        assert await desk.refused(method, path) == (409, "conflict")
