from __future__ import annotations

import pytest

from auth.errors import AuthError
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import TokenCredential
from auth.permissions.grants import GrantKind
from auth.signin.visitors import Visitor
from tests.streamer.web.administration.desk import Desk


async def test_from_making_to_removing(desk: Desk) -> None:
    made = await desk.done("POST", "/users", {"name": "Anna", "email": "anna@example.org"})
    assert (made["kind"], made["disabled"], made["has_password"], made["groups"]) == (
        "user",
        False,
        False,
        [],
    )
    one = f"/users/{made['id']}"
    assert await desk.done("GET", one) == await desk.done("GET", "/users/anna") == made
    assert (await desk.done("GET", "/users"))["users"] == [made]
    changed = await desk.done("PATCH", one, {"name": "Berta", "full_name": "Berta B.", "disabled": True})
    assert changed == made | {"name": "Berta", "full_name": "Berta B.", "disabled": True}
    assert (await desk.done("PATCH", one, {"disabled": False, "email": ""}))["email"] == ""
    assert await desk.done("DELETE", one) is None
    assert await desk.refused("GET", one) == (404, "no_such_account")


async def test_what_cannot_be(desk: Desk) -> None:
    await desk.done("POST", "/users", {"name": "anna"})
    assert await desk.refused("POST", "/users", {"name": "ANNA"}) == (409, "conflict")
    assert await desk.refused("POST", "/users", {"name": "a/b"}) == (409, "conflict")
    for wrong in ({}, {"name": ""}, {"name": "x", "kind": "group"}, {"name": "x", "admin": True}):
        assert await desk.refused("POST", "/users", wrong) == (400, "bad_request")
    assert await desk.refused("PATCH", "/users/none", {}) == (404, "no_such_account")
    await desk.done("POST", "/groups", {"name": "crew"})
    assert await desk.refused("DELETE", "/users/crew") == (404, "no_such_account")


async def test_the_last_administrator_stays(desk: Desk) -> None:
    await desk.somebody("boss", Role.ADMINISTRATOR)
    assert await desk.refused("DELETE", "/users/boss") == (409, "conflict")
    assert await desk.refused("PATCH", "/users/boss", {"disabled": True}) == (409, "conflict")


async def test_disabled_nothing_opens(desk: Desk) -> None:
    anna = await desk.somebody("anna", Role.OPERATOR)
    assert (await desk.ask("GET", "/streams", by=anna))[0] == 200
    await desk.done("PATCH", "/users/anna", {"disabled": True})
    await desk.identity.authority.refresh()
    token = TokenCredential(anna["Authorization"].removeprefix("Bearer "))
    with pytest.raises(AuthError, match="disabled"):
        desk.identity.authority.decide(token, Action.MANAGE)


async def test_signed_out_everywhere(desk: Desk) -> None:
    anna = await desk.done("POST", "/users", {"name": "anna"})
    sessions = desk.signin.sessions
    for _ in range(2):
        await sessions.open(anna["id"], Visitor("192.0.2.1"), method="password", with_factor=False)
    assert (await desk.done("GET", "/users/anna"))["sessions"] == 2
    await desk.done("DELETE", "/users/anna/sessions")
    assert await sessions.sessions_of(anna["id"]) == []
    (entry,) = await desk.audited("user.sign_out")
    assert entry["details"] == {"count": 2, "name": "anna"}


async def test_every_change_and_look_is_kept(desk: Desk) -> None:
    boss = await desk.somebody("boss", Role.ADMINISTRATOR)
    account = await desk.done("GET", "/users/boss")
    anna = await desk.done("POST", "/users", {"name": "anna", "email": "secret@example.org"}, by=boss)
    for _ in range(3):
        await desk.done("GET", "/users", by=boss)
    await desk.done("PATCH", f"/users/{anna['id']}", {"email": "other@example.org"}, by=boss)
    await desk.done("DELETE", "/users/anna", by=boss)
    (added,), (removed,) = await desk.audited("user.add"), await desk.audited("user.delete")
    for entry in (added, removed):
        assert entry["who"].startswith("token:")
        assert (entry["target"], entry["address"], entry["outcome"]) == (anna["id"], "127.0.0.1", "done")
        assert entry["details"]["in_name_of"] == account["id"]
    # The same look again and again is one look.
    assert len(await desk.audited("user.list")) == 1
    (changed,) = await desk.audited("user.change")
    assert "example.org" not in str(changed)


async def test_support_changes_nobodys_rights(desk: Desk) -> None:
    helper = await desk.somebody("helper", Role.ADMINISTRATOR, kind=GrantKind.SUPPORT)
    await desk.done("POST", "/users", {"name": "anna"})
    await desk.done("POST", "/groups", {"name": "crew"})
    await desk.done("GET", "/users", by=helper)
    for method, path, body in (
        ("POST", "/users", {"name": "mine"}),
        ("PATCH", "/users/anna", {"disabled": True}),
        ("POST", "/users/anna/invitation", {}),
        ("DELETE", "/users/anna", None),
        ("PUT", "/groups/crew/members/helper", None),
        ("POST", "/grants", {"to": "helper", "what": "administrator", "stream": "*"}),
        ("POST", "/tokens", {"actions": ["watch"], "streams": ["cam"], "lifetime_s": 60}),
    ):
        assert await desk.refused(method, path, body, by=helper) == (403, "forbidden"), path


class TestInvitation:
    PASSWORD = "ein Pferd frisst Holz"

    async def invited(self, desk: Desk, **options: bool) -> str:
        await desk.done("POST", "/users", {"name": "anna"})
        made = await desk.done("POST", "/users/anna/invitation", options)
        page, _, token = made["link"].partition("#token=")
        assert page == str(desk.client.make_url("/invitation"))
        return str(token)

    async def test_a_password_is_chosen_once(self, desk: Desk) -> None:
        token = await self.invited(desk)
        nobody: dict[str, str] = {}
        assert await desk.done("POST", "/invitation", {"token": token}, by=nobody) == {
            "name": "anna",
            "forget_factors": False,
        }
        short = {"token": token, "password": "short"}
        assert await desk.refused("POST", "/invitation/password", short, by=nobody) == (
            400,
            "password_refused",
        )
        body = {"token": token, "password": self.PASSWORD}
        assert (await desk.done("POST", "/invitation/password", body, by=nobody))["name"] == "anna"
        account = await desk.done("GET", "/users/anna")
        assert account["has_password"]
        assert await desk.identity.passwords.verify(account["id"], self.PASSWORD)
        for path, again in (("/invitation", {"token": token}), ("/invitation/password", body)):
            assert await desk.refused("POST", path, again, by=nobody) == (401, "token_invalid")
        done, refused = await desk.audited("user.redeem")
        assert (done["who"], done["outcome"], refused["outcome"]) == (account["id"], "done", "refused")
        assert token not in str(await desk.audited("user.invite")) + str((done, refused))

    async def test_only_users_have_passwords(self, desk: Desk) -> None:
        await desk.done("POST", "/users", {"name": "encoder", "kind": "service"})
        assert await desk.refused("POST", "/users/encoder/invitation", {}) == (409, "conflict")
