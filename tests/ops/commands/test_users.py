from __future__ import annotations

from auth.accounts.invitations import Invitations
from auth.factors.ceremonies import Site
from auth.factors.factors import Factors
from auth.factors.passkeys import Passkeys
from auth.factors.recovery import Recovery
from auth.signin.sessions import Sessions
from auth.signin.visitors import Visitor
from auth.storage.freshness import Freshness
from ops.identity.identity import Identity
from tests.ops.commands.rig import Commands

PASSWORD = "ein Pferd frisst Holz"


def test_from_adding_to_disabling(streamer: Commands) -> None:
    streamer("user", "add", "anna", "--full-name", "Anna Blum", "--email", "anna@example.org")
    streamer("user", "add", "encoder", "--service")
    assert [line.split()[:2] for line in streamer("user", "list")] == [
        ["anna", "user"],
        ["encoder", "service"],
    ]
    streamer("user", "disable", "Anna")
    assert "disabled" in streamer("user", "list")[0]
    streamer("user", "enable", "anna")
    assert "disabled" not in streamer("user", "list")[0]
    what = [entry["what"] for entry in streamer.audited("user")]
    assert [each for each in what if each != "user.list"] == [
        "user.add",
        "user.add",
        "user.disable",
        "user.enable",
    ]


def test_a_password_from_stdin(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("user", "password", "anna", stdin=f"{PASSWORD}\n")
    anna = streamer.look(lambda identity: identity.accounts.named("anna"))
    assert streamer.look(lambda identity: identity.passwords.verify(anna.id, PASSWORD))
    assert PASSWORD not in str(streamer.audited("user"))


def test_a_new_password_ends_the_sessions_of_the_old_one(streamer: Commands) -> None:
    async def begin(identity: Identity) -> int:
        anna = await identity.accounts.named("anna")
        factors = Factors(
            identity.engine,
            identity.totp,
            Passkeys(identity.engine, Site("localhost", ())),
            Recovery(identity.engine),
        )
        sessions = Sessions(identity.engine, identity.accounts, factors, Freshness(identity.engine))
        await sessions.open(anna.id, Visitor("192.0.2.7"), method="password", with_factor=False)
        return len((await identity.directory()).sessions or ())

    async def left(identity: Identity) -> int:
        return len((await identity.directory()).sessions or ())

    streamer("user", "add", "anna")
    assert streamer.look(begin) == 1
    streamer("user", "password", "anna", stdin=f"{PASSWORD}\n")
    assert streamer.look(left) == 0


def test_what_cannot_be(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("group", "add", "crew")
    assert "is taken" in streamer.refused("user", "add", "ANNA")
    assert "cannot be a name" in streamer.refused("user", "add", "a/b")
    assert "no account" in streamer.refused("user", "disable", "berta")
    assert "is a group" in streamer.refused("user", "disable", "crew")
    assert "will not do" in streamer.refused("user", "password", "anna", stdin="short\n")


def test_who_never_chose_a_password_takes_no_administrator_s_place(streamer: Commands) -> None:
    for name in ("anna", "bert"):
        streamer("user", "add", name)
    streamer("user", "password", "anna", stdin="ein Pferd frisst Holz\n")
    (of_anna, _) = (
        streamer("grant", "add", name, "administrator", "--stream", "*")[0] for name in ("anna", "bert")
    )
    for command in ("disable", "delete"):
        assert "nobody who can administer" in streamer.refused("user", command, "anna")
    assert "the last that puts anybody in charge" in streamer.refused("grant", "remove", of_anna)
    streamer("user", "delete", "bert")
    streamer("user", "add", "robot", "--service")
    streamer("grant", "add", "robot", "administrator", "--stream", "*")
    assert "nobody who can administer" in streamer.refused("user", "delete", "anna")
    streamer("user", "add-key", "robot")
    streamer("grant", "remove", of_anna)
    streamer("user", "delete", "anna")


def test_the_last_administrator_stays(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("grant", "add", "anna", "administrator", "--stream", "*")
    assert "nobody who can administer" in streamer.refused("user", "disable", "anna")


def test_api_keys_of_a_service(streamer: Commands) -> None:
    streamer("user", "add", "encoder", "--service")
    (key,) = streamer("user", "add-key", "encoder", "--label", "studio 1", "--for", "7d")
    prefix = key.split("_")[1]
    (line,) = streamer("user", "keys", "encoder")
    assert line.split()[0] == prefix
    assert line.endswith("studio 1")
    streamer("user", "revoke-key", prefix)
    assert f"there is no API key {prefix!r}" in streamer.refused("user", "revoke-key", prefix)
    assert streamer("user", "keys", "encoder") == []
    assert [entry["what"] for entry in streamer.audited("key")] == [
        "key.add", "key.list", "key.remove", "key.list"
    ]  # fmt: skip
    assert key not in str(streamer.audited("key"))
    streamer("user", "add", "anna")
    assert "expected a service" in streamer.refused("user", "add-key", "anna")


def test_a_link_to_choose_a_password_with(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    (link,) = streamer("user", "invite", "anna")
    assert link.startswith("http://127.0.0.1:8080/invitation#token=")
    token = link.partition("#token=")[2]

    async def whose(identity: Identity) -> str:
        found = await Invitations(identity.engine, identity.accounts, identity.passwords).look(token)
        return found.name

    assert streamer.look(whose) == "anna"
    streamer("user", "delete", "anna")
    assert streamer("user", "list") == []
    assert token not in str(streamer.audited("user"))
