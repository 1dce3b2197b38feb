"""The one place that decides who may do what.

It holds a snapshot of everything that decisions need, so that deciding is a matter of memory: synchronous,
the same from every thread, and possible while the event loop or the database is busy. `run` looks for a new
generation in the database four times a second; what any process changes counts here within that time, and
`catch_up` looks before somebody is refused for what may just have changed.
`auth.access.watch` then asks again about everything that goes on.

Read `auth.access.holder` for the rules, `auth.access.snapshot` for what is known, `auth.access.door` for the
whole way in, with limits and webhook.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.holder import Holder, is_revoked
from auth.access.permit import Basis, Permit, digest_of_key
from auth.access.recognition import Recognition, check_key
from auth.access.snapshot import Snapshot, load_snapshot
from auth.errors import AuthError, AuthUnavailable, BadCredentials, Forbidden
from auth.permissions.actions import Action
from auth.permissions.credentials import (
    ApiKeyCredential,
    Credential,
    KeyCredential,
    SessionCredential,
    TokenCredential,
)
from auth.permissions.directory import DirectoryLoader
from auth.permissions.grants import NewGrant
from auth.permissions.principals import ANONYMOUS, Kind, Principal
from auth.storage.schema import glance
from auth.tokens.jwks import JwksVerifier
from auth.tokens.signing import ensure_key
from auth.tokens.tokens import TokenOrder, Tokens
from auth.vault.sealing import Sealer

_log = logging.getLogger(__name__)

#: Four looks a second, and the watch's own beat, make less than a second in all.
POLL_S = 0.25
#: What was read so long ago is read again before somebody is refused; who guesses causes 20 looks a second.
FRESH_S = 0.05
EXPIRED = "its time is over"
REVOKED = "the token was revoked"
PUBLIC_ACTIONS = frozenset({Action.WATCH, Action.LISTEN})


class Authority:
    """Decides, and says what became of what it decided.

    Args:
        engine: the database.
        vault: opens the keys that sign tokens.
        directory: reads accounts and groups.
        tokens: verifies our own tokens.
        outside: verify those of others; the caller runs them.
        clock: seconds since 1970.
        max_stale_s: for how long it decides from memory while the database does not answer.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Sealer,
        directory: DirectoryLoader,
        *,
        tokens: Tokens | None = None,
        outside: Sequence[JwksVerifier] = (),
        clock: Callable[[], float] = time.time,
        max_stale_s: float = 60.0,
    ) -> None:
        self.tokens = tokens or Tokens()
        self.clock = clock
        self._recognition = Recognition(self.tokens, outside)
        self._engine = engine
        self._vault = vault
        self._directory = directory
        self._max_stale_s = max_stale_s
        # Replaced as one, so that a thread that decides sees a whole one: version and snapshot.
        self._known: tuple[int, Snapshot] | None = None
        self._looked_at = 0.0
        self._refreshing = asyncio.Lock()

    def trust(self, outside: Sequence[JwksVerifier]) -> None:
        """Believe the tokens of these outside issuers, and of no others from now on."""
        self._recognition.trust(outside)
        if self._known is not None:
            # What was opened with a token of one who is gone must be looked at again.
            self._known = (self._known[0] + 1, self._known[1])

    @property
    def version(self) -> int:
        """Counts the snapshots; another number than before means that permits should be looked at again."""
        return 0 if self._known is None else self._known[0]

    @property
    def known(self) -> Snapshot | None:
        """What was read last, however long ago; None before the first reading."""
        return None if self._known is None else self._known[1]

    @property
    def snapshot(self) -> Snapshot:
        """What is known now.

        Raises:
            AuthUnavailable: nothing, or nothing that is recent enough.
        """
        return self._current()[1]

    async def start(self) -> None:
        """Make the first signing key if there is none, and read everything.

        Raises:
            VaultError: the master key is not the one that the database's secrets were sealed with.
            SQLAlchemyError: the database does not answer.
        """
        async with self._engine.begin() as connection:
            await ensure_key(connection, self._vault, self.clock())
        await self.refresh()

    async def refresh(self) -> bool:
        """Read everything if anything changed; whether it did. After a change, have it count at once.

        Raises:
            VaultError: a signing key cannot be opened.
            SQLAlchemyError: the database does not answer.
        """
        async with self._refreshing:
            known = self._known
            if known is not None and await glance(self._engine) == known[1].generation:
                self._looked_at = time.monotonic()
                return False
            async with self._engine.connect() as connection:
                # Before the first query, which is what a database's transaction sees the state of.
                read_at = self.clock()
                read = await load_snapshot(connection, self._vault, self._directory, read_at)
            self._known = (self.version + 1, read)
            self._looked_at = time.monotonic()
            return True

    async def catch_up(self, version: int) -> bool:
        """Look before somebody is refused, unless that was just done.

        Args:
            version: of the snapshot that refuses him.

        Returns:
            Whether there is another one now.
        """
        # Much older, and the database is away: nobody is kept waiting for that.
        if FRESH_S < time.monotonic() - self._looked_at < 4 * POLL_S:
            with suppress(SQLAlchemyError, AuthError, OSError, TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self.refresh()
        return self.version != version

    async def run(self) -> None:
        """Follow the database until cancelled; while it does not answer, decide from memory for a while."""
        failing = False
        while True:
            try:
                await self.refresh()
                if failing:
                    _log.warning("accounts and grants can be read again")
                failing = False
            # A database that is away, or one bad row, must not end the following for good.
            except Exception as error:
                if not failing:
                    # A database's own error shows the statement, and may show an address with a password.
                    known = isinstance(error, SQLAlchemyError | OSError)
                    _log.error(
                        "accounts and grants cannot be read: %s", type(error).__name__, exc_info=not known
                    )
                failing = True
            await asyncio.sleep(POLL_S)

    def identify(self, credential: Credential, address: str = "") -> Holder | None:
        """Who somebody is, whatever he may do; None for nobody in particular. From any thread.

        Raises:
            BadCredentials: what was presented is wrong, or says nothing about who it is.
            TokenInvalid: as `Tokens.verify` and `JwksVerifier.verify`; revoked; from a wrong address.
            AuthUnavailable: what is needed to decide is not known.
        """
        return self._recognition.holder(credential, address, self._current()[1], self.clock())

    def knows(self, credential: Credential) -> bool:
        """Whether somebody here can judge a credential; the rest is for a webhook, if there is one."""
        match credential:
            case TokenCredential():
                return self._recognition.is_known(credential.token)
            case KeyCredential():
                return credential.expected is not None
            case SessionCredential() | ApiKeyCredential():
                return True
        return False

    def decide(
        self,
        credential: Credential,
        action: Action,
        stream: str = "",
        address: str = "",
        *,
        public: bool = False,
    ) -> Permit:
        """Whether somebody may do something. From any thread.

        Args:
            credential: what was presented.
            action: what is asked for.
            stream: of which stream; "" for the server as a whole.
            address: where the question comes from, without port.
            public: whether the stream may be watched and heard by anybody.

        Raises:
            BadCredentials: nothing was presented where something is needed, or it is wrong.
            TokenInvalid: as `identify`.
            Forbidden: known, but not allowed.
            AuthUnavailable: what is needed to decide is not known.
        """
        version, snapshot = self._current()
        now = self.clock()
        if isinstance(credential, KeyCredential):
            check_key(credential, action, stream)
            publisher = Principal(f"key:{stream}", Kind.SERVICE, f"publisher of {stream}")
            return Permit(
                publisher, action, frozenset({action}), stream, address, Basis.KEY, now, version,
                key_digest=digest_of_key(credential.expected or ""),
            )  # fmt: skip
        holder = self._recognition.holder(credential, address, snapshot, now)
        if holder is not None:
            permit = holder.permit(snapshot, action, stream, address, now, version)
            if permit is not None:
                return permit
        if public and action in PUBLIC_ACTIONS:
            return Permit(
                ANONYMOUS, action, PUBLIC_ACTIONS, stream, address, Basis.PUBLIC, now, version
            )  # fmt: skip
        if holder is None:
            raise BadCredentials("this needs a login, a key or a token")
        raise Forbidden(action, stream)

    def still_good(self, permit: Permit, now: float) -> bool:
        """Whether what a permit rests on is all there yet."""
        return not self.why_over(permit, now)

    def why_over(self, permit: Permit, now: float) -> str:
        """Why a permit is not good any more, for the one whose session it ends; "" while it is."""
        if permit.expires_at is not None and now >= permit.expires_at:
            return EXPIRED
        if self._known is None:
            return ""
        if permit.token_id and is_revoked(
            permit.token_id, permit.token_subject, permit.issued_at, self._known[1]
        ):
            return REVOKED
        return self.standing(permit, now)[0]

    def standing(self, permit: Permit, now: float) -> tuple[str, float | None]:
        """As `why_over`, of what permits of one `Permit.standing` have in common; and until when it holds."""
        if self._known is None or permit.basis not in (Basis.GRANT, Basis.TOKEN):
            return "", None
        snapshot = self._known[1]
        directory = snapshot.directory
        if permit.signing_key and snapshot.ring.find(permit.signing_key, now) is None:
            return "the key that signed the token was withdrawn", None
        if permit.issuer and not self._recognition.trusts(permit.issuer):
            return "its issuer is not trusted any more", None
        # What began after the reading cannot be missing from it.
        if permit.decided_at < snapshot.read_at:
            if permit.session and directory.sessions is not None and permit.session not in directory.sessions:
                return "the session was ended", None
            if permit.api_key and directory.api_keys is not None and permit.api_key not in directory.api_keys:
                return "the API key was withdrawn", None
        if not permit.subject:
            return "", None
        principal = directory.active(permit.subject)
        if principal is None:
            return "the account is disabled or gone", None
        right = snapshot.rights(principal, permit.stream, now).get(permit.action)
        return ("the grant has ended", None) if right is None else ("", right.expires_at)

    def check_grant(self, credential: Credential, new: NewGrant, address: str = "") -> None:
        """Whether somebody may give a grant: who administers all that it is for, and not as support.

        Raises:
            BadGrant: nobody could give it, or it would be in another's name.
            Forbidden: this one may not.
            AuthError: as `identify`.
        """
        now = self.clock()
        new.check(now)
        self._somebody(credential, Action.ADMIN, address).check_grant(self.snapshot, new, now)

    def check_order(self, credential: Credential, order: TokenOrder, address: str = "") -> None:
        """Whether somebody may issue a token: who manages its streams and has himself all that it allows.

        Raises:
            BadGrant: it would be in another's name, or outlive the token it is asked for with.
            Forbidden: this one may not.
            AuthError: as `identify`.
        """
        self._somebody(credential, Action.MANAGE, address).check_order(self.snapshot, order, self.clock())

    def _current(self) -> tuple[int, Snapshot]:
        known = self._known
        if known is None or time.monotonic() - self._looked_at > self._max_stale_s:
            raise AuthUnavailable("accounts and grants cannot be read from the database")
        return known

    def _somebody(self, credential: Credential, action: Action, address: str) -> Holder:
        holder = self.identify(credential, address)
        if holder is None:
            raise BadCredentials(f"to {action} needs a login, a key or a token")
        return holder
