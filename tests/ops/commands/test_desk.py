from __future__ import annotations

import fcntl

import pytest
import typer
from alembic import command
from sqlalchemy import Connection

from auth.permissions.actions import Action, Role
from ops.commands.desk import day, moment, role_or_action, seconds, table
from ops.identity.identity import Identity
from ops.migrations.upgrade import alembic_config
from tests.ops.commands.rig import Commands


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1.5 h", 5400), ("7d", 604_800)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1w", "1h30m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a duration"):
        seconds(text)


def test_no_duration_leads_beyond_the_calendar() -> None:
    assert seconds("36500d") == 36_500 * 86_400
    with pytest.raises(typer.BadParameter, match="expected at most 36500d"):
        seconds("99999999999999999999999d")
    assert day(1e30) == "never"


def test_moments() -> None:
    assert moment("2027-01-15").timestamp() == 1_799_971_200
    assert moment("2027-01-15T09:00:00+01:00").timestamp() == 1_800_000_000
    with pytest.raises(typer.BadParameter, match=r"'soon': expected a time such as 20"):
        moment("soon")


def test_roles_and_actions() -> None:
    assert role_or_action("viewer") is Role.VIEWER
    assert role_or_action("watch") is Action.WATCH
    with pytest.raises(typer.BadParameter, match=r"one of viewer, .*watch"):
        role_or_action("see")


def test_times() -> None:
    assert day(None) == "-"
    assert day(1_800_000_000) == "2027-01-15T08:00:00Z"


def test_columns(capsys: pytest.CaptureFixture[str]) -> None:
    table([])
    table([("a", "bcd", ""), ("ef", "g", "h")])
    assert capsys.readouterr().out == "a   bcd\nef  g    h\n"


def test_no_command_brings_the_database_of_a_running_server_up_to_date(streamer: Commands) -> None:
    def step_back(connection: Connection) -> None:
        command.downgrade(alembic_config(connection), "-1")

    async def age(identity: Identity) -> None:
        async with identity.engine.begin() as connection:
            await connection.run_sync(step_back)

    streamer("user", "add", "anna")
    streamer.look(age)
    with (streamer.path.parent / "state" / "server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "a server of an older version" in streamer.refused("user", "list")
        assert "a server of an older version" in streamer.refused("user", "list")
    assert "anna" in "".join(streamer("user", "list"))
    with (streamer.path.parent / "state" / "server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "anna" in "".join(streamer("user", "list"))
