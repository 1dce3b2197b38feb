from __future__ import annotations

import time

import pytest

from auth.permissions.actions import Action, Role
from tests.streamer.web.administration.desk import Desk


async def test_from_giving_to_taking_back(desk: Desk) -> None:
    anna = await desk.done("POST", "/users", {"name": "anna"})
    given = await desk.done(
        "POST",
        "/grants",
        {"to": "anna", "what": "viewer", "stream": "studio-*", "lifetime_s": 3600, "reason": "she asked"},
    )
    assert given["to"] == {"id": anna["id"], "name": "anna", "kind": "user"}
    assert (given["actions"], given["granted_by"]) == (["listen", "watch"], "@server")
    assert 3500 < given["expires_at"] - time.time() <= 3600
    one = f"/grants/{given['id']}"
    for query in ("", "?to=anna", f"?to={anna['id']}&kind=normal"):
        assert (await desk.done("GET", f"/grants{query}"))["grants"] == [given]
    assert (await desk.done("GET", "/grants?kind=support"))["grants"] == []
    assert (await desk.done("PATCH", one, {"expires_at": None}))["expires_at"] is None
    await desk.done("DELETE", one)
    assert await desk.refused("DELETE", one) == (404, "no_such_grant")
    (added,), (changed,) = await desk.audited("grant.add"), await desk.audited("grant.change")
    assert (added["target"], added["details"]["stream"]) == (given["id"], "studio-*")
    assert changed["details"]["expired_before"] == given["expires_at"]
    assert len(await desk.audited("grant.remove")) == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"to": "none"}, (404, "no_such_account")),
        ({"what": "see"}, (400, "bad_request")),
        ({"stream": "*cam"}, (400, "bad_grant")),
        ({"expires_at": 1.0}, (400, "bad_grant")),
        ({"expires_at": 1e10, "lifetime_s": 5}, (400, "bad_request")),
        ({"kind": "support"}, (400, "bad_grant")),
        ({"kind": "support", "lifetime_s": 80 * 3600}, (400, "bad_grant")),
    ],
)
async def test_what_cannot_be_given(desk: Desk, wrong: dict[str, object], expected: tuple[int, str]) -> None:
    await desk.done("POST", "/users", {"name": "anna"})
    body = {"to": "anna", "what": "viewer", "stream": "cam"} | wrong
    assert await desk.refused("POST", "/grants", body) == expected


async def test_support_access_ends_by_itself(desk: Desk) -> None:
    boss = await desk.somebody("boss", Role.ADMINISTRATOR)
    await desk.done("POST", "/users", {"name": "helper"})
    body = {"to": "helper", "what": "operator", "stream": "*", "kind": "support", "lifetime_s": 7200}
    given = await desk.done("POST", "/grants", body, by=boss)
    assert (given["kind"], given["granted_by_name"]) == ("support", "boss")
    (listed,) = (await desk.done("GET", "/grants?kind=support"))["grants"]
    assert listed["id"] == given["id"]


async def test_who_administers_some_streams_gives_those(desk: Desk) -> None:
    boss = await desk.somebody("studio boss", Role.ADMINISTRATOR, "studio-*")
    await desk.done("POST", "/users", {"name": "anna"})
    hers = await desk.done("POST", "/grants", {"to": "anna", "what": "viewer", "stream": "cam"})
    body = {"to": "anna", "what": "publisher", "stream": "studio-1"}
    given = await desk.done("POST", "/grants", body, by=boss)
    assert given["granted_by_name"] == "studio boss"
    shown = {grant["stream"] for grant in (await desk.done("GET", "/grants", by=boss))["grants"]}
    assert shown == {"studio-*", "studio-1"}
    for method, path, beyond in (
        ("POST", "/grants", body | {"stream": "*"}),
        ("POST", "/grants", body | {"stream": "cam"}),
        ("DELETE", f"/grants/{hers['id']}", None),
        ("PATCH", f"/grants/{hers['id']}", {"lifetime_s": 5}),
        ("GET", "/users", None),
    ):
        assert await desk.refused(method, path, beyond, by=boss) == (403, "forbidden"), path
    await desk.done("DELETE", f"/grants/{given['id']}", by=boss)


@pytest.mark.parametrize("what", sorted({*Role, *Action} - {Role.ADMINISTRATOR, Action.ADMIN}))
async def test_others_give_nothing(desk: Desk, what: Role | Action) -> None:
    somebody = await desk.somebody("somebody", what)
    body = {"to": "somebody", "what": "administrator", "stream": "*"}
    assert await desk.refused("POST", "/grants", body, by=somebody) == (403, "forbidden")
    assert await desk.refused("GET", "/grants", by=somebody) == (403, "forbidden")
    assert await desk.refused("GET", "/grants", by={}) == (401, "unauthorized")


async def test_what_is_given_and_taken_back_counts_for_the_next_request(desk: Desk) -> None:
    anna = await desk.somebody("anna", Role.VIEWER)
    given = await desk.done("POST", "/grants", {"to": "anna", "what": "operator", "stream": "*"})
    await desk.done("GET", "/server", by=anna)
    await desk.done("DELETE", f"/grants/{given['id']}")
    assert await desk.refused("GET", "/server", by=anna) == (403, "forbidden")
