"""The keys that sign our own tokens: in the database, sealed by the vault, replaced with an overlap.

The newest key that is in force signs. One that was replaced goes on verifying until the last token it can
have signed is over, and then does not count any more. A key that others may know is replaced without
overlap: all it signed ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Column, Double, String, Table, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.errors import AuthUnavailable
from auth.storage.schema import bump, metadata
from auth.vault.rewrap import SealedColumn, register
from auth.vault.sealing import Sealer

#: RFC 7518 section 3.2: a key as long as the hash output at least.
_SECRET_BYTES = 32
_ALGORITHM = "HS256"

token_keys = Table(
    "auth_token_key",
    metadata,
    Column("kid", String(16), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("sealed", String(512), nullable=False),
    Column("created_at", Double, nullable=False),
    # None while it is in force; then until when it verifies.
    Column("verifies_until", Double),
)


def _context(kid: str) -> str:
    return f"token-key:{kid}"


register(SealedColumn(token_keys, "sealed", lambda row: _context(row["kid"])))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, and the only algorithm it is ever used with.

    Attributes:
        verifies_until: None while it is in force.
    """

    kid: str
    algorithm: str
    secret: bytes = field(repr=False)
    created_at: float
    verifies_until: float | None = None

    def verifies(self, now: float) -> bool:
        """Whether what it signed still counts."""
        return self.verifies_until is None or now < self.verifies_until


class KeyRing:
    """The keys at one moment; immutable."""

    def __init__(self, keys: Mapping[str, SigningKey]) -> None:
        self._keys = dict(keys)
        in_force = [key for key in self._keys.values() if key.verifies_until is None]
        self._signer = max(in_force, key=lambda key: (key.created_at, key.kid), default=None)

    def __repr__(self) -> str:
        return f"KeyRing({sorted(self._keys)})"

    @property
    def signer(self) -> SigningKey:
        """The key that signs.

        Raises:
            AuthUnavailable: there is none yet.
        """
        if self._signer is None:
            raise AuthUnavailable("there is no key to sign tokens with; the server makes one when it starts")
        return self._signer

    def find(self, kid: str, now: float) -> SigningKey | None:
        """The key of this id, if what it signed still counts."""
        key = self._keys.get(kid)
        return key if key is not None and key.verifies(now) else None


async def load_keys(connection: AsyncConnection, vault: Sealer) -> KeyRing:
    """All keys, opened.

    Raises:
        VaultError: the master key that sealed one is not here.
    """
    keys = {}
    for row in (await connection.execute(select(token_keys))).mappings():
        secret = vault.open(row["sealed"], _context(row["kid"]))
        keys[row["kid"]] = SigningKey(
            row["kid"], row["algorithm"], secret, row["created_at"], row["verifies_until"]
        )
    return KeyRing(keys)


async def ensure_key(connection: AsyncConnection, vault: Sealer, now: float) -> None:
    """Make the first key. Two processes that do it at once make two, and both verify."""
    if (await connection.execute(select(token_keys.c.kid).where(_IN_FORCE).limit(1))).first() is None:
        await _add(connection, vault, now)


async def rotate_keys(connection: AsyncConnection, vault: Sealer, now: float, overlap_s: float) -> str:
    """Make a new key sign.

    Args:
        connection: the transaction to work in.
        vault: seals the new key.
        now: seconds since 1970.
        overlap_s: how long tokens of the present keys still count: the longest life a token can have; 0 when
            a key has become known to others.

    Returns:
        The id of the new key.
    """
    until = now + overlap_s
    # A later rotation may cut an overlap short, but never lengthens one.
    await connection.execute(
        update(token_keys)
        .where(or_(_IN_FORCE, token_keys.c.verifies_until > until))
        .values(verifies_until=until)
    )
    await connection.execute(delete(token_keys).where(token_keys.c.verifies_until <= now))
    return await _add(connection, vault, now)


async def _add(connection: AsyncConnection, vault: Sealer, now: float) -> str:
    kid = secrets.token_hex(4)
    sealed = vault.seal(secrets.token_bytes(_SECRET_BYTES), _context(kid))
    await connection.execute(
        insert(token_keys).values(
            kid=kid, algorithm=_ALGORITHM, sealed=sealed, created_at=now, verifies_until=None
        )
    )
    await bump(connection)
    return kid


_IN_FORCE = token_keys.c.verifies_until.is_(None)
