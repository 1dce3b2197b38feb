"""The way in, the same for every protocol: decide, ask the webhook, take a seat, and be watched from then on.

Without a webhook the authority alone decides. With one, it has a say in every `publish`, `watch` and
`listen`: whom the authority knows and lets in, it may still refuse; whom nothing here knows, it may let in.
It cannot overrule a refusal of the authority to somebody known, as a token that was revoked or a wrong
publish key.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from auth.access.authority import Authority
from auth.access.permit import Basis, Permit, earlier
from auth.access.seats import Seat, Seats
from auth.access.watch import PermitWatch, Registration
from auth.access.webhook import Question, Verdict, Webhook
from auth.errors import AuthError, AuthUnavailable, BadCredentials, Forbidden, TokenInvalid
from auth.permissions.actions import Action, with_sound
from auth.permissions.credentials import (
    Credential,
    KeyCredential,
    NoCredential,
    PasswordCredential,
    TokenCredential,
)
from auth.permissions.principals import ANONYMOUS, Kind, Principal
from auth.permissions.protocols import PROTOCOLS, Protocol
from auth.tokens.jwks import KeyNotSeen

#: What a webhook has a say in.
ASKED_OUTSIDE = frozenset({Action.PUBLISH, Action.WATCH, Action.LISTEN})
#: A webhook that limits somebody to one use and says no end: for how long that is remembered.
_REMEMBER_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks for what, and how.

    Attributes:
        address: without port.
        public: whether the stream may be watched and heard by anybody.
    """

    credential: Credential
    action: Action
    protocol: Protocol
    stream: str = ""
    address: str = ""
    public: bool = False


#: Told of every answer; from any thread, and must not block.
Witness: TypeAlias = Callable[[Ask, Permit | AuthError], None]


class Entry:
    """Somebody who is in, until `close`. Thread-safe."""

    def __init__(self, permit: Permit, seat: Seat, watch: PermitWatch, end: Callable[[str], None]) -> None:
        self.permit = permit
        self._seat = seat
        self._watch = watch
        self._registration: Registration = watch.add(permit, end)

    def close(self) -> None:
        """He has left, by himself or because he was told to; again is no error."""
        self._watch.remove(self._registration)
        self._seat.release()


class Door:
    """Lets in. `enter` and `check` on the event loop, `screen` and `enter_from_thread` from other threads.

    Args:
        authority: decides.
        seats: count.
        watch: ends what is not permitted any more.
        webhook: has a say.
        witness: is told of every answer.
        loop: the event loop; the running one when it is not given.
    """

    def __init__(
        self,
        authority: Authority,
        seats: Seats,
        watch: PermitWatch,
        *,
        webhook: Webhook | None = None,
        witness: Witness | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._authority = authority
        self._seats = seats
        self._watch = watch
        #: Has a say; may be replaced at any time.
        self.webhook = webhook
        self._witness = witness
        self._loop = loop or asyncio.get_running_loop()

    async def check(self, ask: Ask) -> Permit:
        """Whether somebody may do something that is done at once, as a request to the API.

        Raises:
            AuthError: he may not; says why.
        """
        try:
            permit = await self._permit(ask)
        except AuthError as refusal:
            self._tell(ask, refusal)
            raise
        self._tell(ask, permit)
        return permit

    async def enter(self, ask: Ask, end: Callable[[str], None]) -> Entry:
        """Let somebody in for something that goes on.

        Args:
            ask: for what.
            end: called once, on the event loop, with the reason when his leave ends. It must not block, and
                have the entry closed.

        Raises:
            AuthError: he may not; says why.
        """
        try:
            permit = await self._permit(ask)
            seat = await self._seats.admit(permit)
        except AuthError as refusal:
            self._tell(ask, refusal)
            raise
        return self._in(ask, permit, seat, end)

    async def choose(self, asks: Sequence[Ask]) -> Ask:
        """The first of several that would be let in by what is known here; the first of all if none would.

        Nobody is told, nor asked but for keys of an outside issuer.
        """
        for ask in asks if len(asks) > 1 else ():
            try:
                await self._local(ask)
            except AuthError:
                continue
            return ask
        return asks[0]

    def may(self, ask: Ask) -> bool:
        """Whether somebody may do something, for lists of what to offer him: nobody is told, nor asked."""
        try:
            self._decide(ask)
        except AuthError:
            return False
        return True

    def screen(self, ask: Ask) -> None:
        """Refuse at once who would be refused by what is known here; from any thread, and never waits.

        Whoever passes must still `enter`: nothing is counted, and others may have to be asked.

        Raises:
            AuthError: he may not; says why.
        """
        outside = self.webhook is not None and ask.action in ASKED_OUTSIDE
        if outside and not self._authority.knows(ask.credential):
            return
        try:
            self._decide(ask)
        except KeyNotSeen:
            return
        except AuthError as refusal:
            self._tell(ask, refusal)
            raise

    def enter_from_thread(self, ask: Ask, end: Callable[[str], None], timeout_s: float = 5.0) -> Entry:
        """As `enter`, for a thread that has to answer a caller.

        The event loop is used only when something must be asked or written: a webhook, keys of an outside
        issuer, a token for one use.

        Args:
            ask: for what.
            end: as in `enter`; still called on the event loop.
            timeout_s: for what must be asked or written.

        Raises:
            AuthError: he may not; says why.
        """
        if self.webhook is None or ask.action not in ASKED_OUTSIDE:
            try:
                permit = self._decide(ask)
                if not permit.limits.once:
                    return self._in(ask, permit, self._seats.take(permit), end)
            except KeyNotSeen:
                pass
            except AuthError as refusal:
                self._tell(ask, refusal)
                raise
        future = asyncio.run_coroutine_threadsafe(self.enter(ask, end), self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            # Not cancelled: who got in in this very moment must be shown out again.
            future.add_done_callback(_show_out)
            raise AuthUnavailable("who decides did not answer in time") from None

    def _in(self, ask: Ask, permit: Permit, seat: Seat, end: Callable[[str], None]) -> Entry:
        self._tell(ask, permit)
        return Entry(permit, seat, self._watch, end)

    def _tell(self, ask: Ask, answer: Permit | AuthError) -> None:
        if self._witness is not None:
            self._witness(ask, answer)

    def _decide(self, ask: Ask) -> Permit:
        _check_protocol(ask)
        return self._authority.decide(ask.credential, ask.action, ask.stream, ask.address, public=ask.public)

    async def _permit(self, ask: Ask) -> Permit:
        _check_protocol(ask)
        webhook = self.webhook if ask.action in ASKED_OUTSIDE else None
        try:
            permit = await self._local(ask)
        except (BadCredentials, TokenInvalid, Forbidden):
            if webhook is None or self._authority.knows(ask.credential):
                raise
            return self._from_outside(ask, await webhook.ask(_question(ask, None)))
        if webhook is None:
            return permit
        try:
            verdict = await webhook.ask(_question(ask, permit))
        except AuthUnavailable:
            if webhook.config.may_be_missed:
                return permit
            raise
        return replace(
            permit,
            expires_at=earlier(permit.expires_at, verdict.expires_at),
            credential_expires_at=earlier(permit.credential_expires_at, verdict.expires_at),
        )

    async def _local(self, ask: Ask) -> Permit:
        version = self._authority.version
        try:
            return self._decide(ask)
        except KeyNotSeen as unseen:
            await unseen.verifier.refresh()
            return self._decide(ask)
        except (BadCredentials, TokenInvalid, Forbidden):
            # A command may have given him in this moment what he comes with.
            if not await self._authority.catch_up(version):
                raise
            return self._decide(ask)

    def _from_outside(self, ask: Ask, verdict: Verdict) -> Permit:
        if not verdict.limits.admits(ask.address):
            raise Forbidden(ask.action, ask.stream, "not from this address")
        now = self._authority.clock()
        identity = _identity(ask.credential) or ask.address
        user = verdict.user
        principal = Principal(f"hook:{user}", Kind.USER, user) if user else ANONYMOUS
        ends_at = verdict.expires_at
        return Permit(
            principal=principal,
            action=ask.action,
            actions=with_sound({ask.action}),
            stream=ask.stream,
            address=ask.address,
            basis=Basis.WEBHOOK,
            decided_at=now,
            version=self._authority.version,
            expires_at=ends_at,
            credential_expires_at=now + _REMEMBER_S if ends_at is None and verdict.limits.once else ends_at,
            token_id="hook:" + hashlib.sha256(identity.encode(errors="surrogatepass")).hexdigest()[:32],
            issued_at=now,
            limits=verdict.limits,
        )


def _check_protocol(ask: Ask) -> None:
    if ask.protocol not in PROTOCOLS[ask.action]:
        raise Forbidden(ask.action, ask.stream, f"not over {ask.protocol}")


def _identity(credential: Credential) -> str:
    """What tells one who is unknown here from another: what he presented."""
    match credential:
        case TokenCredential(token):
            return token
        case PasswordCredential(name, password):
            return f"{name}\0{password}"
        case KeyCredential(presented, _):
            return presented
    return ""


def _question(ask: Ask, permit: Permit | None) -> Question:
    question = Question(ask.action, ask.stream, ask.protocol, ask.address)
    if permit is not None:
        # What he presented is good here, so it is nobody else's business.
        principal = permit.principal
        if principal is ANONYMOUS:
            return question
        return replace(
            question,
            principal={"id": principal.id, "name": principal.name, "kind": principal.kind.value},
            claims={"jti": permit.token_id, "sub": permit.token_subject} if permit.token_id else {},
        )
    match ask.credential:
        case TokenCredential(token):
            return replace(question, token=token)
        case PasswordCredential(name, password):
            return replace(question, user=name, password=password)
        case KeyCredential(presented, _):
            return replace(question, token=presented)
        case NoCredential():
            return question
    return question


def _show_out(future: concurrent.futures.Future[Entry]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()
