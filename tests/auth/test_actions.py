from __future__ import annotations

from auth.actions import Action, Role, actions_of


def test_roles_nest() -> None:
    assert actions_of(Role.VIEWER) == {Action.WATCH, Action.LISTEN}
    assert actions_of(Role.PUBLISHER) == {Action.PUBLISH}
    assert actions_of(Role.OPERATOR) == {Action.WATCH, Action.LISTEN, Action.PUBLISH, Action.MANAGE}
    assert actions_of(Role.AUDITOR) == {Action.AUDIT}
    assert actions_of(Role.ADMINISTRATOR) == set(Action)
