from __future__ import annotations

from typing import Any

import pytest

from auth.permissions.actions import Action, Role
from tests.streamer.web.administration.desk import Desk

WATCH = {"actions": ["watch"], "streams": ["cam"], "lifetime_s": 60}


async def test_from_issuing_to_withdrawing(desk: Desk) -> None:
    limits = {"viewers": 3, "networks": ["127.0.0.0/8"], "once": False}
    made = await desk.done(
        "POST", "/tokens", WATCH | {"streams": ["closed"], "limits": limits, "note": "him"}
    )
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert (await desk.answer("GET", "/whep/closed", headers=bearer))[0] == 204
    (listed,) = (await desk.done("GET", "/tokens"))["tokens"]
    assert (listed["id"], listed["actions"], listed["note"]) == (made["id"], ["listen", "watch"], "him")
    assert (listed["limits"], listed["link"], listed["revoked_at"]) == (limits, None, None)
    assert made["token"] not in str(listed)
    await desk.done("DELETE", f"/tokens/{made['id']}")
    await desk.identity.authority.refresh()
    assert (await desk.answer("GET", "/whep/closed", headers=bearer))[0] == 401
    assert (await desk.done("GET", "/tokens"))["tokens"][0]["revoked_at"] is not None
    (issued,), (revoked,) = await desk.audited("token.issue"), await desk.audited("token.revoke")
    assert issued["target"] == revoked["target"] == made["id"]
    assert made["token"] not in str(issued)


async def test_an_operator_has_his_own(desk: Desk) -> None:
    one, other = await desk.somebody("one", Role.OPERATOR, "cam"), await desk.somebody("other", Role.OPERATOR)
    made = await desk.done("POST", "/tokens", WATCH, by=one)
    assert [each["id"] for each in (await desk.done("GET", "/tokens", by=one))["tokens"]] == [made["id"]]
    assert (await desk.done("GET", "/tokens", by=other))["tokens"] == []
    assert await desk.refused("DELETE", f"/tokens/{made['id']}", by=other) == (404, "no_such_token")
    assert await desk.refused("POST", "/tokens", WATCH | {"streams": ["*"]}, by=one) == (403, "forbidden")
    assert await desk.refused("POST", "/tokens", WATCH | {"actions": ["admin"]}, by=one) == (403, "forbidden")
    (listed,) = (await desk.done("GET", "/tokens"))["tokens"]
    assert listed["issued_by_name"] == "one"
    await desk.done("DELETE", f"/tokens/{made['id']}", by=one)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"actions": []}, (400, "bad_request")),
        ({"actions": ["see"]}, (400, "bad_request")),
        ({"streams": ["a*b"]}, (400, "bad_grant")),
        ({"lifetime_s": 0}, (400, "bad_request")),
        ({"lifetime_s": 1e9}, (400, "bad_grant")),
        ({"limits": {"viewers": 0}}, (400, "bad_request")),
        ({"limits": {"networks": ["here"]}}, (400, "bad_grant")),
    ],
)
async def test_what_cannot_be_issued(desk: Desk, wrong: dict[str, Any], expected: tuple[int, str]) -> None:
    assert await desk.refused("POST", "/tokens", WATCH | wrong) == expected
    assert await desk.audited("token.issue") == []


async def test_who_manages_nothing_issues_nothing(desk: Desk) -> None:
    for what in (Role.VIEWER, Role.PUBLISHER, Role.AUDITOR, Action.ADMIN):
        somebody = await desk.somebody(f"a {what}", what)
        assert await desk.refused("POST", "/tokens", WATCH, by=somebody) == (403, "forbidden")
        assert await desk.refused("GET", "/tokens", by=somebody) == (403, "forbidden")


class TestLinks:
    @pytest.mark.parametrize(
        ("target", "begins", "opens"),
        [
            ("watch", "/watch/closed#token=", "/whep/closed"),
            ("embed", "/embed/closed#token=", "/whep/closed"),
            ("whep", "/whep/closed?token=", "/whep/closed"),
            ("publish", "/publish/closed#token=", "/whip/closed"),
            ("whip", "/whip/closed?token=", "/whip/closed"),
        ],
    )
    async def test_it_opens_one_stream(self, desk: Desk, target: str, begins: str, opens: str) -> None:
        made = await desk.done(
            "POST", "/links", {"stream": "closed", "target": target, "lifetime_s": 60, "note": "for friends"}
        )
        assert made["link"].startswith(str(desk.client.make_url("/")).rstrip("/") + begins)
        bearer = {"Authorization": f"Bearer {made['link'].partition('token=')[2]}"}
        other = {"/whep/closed": "/whip/closed", "/whip/closed": "/whep/closed"}[opens]
        assert (await desk.answer("GET", opens, headers=bearer))[0] == 204
        assert (await desk.answer("GET", other, headers=bearer))[0] == 403
        (listed,) = (await desk.done("GET", "/links"))["tokens"]
        assert (listed["link"], listed["streams"], listed["note"]) == (target, ["closed"], "for friends")
        await desk.done("DELETE", f"/links/{made['id']}")
        await desk.identity.authority.refresh()
        assert (await desk.answer("GET", opens, headers=bearer))[0] == 401

    async def test_to_what_is_not_offered_there_is_none(self, desk: Desk) -> None:
        wrong = {"stream": "closed", "target": "hls", "lifetime_s": 60}
        assert await desk.refused("POST", "/links", wrong) == (400, "bad_request")
        assert (await desk.done("GET", "/links"))["tokens"] == []

    async def test_tokens_are_no_links(self, desk: Desk) -> None:
        await desk.done("POST", "/tokens", WATCH)
        assert (await desk.done("GET", "/links"))["tokens"] == []

    async def test_to_a_pattern_there_is_none(self, desk: Desk) -> None:
        for stream in ("*", "studio-*", "a/b"):
            wrong = {"stream": stream, "lifetime_s": 60}
            assert await desk.refused("POST", "/links", wrong) == (400, "bad_grant")
