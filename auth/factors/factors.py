"""Second factors together: which an account has, whether it needs one, whether what was shown is one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from auth.errors import BadCredentials
from auth.factors.passkeys import Passkeys
from auth.factors.recovery import Recovery
from auth.factors.totp import Totp
from auth.permissions.principals import Principal
from auth.storage.tables import principals

TOTP = "totp"
PASSKEY = "passkey"
RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody shows as a second factor.

    Attributes:
        code: of the authenticator app, or from the list of recovery codes.
        passkey_ticket: of the ceremony begun for this account.
        passkey_answer: the browser's answer, JSON.
    """

    code: str = ""
    passkey_ticket: str = ""
    passkey_answer: str = ""

    def __repr__(self) -> str:
        """Without what was shown."""
        return f"Proof({'passkey' if self.passkey_ticket else 'code'})"


class Factors:
    """All kinds of second factors.

    Args:
        engine: the database.
        totp: authenticator apps.
        passkeys: passkeys.
        recovery: codes on paper; they stand in for the others and are none by themselves.
    """

    def __init__(self, engine: AsyncEngine, totp: Totp, passkeys: Passkeys, recovery: Recovery) -> None:
        self._engine = engine
        self.totp = totp
        self.passkeys = passkeys
        self.recovery = recovery

    async def enrolled(
        self, principal_id: str, *, connection: AsyncConnection | None = None
    ) -> frozenset[str]:
        """What an account can show: of "totp", "passkey", "recovery". Empty when it has no second factor."""
        if connection is None:
            async with self._engine.connect() as own:
                return await self.enrolled(principal_id, connection=own)
        found: set[str] = set()
        if await self.totp.has(principal_id, connection=connection):
            found.add(TOTP)
        if await self.passkeys.has(principal_id, connection=connection):
            found.add(PASSKEY)
        if found and await self.recovery.left(principal_id, connection=connection):
            found.add(RECOVERY)
        return frozenset(found)

    async def required(self, principal: Principal, *, connection: AsyncConnection | None = None) -> bool:
        """Whether a group it is in says that it needs one."""
        if not principal.groups:
            return False
        if connection is None:
            async with self._engine.connect() as own:
                return await self.required(principal, connection=own)
        strict = select(principals.c.id).where(
            principals.c.id.in_(principal.groups), principals.c.factor_required.is_(True)
        )
        return (await connection.execute(strict.limit(1))).one_or_none() is not None

    async def check(self, principal_id: str, proof: Proof) -> str:
        """Which factor was shown.

        Raises:
            BadCredentials: none of this account's.
        """
        if proof.passkey_ticket:
            await self.passkeys.finish_authentication(
                proof.passkey_ticket, proof.passkey_answer, principal_id
            )
            return PASSKEY
        if await self.totp.verify(principal_id, proof.code):
            return TOTP
        if await self.recovery.verify(principal_id, proof.code):
            return RECOVERY
        raise BadCredentials("this code is wrong, or was used already")

    async def reset(self, principal_id: str) -> None:
        """Forget all of an account's, as an administrator does for who lost everything."""
        await self.totp.remove(principal_id)
        await self.recovery.remove(principal_id)
        for passkey in await self.passkeys.passkeys_of(principal_id):
            await self.passkeys.remove(principal_id, passkey.id)
