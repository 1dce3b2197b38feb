from __future__ import annotations

import pytest
import typer

from auth.permissions.actions import Action, Role
from ops.commands.desk import day, role_or_action, seconds, table


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1.5 h", 5400), ("7d", 604_800)]
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "0s", "1w", "1h30m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a duration"):
        seconds(text)


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
