"""Who there is, as far as decisions need to know: what the accounts' side hands to the authority."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.credentials import API_KEY_MARK
from auth.permissions.principals import Kind, Principal
from auth.vault.comparing import same_secret
from auth.vault.digests import digest


@dataclass(frozen=True, slots=True)
class ApiKeyOwner:
    """Whose an API key is.

    Attributes:
        hash: digest of the whole key.
        expires_at: seconds since 1970; None for no end.
    """

    principal_id: str
    hash: str = field(repr=False)
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """All accounts and groups at one moment.

    Attributes:
        principals: by id; each knows all its groups, through other groups too.
        disabled: ids of those who may do nothing for now.
        sessions: handles of all sessions that count, None when sessions are not looked at. One that is
            missing ends what was opened with it before this was read.
        api_keys: all keys that count, by prefix; a missing one ends things in the same way.
    """

    principals: Mapping[str, Principal] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    sessions: frozenset[str] | None = None
    api_keys: Mapping[str, ApiKeyOwner] | None = None

    def active(self, principal_id: str) -> Principal | None:
        """Somebody who is there and not disabled."""
        principal = self.principals.get(principal_id)
        return None if principal is None or principal_id in self.disabled else principal

    def owner_of(self, key: str) -> tuple[str, ApiKeyOwner] | None:
        """The prefix of an API key and whose it is; None when it is nobody's."""
        prefix = key.removeprefix(API_KEY_MARK).partition("_")[0]
        owner = (self.api_keys or {}).get(prefix)
        return (prefix, owner) if owner is not None and same_secret(digest(key), owner.hash) else None

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
