from __future__ import annotations

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


def test_what_cannot_be(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("group", "add", "crew")
    assert "is taken" in streamer.refused("user", "add", "ANNA")
    assert "cannot be a name" in streamer.refused("user", "add", "a/b")
    assert "no account" in streamer.refused("user", "disable", "berta")
    assert "is a group" in streamer.refused("user", "disable", "crew")
    assert "will not do" in streamer.refused("user", "password", "anna", stdin="short\n")


def test_the_last_administrator_stays(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("grant", "add", "anna", "administrator", "--stream", "*")
    assert "nobody who can administer" in streamer.refused("user", "disable", "anna")
