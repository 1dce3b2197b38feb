"""Codes that an authenticator app shows, changing every 30 s (RFC 6238).

A code counts once: the time step of the last one taken is kept, and only later steps are looked at. One step
before and one after the present are good too, because clocks differ.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.errors import BadCredentials
from auth.storage.schema import bump
from auth.storage.tables import totp_seeds
from auth.vault.comparing import same_secret
from auth.vault.rewrap import SealedColumn, register
from auth.vault.sealing import Sealer

STEP_S = 30
_DIGITS = 6
# RFC 4226, section 4: at least 128 bits, 160 recommended. All apps take 160.
_SEED_BYTES = 20


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a user takes over into the app; a secret.

    Attributes:
        seed: base32, for typing.
        uri: `otpauth://…`, for a QR code.
    """

    seed: str = field(repr=False)
    uri: str = field(repr=False)


class Totp:
    """The authenticator apps of a database's users.

    Args:
        engine: the database.
        sealer: encrypts the seeds; their context is `totp:<id of the account>`.
        issuer: what the app calls this server.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        sealer: Sealer,
        *,
        issuer: str = "Streamer",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._issuer = issuer
        self._clock = clock

    async def begin(self, principal_id: str, name: str) -> Enrolment:
        """Make a seed. The one in use, if any, stays so until a code of this one was shown to `confirm`."""
        seed = secrets.token_bytes(_SEED_BYTES)
        text = base64.b32encode(seed).decode()
        sealed = self._sealer.seal(seed, _context(principal_id))
        async with self._engine.begin() as connection:
            mine = totp_seeds.c.principal_id == principal_id
            changed = await connection.execute(update(totp_seeds).where(mine).values(pending=sealed))
            if not changed.rowcount:
                await connection.execute(
                    insert(totp_seeds).values(principal_id=principal_id, pending=sealed, last_step=0)
                )
        uri = pyotp.TOTP(text, digits=_DIGITS, interval=STEP_S).provisioning_uri(
            name=name, issuer_name=self._issuer
        )
        return Enrolment(text, uri)

    async def confirm(self, principal_id: str, code: str) -> None:
        """Use the seed that was begun, now that the app shows its codes.

        Raises:
            BadCredentials: this is not one of them, or none was begun.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            record = (await connection.execute(_of(principal_id))).one_or_none()
            step = self._step_of(principal_id, record.pending if record else None, code)
            if step is None:
                raise BadCredentials("this code is wrong")
            assert record is not None
            await connection.execute(
                update(totp_seeds)
                .where(totp_seeds.c.principal_id == principal_id)
                .values(sealed=record.pending, pending=None, last_step=step)
            )

    async def verify(self, principal_id: str, code: str) -> bool:
        """Whether this code is good now, which it is once."""
        async with self._engine.begin() as connection:
            record = (await connection.execute(_of(principal_id))).one_or_none()
            step = self._step_of(principal_id, record.sealed if record else None, code)
            if step is None:
                return False
            # The condition is the guard: of two who bring the same code, one changes the row.
            taken = await connection.execute(
                update(totp_seeds)
                .where(totp_seeds.c.principal_id == principal_id, totp_seeds.c.last_step < step)
                .values(last_step=step)
            )
            return bool(taken.rowcount)

    async def has(self, principal_id: str, *, connection: AsyncConnection | None = None) -> bool:
        """Whether an app is in use."""
        if connection is None:
            async with self._engine.connect() as own:
                return await self.has(principal_id, connection=own)
        used = _of(principal_id).where(totp_seeds.c.sealed.is_not(None))
        return (await connection.execute(used)).one_or_none() is not None

    async def remove(self, principal_id: str) -> None:
        """Forget the app."""
        async with self._engine.begin() as connection:
            await bump(connection)
            await connection.execute(delete(totp_seeds).where(totp_seeds.c.principal_id == principal_id))

    def _step_of(self, principal_id: str, sealed: str | None, code: str) -> int | None:
        """The time step whose code this is, of those that are good now."""
        code = "".join(code.split())
        if sealed is None or len(code) != _DIGITS or not (code.isascii() and code.isdigit()):
            return None
        seed = base64.b32encode(self._sealer.open(sealed, _context(principal_id))).decode()
        app = pyotp.TOTP(seed, digits=_DIGITS, interval=STEP_S)
        present = int(self._clock() // STEP_S)
        # All of them, so that the time taken does not tell how wrong the user's clock is.
        found = [
            step for step in (present - 1, present, present + 1) if same_secret(code, app.generate_otp(step))
        ]
        return found[-1] if found else None


def _context(principal_id: str) -> str:
    return f"totp:{principal_id}"


for _column in ("sealed", "pending"):
    register(SealedColumn(totp_seeds, _column, lambda row: _context(str(row["principal_id"]))))


def _of(principal_id: str) -> Select[*tuple[Any, ...]]:
    return select(totp_seeds).where(totp_seeds.c.principal_id == principal_id)
