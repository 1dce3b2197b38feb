from __future__ import annotations

from auth.permissions.directory import Directory
from auth.permissions.principals import Kind, Principal

CREW = Principal("g", Kind.GROUP, "crew")
ANN = Principal("a", Kind.USER, "ann", frozenset({"g"}))
BOB = Principal("b", Kind.USER, "bob")
ALL = {principal.id: principal for principal in (CREW, ANN, BOB)}


def test_active() -> None:
    directory = Directory(ALL, frozenset({"b"}))
    assert directory.active("a") is ANN
    assert directory.active("b") is None
    assert directory.active("nobody") is None


def test_people_are_reached_themselves_and_through_groups() -> None:
    assert Directory(ALL).people({"g"}) == {"a"}
    assert Directory(ALL).people({"a", "b", "g"}) == {"a", "b"}
    assert Directory(ALL).people({"somebody who left"}) == set()


def test_what_is_disabled_reaches_nobody() -> None:
    assert Directory(ALL, frozenset({"g"})).people({"g"}) == set()
    assert Directory(ALL, frozenset({"a"})).people({"g", "b"}) == {"b"}
