"""Passkeys and security keys (WebAuthn level 3): made in the browser, kept here as public keys.

Each ceremony has two halves: options for the browser with a challenge, and the browser's answer. A challenge
is good once and for five minutes, for the account and the purpose it was made for. Answering without a name
needs user verification (a PIN, a finger), because then the passkey is both factors; behind a password it is
only asked for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import webauthn
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from auth.errors import AccountConflict, BadCredentials, NoSuchPrincipal
from auth.factors.ceremonies import NOT_ACCEPTED, Ceremony, Passkey, Shown, Site, parse_answer, transports_in
from auth.storage.pending import Pending
from auth.storage.schema import bump
from auth.storage.tables import passkeys

CHALLENGE_S = 300.0
_MAX_LABEL_CHARACTERS = 128
# Credential ids have 1023 bytes at most (WebAuthn level 3, section 4).
_ID = re.compile(r"[A-Za-z0-9_-]{1,1364}")


@dataclass(frozen=True, slots=True)
class _Challenge:
    challenge: bytes
    purpose: str
    principal_id: str | None


class Passkeys:
    """The passkeys of a database's users.

    Args:
        engine: the database.
        site: what they are bound to.
        clock: seconds since 1970.
        monotonic: seconds, for challenges.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        site: Site,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._pending: Pending[_Challenge] = Pending(CHALLENGE_S, monotonic=monotonic)

    async def begin_registration(self, principal_id: str, name: str) -> Ceremony:
        """Options for making a passkey for an account; authenticators that have one are left out."""
        options = webauthn.generate_registration_options(
            rp_id=self._site.rp_id,
            rp_name=self._site.name,
            user_id=principal_id.encode(),
            user_name=name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.PREFERRED,
            ),
            exclude_credentials=await self._descriptors(principal_id),
            timeout=int(CHALLENGE_S * 1000),
        )
        ticket = self._pending.add(_Challenge(options.challenge, "register", principal_id))
        return Ceremony(ticket, webauthn.options_to_json(options))

    async def finish_registration(
        self, ticket: str, principal_id: str, answer: str, label: str = ""
    ) -> Passkey:
        """Keep a new passkey.

        Args:
            ticket: of the first half.
            principal_id: of the session that answers; another one's answer is refused.
            answer: the browser's credential as JSON.
            label: what the user calls it.

        Raises:
            BadCredentials: the answer is not one to this challenge, from this site.
            AccountConflict: this passkey is registered already.
        """
        challenge = self._take(ticket, "register", principal_id)
        try:
            made = webauthn.verify_registration_response(
                credential=parse_answer(answer),
                expected_challenge=challenge.challenge,
                expected_rp_id=self._site.rp_id,
                expected_origin=list(self._site.origins),
            )
        except (WebAuthnException, ValueError, TypeError, KeyError) as error:
            raise BadCredentials(NOT_ACCEPTED) from error
        passkey = Passkey(
            bytes_to_base64url(made.credential_id),
            principal_id,
            label[:_MAX_LABEL_CHARACTERS],
            self._clock(),
            None,
        )
        try:
            async with self._engine.begin() as connection:
                await bump(connection)
                await connection.execute(
                    insert(passkeys).values(
                        **{field: getattr(passkey, field) for field in Passkey.__slots__},
                        public_key=made.credential_public_key,
                        sign_count=made.sign_count,
                        transports=transports_in(answer),
                    )
                )
        except IntegrityError:
            raise AccountConflict("this passkey is registered already") from None
        return passkey

    async def begin_authentication(self, principal_id: str | None = None) -> Ceremony:
        """Options for showing a passkey: an account's, or, without one, any that this site's users have."""
        options = webauthn.generate_authentication_options(
            rp_id=self._site.rp_id,
            allow_credentials=await self._descriptors(principal_id) if principal_id is not None else None,
            user_verification=UserVerificationRequirement.PREFERRED
            if principal_id is not None
            else UserVerificationRequirement.REQUIRED,
            timeout=int(CHALLENGE_S * 1000),
        )
        ticket = self._pending.add(_Challenge(options.challenge, "authenticate", principal_id))
        return Ceremony(ticket, webauthn.options_to_json(options))

    async def finish_authentication(self, ticket: str, answer: str, principal_id: str | None = None) -> Shown:
        """Whose passkey was shown. Whether the account may log in is for the caller to say.

        Args:
            ticket: of the first half.
            answer: the browser's credential as JSON.
            principal_id: as in the first half.

        Raises:
            BadCredentials: the passkey is nobody's, of another account, copied (its counter went back), or
                the answer is not one to this challenge, from this site.
        """
        challenge = self._take(ticket, "authenticate", principal_id)
        parsed = parse_answer(answer)
        credential_id = str(parsed.get("id", ""))
        if not _ID.fullmatch(credential_id):
            raise BadCredentials(NOT_ACCEPTED)
        async with self._engine.begin() as connection:
            # The lock against two answers at once, with one counter.
            await connection.execute(
                update(passkeys).where(passkeys.c.id == credential_id).values(used_at=self._clock())
            )
            wanted = select(passkeys).where(passkeys.c.id == credential_id)
            record = (await connection.execute(wanted)).one_or_none()
            if record is None or principal_id not in (None, record.principal_id):
                raise BadCredentials(NOT_ACCEPTED)
            try:
                shown = webauthn.verify_authentication_response(
                    credential=parsed,
                    expected_challenge=challenge.challenge,
                    expected_rp_id=self._site.rp_id,
                    expected_origin=list(self._site.origins),
                    credential_public_key=record.public_key,
                    credential_current_sign_count=record.sign_count,
                    require_user_verification=principal_id is None,
                )
            except (WebAuthnException, ValueError, TypeError, KeyError) as error:
                raise BadCredentials(NOT_ACCEPTED) from error
            await connection.execute(
                update(passkeys).where(passkeys.c.id == credential_id).values(sign_count=shown.new_sign_count)
            )
        return Shown(record.principal_id, shown.user_verified)

    async def passkeys_of(self, principal_id: str) -> list[Passkey]:
        """An account's, oldest first."""
        columns = (passkeys.c[name] for name in Passkey.__slots__)
        wanted = select(*columns).where(passkeys.c.principal_id == principal_id)
        async with self._engine.connect() as connection:
            found = await connection.execute(wanted.order_by(passkeys.c.created_at))
            return [Passkey(*record) for record in found]

    async def has(self, principal_id: str, *, connection: AsyncConnection | None = None) -> bool:
        """Whether an account has any."""
        if connection is None:
            async with self._engine.connect() as own:
                return await self.has(principal_id, connection=own)
        wanted = select(passkeys.c.id).where(passkeys.c.principal_id == principal_id).limit(1)
        return (await connection.execute(wanted)).one_or_none() is not None

    async def remove(self, principal_id: str, passkey_id: str) -> None:
        """Forget one.

        Raises:
            NoSuchPrincipal: the account has no such passkey.
        """
        async with self._engine.begin() as connection:
            await bump(connection)
            removed = await connection.execute(
                delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.principal_id == principal_id)
            )
            if not removed.rowcount:
                raise NoSuchPrincipal(passkey_id)

    def _take(self, ticket: str, purpose: str, principal_id: str | None) -> _Challenge:
        challenge = self._pending.take(ticket)
        if challenge is None or (challenge.purpose, challenge.principal_id) != (purpose, principal_id):
            raise BadCredentials("this took too long, or was answered already; begin again")
        return challenge

    async def _descriptors(self, principal_id: str) -> list[PublicKeyCredentialDescriptor]:
        async with self._engine.connect() as connection:
            wanted = select(passkeys.c.id, passkeys.c.transports)
            found = await connection.execute(wanted.where(passkeys.c.principal_id == principal_id))
            return [
                PublicKeyCredentialDescriptor(
                    id=webauthn.base64url_to_bytes(record.id),
                    transports=[AuthenticatorTransport(name) for name in record.transports.split()],
                )
                for record in found
            ]
