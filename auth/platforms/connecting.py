"""Connecting an account on a platform, with a browser or with a code for another screen.

Two steps, as single sign-on has (`auth.signin.oidc`): `begin` sends the browser to the platform, `finish`
takes what it brings back; or `begin_device` shows a code and `poll_device` asks what came of it. What comes
of either is kept by `auth.platforms.connections`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from auth.addresses import local_path
from auth.errors import BadCredentials, PlatformRefused
from auth.platforms.connections import Connections
from auth.platforms.login import PlatformLogin
from auth.platforms.oauth import AppClient, DeviceCode, Tokens, challenge_of, new_verifier
from auth.platforms.records import Connection, ConnectionState, Held
from auth.platforms.renewal import missing_words
from auth.platforms.token_store import Asker
from auth.signin.oidc import BEGUN_S, Departure
from auth.storage.pending import Pending
from auth.vault.comparing import same_secret

#: RFC 8628 section 3.5: what "slow_down" adds.
_SLOWER_S = 5.0
# Longer than any platform lets a code live.
_DEVICE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Connected:
    """What came of a login at a platform.

    Attributes:
        return_to: where on this site somebody wanted to go.
    """

    connection: Connection
    return_to: str


@dataclass(frozen=True, slots=True)
class DeviceOffer:
    """What to show to somebody with another screen.

    Attributes:
        ticket: for `poll_device`.
        expires_in_s: how long the code can be used.
        interval_s: how often asking makes sense.
    """

    ticket: str
    user_code: str
    verification_url: str
    expires_in_s: float
    interval_s: float


@dataclass(frozen=True, slots=True)
class _Begun:
    binding: str
    verifier: str = field(repr=False)
    platform: str
    redirect_uri: str
    return_to: str
    asker: Asker
    again: str


@dataclass(slots=True)
class _Device:
    platform: str
    code: DeviceCode
    asker: Asker
    again: str
    next_at: float
    interval_s: float


class Connecting:
    """Belongs to one event loop.

    Args:
        connections: keep what comes of it.
        monotonic: seconds.
    """

    def __init__(self, connections: Connections, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._clock = connections.clock
        self._monotonic = monotonic
        self._begun: Pending[_Begun] = Pending(BEGUN_S, monotonic=monotonic)
        self._devices: Pending[_Device] = Pending(_DEVICE_S, monotonic=monotonic)

    def begin(
        self, platform: str, redirect_uri: str, asker: Asker, return_to: str = "/", again: str = ""
    ) -> Departure:
        """Send somebody to a platform.

        Args:
            platform: which.
            redirect_uri: the page that calls `finish`, as registered there.
            asker: who it is for.
            return_to: where to go afterwards; another site becomes "/".
            again: id of the connection that is to work again.

        Raises:
            PlatformRefused: the platform is not configured.
        """
        login = self._connections.login(platform)
        verifier = new_verifier()
        begun = _Begun(
            secrets.token_urlsafe(24), verifier, platform, redirect_uri, local_path(return_to), asker, again
        )
        state = self._begun.add(begun)
        return Departure(login.authorize_url(redirect_uri, state, challenge_of(verifier)), begun.binding)

    async def finish(self, platform: str, parameters: Mapping[str, str], binding: str) -> Connected:
        """Take what the browser brought back.

        Args:
            platform: whose page of ours it came to.
            parameters: of the request.
            binding: from the cookie.

        Raises:
            BadCredentials: this browser did not ask, or asked too long ago.
            PlatformRefused: the platform or whoever was asked said no.
            AuthUnavailable: the platform does not answer.
        """
        begun = self._begun.take(parameters.get("state", ""))
        if begun is None or begun.platform != platform or not same_secret(binding, begun.binding):
            raise BadCredentials("this was not begun in this browser, or too long ago; connect again")
        login = self._connections.login(platform)
        if "error" in parameters:
            raise _denied(login, parameters["error"])
        tokens = await login.redeem(parameters.get("code", ""), begun.verifier, begun.redirect_uri)
        keep = self._keep(login, tokens, login.options.client, begun.asker, begun.again)
        return Connected(await self._connections.to_its_end(keep), begun.return_to)

    async def begin_device(self, platform: str, asker: Asker, again: str = "") -> DeviceOffer:
        """Ask for a code that somebody types in on another screen.

        Raises:
            PlatformRefused: the platform has no such thing, or not for this application.
            AuthUnavailable: no answer.
        """
        login = self._connections.login(platform)
        if not login.has_device:
            raise PlatformRefused(
                "no_device_code", f"{login.name} needs an application registered for device codes; see README"
            )
        code = await login.begin_device()
        waits_from = self._monotonic()
        device = _Device(platform, code, asker, again, waits_from + code.interval_s, code.interval_s)
        return DeviceOffer(
            self._devices.add(device),
            code.user_code,
            code.verification_url,
            max(0.0, code.expires_at - self._clock()),
            code.interval_s,
        )

    async def poll_device(self, ticket: str, asker: Asker) -> Connection | None:
        """What came of a code; None while nothing has. Asks the platform no sooner than it allows.

        Raises:
            BadCredentials: there is no such code, or another asked for it.
            PlatformRefused: it was denied, or its time is over.
            AuthUnavailable: no answer.
        """
        device = self._devices.see(ticket)
        if device is None or device.asker.who != asker.who:
            raise BadCredentials("this code is not known any more; begin again")
        if self._monotonic() < device.next_at:
            return None
        device.next_at = self._monotonic() + device.interval_s
        login = self._connections.login(device.platform)
        try:
            tokens = await login.poll_device(device.code)
        except PlatformRefused as error:
            if error.code == "slow_down":
                device.interval_s += _SLOWER_S
            if (
                error.code in ("authorization_pending", "slow_down")
                and self._clock() < device.code.expires_at
            ):
                return None
            self._devices.take(ticket)
            raise _denied(login, error.code) from None
        self._devices.take(ticket)
        keep = self._keep(login, tokens, login.device_client, device.asker, device.again)
        return await self._connections.to_its_end(keep)

    async def _keep(
        self, login: PlatformLogin, tokens: Tokens, client: AppClient, asker: Asker, again: str
    ) -> Connection:
        """Keep a new connection, or a better one to an account that was connected before."""
        identity = await login.identify(tokens)
        now = self._clock()
        known = await self._connections.known(login.platform, identity.subject, asker.owner, again)
        missing = login.missing(identity.scopes)
        reason = missing_words(login, missing) if missing else ""
        pages = tuple(replace(page, token="") for page in identity.pages)
        record = Connection(
            id=known.id if known is not None else secrets.token_hex(8),
            platform=login.platform,
            owner=asker.owner,
            subject=identity.subject or (known.subject if known is not None else ""),
            name=identity.name or (known.name if known is not None else f"{login.name} account"),
            client_id=client.id,
            scopes=identity.scopes,
            created_at=known.created_at if known is not None else now,
            changed_at=now,
            checked_at=now,
            pages=pages,
            page=_picked(known, identity.scopes, [page.id for page in pages], login),
            state=ConnectionState.RECONNECT if reason else ConnectionState.CONNECTED,
            reason=reason,
            expires_at=tokens.lasts_until,
        )
        held = Held(tokens, {page.id: page.token for page in identity.pages if page.token})
        await self._connections.keep(record, held, asker)
        return record


def _picked(
    known: Connection | None, scopes: frozenset[str], pages: Iterable[str], login: PlatformLogin
) -> str:
    """The page to publish as: as before, else the first where the account itself cannot be published to."""
    found = [*pages]
    if known is not None and known.page in found:
        return known.page
    return found[0] if found and not login.acts_as_account(scopes) else ""


def _denied(login: PlatformLogin, said: str) -> PlatformRefused:
    code = re.sub(r"[^a-z_]", "", said)[:64]
    if code in ("access_denied", "authorization_declined"):
        return PlatformRefused("access_denied", f"{login.name} was not connected: it was not allowed there")
    if code == "expired_token":
        return PlatformRefused(code, "the code has expired; begin again")
    return PlatformRefused(code, f"{login.name} was not connected; it says: {code}")
