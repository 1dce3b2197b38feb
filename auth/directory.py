"""Who there is, as far as decisions need to know: what the accounts' side hands to the authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from auth.principals import Kind, Principal


@dataclass(frozen=True, slots=True)
class Directory:
    """All accounts and groups at one moment.

    Attributes:
        principals: by id; each knows all its groups, through other groups too.
        disabled: ids of those who may do nothing for now.
        sessions: handles of all sessions that count, None when sessions are not looked at. One that is
            missing ends what was opened with it before this was read.
        api_keys: ids of all keys that count, in the same way.
    """

    principals: Mapping[str, Principal] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    sessions: frozenset[str] | None = None
    api_keys: frozenset[str] | None = None

    def active(self, principal_id: str) -> Principal | None:
        """Somebody who is there and not disabled."""
        principal = self.principals.get(principal_id)
        return None if principal is None or principal_id in self.disabled else principal

    def people(self, granted: Iterable[str]) -> set[str]:
        """The enabled users and service accounts that something granted to these principals reaches.

        A disabled group gives nothing to those in it.
        """
        ids = set(granted) - self.disabled
        return {
            principal.id
            for principal in self.principals.values()
            if principal.kind is not Kind.GROUP
            and principal.id not in self.disabled
            and (principal.id in ids or not ids.isdisjoint(principal.groups))
        }


#: Reads the directory in the transaction it is given.
DirectoryLoader: TypeAlias = Callable[[AsyncConnection], Awaitable[Directory]]
