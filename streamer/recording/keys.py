"""The keys that recordings are encrypted with: in the database, sealed by the vault.

So a new master key (`streamer keys rotate`) seals some few bytes anew, and no recording. Each file has a key
of its own, derived from one of these; see `sealed.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sqlalchemy import Column, Double, String, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.storage.schema import metadata
from auth.vault.rewrap import SealedColumn, register
from auth.vault.sealing import Sealer

KID_CHARACTERS = 16
_SECRET_BYTES = 32

recording_keys = Table(
    "recording_key",
    metadata,
    Column("kid", String(KID_CHARACTERS), primary_key=True),
    Column("sealed", String(512), nullable=False),
    Column("created_at", Double, nullable=False),
)


def _context(kid: str) -> str:
    return f"recording-key:{kid}"


register(SealedColumn(recording_keys, "sealed", lambda row: _context(row["kid"])))


class RecordingKeys:
    """All keys; immutable.

    Args:
        keys: by id, the one that new files are encrypted with last.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    def __repr__(self) -> str:
        return f"RecordingKeys({list(self._keys)})"

    @property
    def current(self) -> tuple[str, bytes]:
        """Id and key for new files."""
        return next(reversed(self._keys.items()))

    def find(self, kid: str) -> bytes | None:
        """The key of this id."""
        return self._keys.get(kid)


async def open_keys(connection: AsyncConnection, vault: Sealer, now: float) -> RecordingKeys:
    """All keys, opened; the first one is made. Two servers that do it at once make two.

    Args:
        connection: the transaction to work in.
        vault: seals them.
        now: seconds since 1970.

    Raises:
        VaultError: the master key that sealed one is not here.
    """
    ordered = select(recording_keys).order_by(recording_keys.c.created_at, recording_keys.c.kid)
    keys = {
        row["kid"]: vault.open(row["sealed"], _context(row["kid"]))
        for row in (await connection.execute(ordered)).mappings()
    }
    if not keys:
        kid, key = secrets.token_hex(KID_CHARACTERS // 2), secrets.token_bytes(_SECRET_BYTES)
        sealed = vault.seal(key, _context(kid))
        await connection.execute(insert(recording_keys).values(kid=kid, sealed=sealed, created_at=now))
        keys[kid] = key
    return RecordingKeys(keys)
