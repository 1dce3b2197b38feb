"""Somebody is erased by the command, and his names are searched for in every byte that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from auth.audit.reader import verify
from ops.identity.identity import Identity
from streamer.engagement.store import Store
from tests.ops.commands.rig import Commands
from tests.streamer.engagement.rig import Crowd

NAME, FULL_NAME, EMAIL = "zebulon-of-the-test", "Zebulon Quist", "zebulon@example.org"


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).lower()


@pytest.fixture
def erased(streamer: Commands, tmp_path: Path) -> str:
    """The id of the account that was his."""
    streamer("user", "add", NAME, "--full-name", FULL_NAME, "--email", EMAIL)
    streamer("user", "add", "bert")
    streamer("user", "password", NAME, stdin="ein Pferd frisst Holz\n")
    streamer("group", "add", "crew")
    streamer("group", "join", "crew", NAME)
    streamer("grant", "add", NAME, "viewer", "--stream", "cam")
    streamer("privacy", "requests", "--add", "export", "--user", NAME)
    assert NAME in "".join(streamer("privacy", "export", "--user", NAME))

    async def watch(identity: Identity) -> str:
        account = await identity.accounts.named(NAME)
        crowd = Crowd()
        crowd.come("his", account=account.id)
        crowd.now += 10
        crowd.go("his")
        await Store(identity.engine, clock=lambda: crowd.now).take([crowd.cut()])
        await identity.record("login", account.id, name=NAME.upper(), note=f"{EMAIL}")
        return account.id

    id = streamer.look(watch)
    for planted in (NAME, FULL_NAME, EMAIL):
        assert planted.lower().encode() in everything_in(tmp_path)
    said = "".join(streamer("privacy", "erase", "--user", NAME, "--yes"))
    assert "sessions: 1" in said
    return id


def test_no_byte_of_him_is_left(streamer: Commands, tmp_path: Path, erased: str) -> None:
    left = everything_in(tmp_path)
    for planted in (NAME, FULL_NAME, EMAIL):
        assert planted.lower().encode() not in left
    assert b"node-his" not in left
    assert b"bert" in left
    assert streamer.look(lambda identity: verify(identity.engine, identity.vault)).is_whole
    (entry,) = streamer.audited("privacy.erase")
    assert entry["target"] == erased
    assert entry["details"]["log_entries"] >= 4
    assert entry["details"]["log_changed_from"] == 1
    added, other = streamer.audited("user.add")
    assert (added["target"], added["details"]["name"]) == (erased, "(erased)")
    assert other["details"]["name"] == "bert"


def test_a_name_that_a_terminal_would_obey_is_spelt_out(streamer: Commands) -> None:
    (row,) = streamer("privacy", "requests", "--add", "export", "--user", "eve\x1b[2J\nadam")
    assert r"eve\x1b[2J\nadam" in row


def test_a_request_that_is_not_there(streamer: Commands) -> None:
    assert "there is no request 'none'" in streamer.refused("privacy", "requests", "--done", "none")


def test_a_form_that_there_is_not(streamer: Commands) -> None:
    said = streamer.refused("privacy", "export", "--user", "anna", "--format", "xml")
    assert "'xml': expected json or csv" in said
