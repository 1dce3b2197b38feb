from __future__ import annotations

import pytest
import typer

from auth.permissions.actions import Action, Role
from ops.commands.desk import day, moment, role_or_action, seconds, table


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
