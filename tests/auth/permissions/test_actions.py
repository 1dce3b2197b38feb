from __future__ import annotations

from auth.permissions.actions import Action, Role, actions_of, with_sound


def test_roles_nest() -> None:
    assert actions_of(Role.VIEWER) == {Action.WATCH, Action.LISTEN}
    assert actions_of(Role.PUBLISHER) == {Action.PUBLISH}
    assert actions_of(Role.OPERATOR) == {Action.WATCH, Action.LISTEN, Action.PUBLISH, Action.MANAGE}
    assert actions_of(Role.AUDITOR) == {Action.AUDIT}
    assert actions_of(Role.ADMINISTRATOR) == set(Action)


def test_a_picture_has_its_sound() -> None:
    assert with_sound({Action.WATCH}) == {Action.WATCH, Action.LISTEN}
    for alone in ({Action.LISTEN}, {Action.PUBLISH}, set[Action]()):
        assert with_sound(alone) == alone
