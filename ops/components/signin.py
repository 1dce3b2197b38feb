"""People sign in: everything that takes, put together from the configuration for a running server."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp.typedefs import Middleware
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.access.door import Ask
from auth.accounts.external import External
from auth.accounts.setup import Setup
from auth.errors import AuthUnavailable
from auth.factors.ceremonies import Site
from auth.factors.factors import Factors
from auth.factors.passkeys import Passkeys
from auth.factors.recovery import Recovery
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import SessionCredential
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.patterns import EVERYTHING
from auth.permissions.protocols import Protocol
from auth.signin.enrolment import Enrolments
from auth.signin.lockout import Lockout
from auth.signin.logins import Doors as LoginDoors
from auth.signin.logins import Logins
from auth.signin.oidc import Oidc, OidcOptions
from auth.signin.session_records import Session, SessionPolicy, Standing
from auth.signin.sessions import Sessions
from auth.storage.freshness import Freshness
from auth.tokens.tokens import SERVER
from ops.identity.identity import Guard, Identity
from ops.identity.outgoing import Outgoing
from streamer.config import Config
from streamer.sections.base import split_address
from streamer.web.app import Face
from streamer.web.sessions import recognise
from streamer.web.signin.account import Account
from streamer.web.signin.entrance import Doors, Entrance, Surroundings
from streamer.web.signin.factors import Factors as FactorsFace
from streamer.web.signin.first import FirstAdministrator
from streamer.web.signin.login import Login
from streamer.web.signin.sso import SingleSignOn

if TYPE_CHECKING:
    from auth.signin.ldap import Ldap

_log = logging.getLogger(__name__)

#: How often it is written when sessions were used last.
_NOTE_EVERY_S = 10.0


class SignIn:
    """Signing in, on a running server. Made on its event loop.

    Args:
        identity: the database.
        guard: the server's.
        config: what providers there are, and how long sessions last.

    Attributes:
        sessions: of browsers.
        entrance: what the HTTP operations go through.
        middleware: recognises sessions.

    Raises:
        AuthUnavailable: the directory's certificates cannot be read.
    """

    def __init__(self, identity: Identity, guard: Guard, config: Config) -> None:
        self._identity = identity
        self._guard = guard
        self._outgoing = Outgoing()
        engine, clock = identity.engine, identity.clock
        site = passkey_site(config)
        passkeys = Passkeys(engine, site or Site("localhost", ()), clock=clock)
        factors = Factors(engine, identity.totp, passkeys, Recovery(engine))
        policy = SessionPolicy(idle_s=config.auth.session_idle_s, absolute_s=config.auth.session_max_s)
        self.sessions = Sessions(engine, identity.accounts, factors, Freshness(engine), policy, clock=clock)
        external = External(engine, identity.accounts, identity.groups)
        login_doors = LoginDoors(
            identity.accounts,
            identity.passwords,
            factors,
            self.sessions,
            Lockout(),
            external,
            _directory(config),
        )
        self.setup = Setup(
            engine,
            identity.accounts,
            identity.passwords,
            has_administrator=self._has_administrator,
            promote=self._promote,
            clock=clock,
        )
        doors = Doors(
            sessions=self.sessions,
            logins=Logins(login_doors),
            enrolments=Enrolments(factors, self.sessions),
            factors=factors,
            accounts=identity.accounts,
            groups=identity.groups,
            passwords=identity.passwords,
            external=external,
            setup=self.setup,
            oidc=self._provider(config),
            oidc_label=config.oidc.label,
            passkeys=site is not None,
        )
        around = Surroundings(
            clock=clock,
            record=guard.audit.put,
            refused=guard.refused,
            refresh=identity.authority.refresh,
            may=self._may,
            origin=config.http.origin,
            confirm_after_s=config.auth.confirm_after_s,
        )
        self.entrance = Entrance(doors, around)
        self.middleware: Middleware = recognise(self.sessions)

    def faces(self) -> tuple[Face, ...]:
        """What is offered over HTTP."""
        entrance = self.entrance
        return (
            Login(entrance),
            FirstAdministrator(entrance),
            SingleSignOn(entrance),
            Account(entrance),
            FactorsFace(entrance),
        )

    async def run(self) -> None:
        """Write down now and then when sessions were used, until cancelled."""
        while True:
            await asyncio.sleep(_NOTE_EVERY_S)
            try:
                await self.sessions.note_seen()
            except (SQLAlchemyError, AuthUnavailable, OSError, TimeoutError) as error:
                _log.warning("when sessions were used cannot be written: %s", type(error).__name__)

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._outgoing.close()

    def _provider(self, config: Config) -> Oidc | None:
        section = config.oidc
        if not section.issuer:
            return None
        if not config.http.origin:
            _log.warning(
                "[oidc] without http.public_url: the provider is told to send people back to whatever host "
                "their browser named, and refuses what is not registered there"
            )
        secret = section.client_secret
        options = OidcOptions(
            name=section.name,
            issuer=section.issuer,
            client_id=section.client_id,
            client_secret=secret.get_secret_value() if secret is not None else "",
            scopes=section.scopes,
            name_claim=section.name_claim,
            groups_claim=section.groups_claim,
            groups=section.groups,
            creates=section.creates,
        )
        return Oidc(options, self._outgoing)

    def _may(self, session: Session, action: Action) -> bool:
        if session.standing is not Standing.FULL:
            return False
        record = session.record
        credential = SessionCredential(session.principal, record.handle, record.expires_at)
        # As the pages would do it.
        protocol = Protocol.WHIP if action is Action.PUBLISH else Protocol.API
        return self._guard.door.may(Ask(credential, action, protocol))

    async def _has_administrator(self, connection: AsyncConnection) -> bool:
        return not await self._identity.is_last_administrator(connection, "")

    async def _promote(self, connection: AsyncConnection, principal_id: str) -> None:
        now = self._identity.clock()
        grant = NewGrant(principal_id, Role.ADMINISTRATOR, EVERYTHING, SERVER, "the set-up link")
        await add_grant(connection, grant, now)


def _directory(config: Config) -> Ldap | None:
    if not config.ldap.urls:
        return None
    # Here, as few have one, and what asks it is long to import.
    from auth.signin.ldap import Ldap

    try:
        return Ldap(config.ldap.options())
    except (OSError, ssl.SSLError) as error:
        raise AuthUnavailable(f"[ldap] ca_file cannot be used: {error}") from None


def passkey_site(config: Config) -> Site | None:
    """What passkeys are bound to: a host's name, never an address; None while that is not known."""
    origin = config.http.origin
    if not origin and not config.http.has_tls:
        # Served to this machine, as `streamer demo` does; browsers take it for a secure place.
        origin = f"http://localhost:{split_address(config.http.listen)[1]}"
    host = urlsplit(origin).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return Site(host, (origin,)) if host else None
    return None
