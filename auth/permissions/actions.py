"""What can be done to a stream or the server, and the roles that bundle it.

A role includes everything of the roles below it:

    administrator ─▶ operator ─▶ viewer, publisher
                  └▶ auditor
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from functools import cache


class Action(StrEnum):
    """What is asked for. `manage` and `admin` without a stream are about the server."""

    # An Enum's own is a function in Python, and every decision looks up a dozen of these.
    __hash__ = str.__hash__

    PUBLISH = "publish"  #: push into it
    WATCH = "watch"  #: see the picture and hear its sound
    LISTEN = "listen"  #: hear the sound alone
    MANAGE = "manage"  #: relays, recordings, statistics, ending sessions
    ADMIN = "admin"  #: accounts, grants, configuration
    AUDIT = "audit"  #: read the audit log


class Role(StrEnum):
    """A bundle of actions."""

    VIEWER = "viewer"
    PUBLISHER = "publisher"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


_OWN: dict[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.WATCH, Action.LISTEN}),
    Role.PUBLISHER: frozenset({Action.PUBLISH}),
    Role.OPERATOR: frozenset({Action.MANAGE}),
    Role.AUDITOR: frozenset({Action.AUDIT}),
    Role.ADMINISTRATOR: frozenset({Action.ADMIN}),
}
_INCLUDES: dict[Role, tuple[Role, ...]] = {
    Role.OPERATOR: (Role.VIEWER, Role.PUBLISHER),
    Role.ADMINISTRATOR: (Role.OPERATOR, Role.AUDITOR),
}


@cache
def actions_of(role: Role) -> frozenset[Action]:
    """Everything a role allows, with what it includes."""
    return _OWN[role].union(*(actions_of(included) for included in _INCLUDES.get(role, ())))


def with_sound(actions: Set[Action]) -> frozenset[Action]:
    """What these actions come to: who may watch may listen."""
    return frozenset(actions) | _SOUND if Action.WATCH in actions else frozenset(actions)


_SOUND = frozenset({Action.LISTEN})
