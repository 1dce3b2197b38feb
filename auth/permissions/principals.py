"""Who acts: a person, an encoder or integration, a group of them, or somebody unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a principal is."""

    USER = "user"
    SERVICE = "service"
    GROUP = "group"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who can be granted something.

    Attributes:
        id: stable and unguessable; "" for ANONYMOUS. Names change, ids do not.
        name: unique among accounts and groups, as people type it.
        groups: ids of all groups it is in, through other groups too.
    """

    id: str
    kind: Kind
    name: str
    groups: frozenset[str] = field(default_factory=frozenset)


ANONYMOUS = Principal("", Kind.ANONYMOUS, "anonymous")
