from __future__ import annotations

from pathlib import Path

import auth.permissions.matrix
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.matrix import MEANINGS, render
from auth.permissions.protocols import PROTOCOLS, Protocol


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def tables(page: str) -> list[dict[str, dict[str, str]]]:
    """The tables of a page: rows by their first cell, cells by the column's header."""
    found: list[dict[str, dict[str, str]]] = []
    header: list[str] = []
    for line in page.splitlines():
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells(line)
            found.append({})
        elif "---" not in line:
            row = cells(line)
            found[-1][row[0].strip("`")] = dict(zip(header, row, strict=True))
    return found


def test_the_documentation_is_up_to_date() -> None:
    page = Path(auth.permissions.matrix.__file__).with_name("PERMISSIONS.md")
    assert page.read_text(encoding="utf-8") == render(), (
        "run: python -m auth.permissions.matrix > auth/permissions/PERMISSIONS.md"
    )


def test_the_table_of_roles_says_what_roles_allow() -> None:
    roles, _ = tables(render())
    assert set(roles) == set(Action)
    for action in Action:
        for role in Role:
            assert (roles[action][role] == "yes") is (action in actions_of(role))
        assert roles[action]["is to"] == MEANINGS[action]


def test_the_table_of_protocols_says_where_actions_are_possible() -> None:
    _, protocols = tables(render())
    for action in Action:
        for protocol in Protocol:
            assert (protocols[action][protocol.upper()] == "yes") is (protocol in PROTOCOLS[action])
