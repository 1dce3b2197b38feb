"""Everything decisions need, read from the database at one moment and never changed after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from auth.permissions.actions import Action
from auth.permissions.directory import Directory, DirectoryLoader
from auth.permissions.grants import Grant, GrantKind, list_grants
from auth.permissions.patterns import matches
from auth.permissions.principals import Principal
from auth.storage.schema import generation
from auth.tokens.issued import EVERYBODY, load_cutoffs, load_revoked
from auth.tokens.signing import KeyRing, load_keys
from auth.turns import in_turns
from auth.vault.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Right:
    """That an action is allowed, by the best grant there is for it.

    Attributes:
        expires_at: of the grant that lasts longest; None for never.
        support: whether there are only grants of support access for it.
    """

    expires_at: float | None
    support: bool

    def with_another(self, other: Right) -> Right:
        """What two grants together amount to."""
        if self.expires_at is None and not self.support:
            return self
        return Right(_later(self.expires_at, other.expires_at), self.support and other.support)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Who may do what.

    Attributes:
        generation: of the database when the reading began; a later change has another one.
        read_at: when the reading began, seconds since 1970.
        grants: by principal.
        revoked: ids of tokens that do not count.
        cutoffs: by issuing subject; what was issued up to then does not count.
    """

    generation: int
    read_at: float
    directory: Directory
    ring: KeyRing
    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()
    cutoffs: Mapping[str, float] = field(default_factory=dict)

    def granted(self, principal: Principal) -> Iterable[Grant]:
        """All grants to somebody and the groups he is in, those that are over included."""
        yield from self.grants.get(principal.id, ())
        if principal.groups:
            disabled = self.directory.disabled
            for group in principal.groups:
                if group in self.grants and group not in disabled:
                    yield from self.grants[group]

    def rights(self, principal: Principal, stream: str, now: float) -> dict[Action, Right]:
        """What somebody may do to a stream, or to the server for ""."""
        rights: dict[Action, Right] = {}
        for grant in self.granted(principal):
            if grant.is_over(now) or not matches(grant.stream, stream):
                continue
            right = Right(grant.expires_at, grant.kind is GrantKind.SUPPORT)
            for action in grant.actions:
                before = rights.get(action)
                rights[action] = right if before is None else before.with_another(right)
        return rights

    def issued_until(self, subject: str) -> float:
        """Tokens that a subject issued up to this time do not count; negative when all do."""
        return max(self.cutoffs.get(subject, -1.0), self.cutoffs.get(EVERYBODY, -1.0))


def _later(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else max(first, second)


async def load_snapshot(
    connection: AsyncConnection, vault: Sealer, directory: DirectoryLoader, now: float
) -> Snapshot:
    """Read everything.

    Raises:
        VaultError: a signing key cannot be opened.
    """
    # First: what changes while the rest is read shows as another generation the next time.
    number = await generation(connection)
    grants: dict[str, list[Grant]] = {}
    async for grant in in_turns(await list_grants(connection)):
        grants.setdefault(grant.principal_id, []).append(grant)
    return Snapshot(
        generation=number,
        read_at=now,
        directory=await directory(connection),
        ring=await load_keys(connection, vault),
        grants={principal_id: tuple(given) for principal_id, given in grants.items()},
        revoked=await load_revoked(connection, now),
        cutoffs=await load_cutoffs(connection),
    )
