"""New tokens for those that are over: what the platform says of it, and what that means for a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

from auth.errors import AuthUnavailable, PlatformRefused, ReconnectNeeded
from auth.platforms.login import PlatformLogin
from auth.platforms.oauth import AppClient
from auth.platforms.records import Connection, Held
from auth.platforms.token_store import TokenStore

#: The platform's words for tokens that will never count again.
_OVER = frozenset({"invalid_grant", "invalid_token", "access_denied", "unauthorized_client"})
#: How long another process may take to store what the platform gave it instead of us; looked for so often.
_STORES_AFTER_S = (0.0, 0.2, 0.8)


class Renewal:
    """Renews tokens. Nobody asks for one connection's twice at a time.

    Args:
        store: where they are.
        logins: the platforms that are configured.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: TokenStore, logins: Mapping[str, PlatformLogin], clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._logins = logins
        self._clock = clock

    def client(self, record: Connection) -> tuple[PlatformLogin, AppClient]:
        """What a connection was made through.

        Raises:
            ReconnectNeeded: that is not configured any more.
        """
        login = self._logins.get(record.platform)
        client = login.client(record.client_id) if login is not None else None
        if login is None or client is None:
            raise ReconnectNeeded(
                f"it was connected through another application than [platforms.{record.platform}] names now; "
                "connect it again"
            )
        return login, client

    async def renew(self, connection_id: str, seen: str, rejected: str) -> tuple[Connection, Held]:
        """Tokens that count, whoever renewed them.

        Args:
            connection_id: whose.
            seen: the access token that is due.
            rejected: as in `Connections.access`.

        Raises:
            NoSuchConnection: it is not there.
            ReconnectNeeded: it does not work any more.
            AuthUnavailable: the platform does not answer.
        """
        record, held = await self._store.present(connection_id)
        login, client = self.client(record)
        if held.tokens.access != seen:
            return record, held  # another was quicker
        if rejected and rejected != held.tokens.access:
            if rejected not in held.pages.values():
                return record, held
            return await self._renew_pages(record, held, login, rejected)
        try:
            tokens = await login.refresh(held.tokens, client)
        except PlatformRefused as error:
            if error.code in _OVER:
                return await self._give_up(record, held, _refused_words(login))
            raise AuthUnavailable(
                f"{error}; check client_id and client_secret in [platforms.{login.platform}]"
            ) from None
        except AuthUnavailable:
            if not rejected and (held.tokens.expires_at or 0) > self._clock():
                return record, held  # good for a little while yet
            raise
        # Before anybody uses it: what it replaces may be worth nothing any more.
        record, stored = await self._keep(record, held, replace(held, tokens=tokens), login)
        if tokens.scopes is not None and (missing := login.missing(tokens.scopes)):
            await self._end(record, stored, missing_words(login, missing))
        return record, stored

    async def _renew_pages(
        self, record: Connection, held: Held, login: PlatformLogin, rejected: str
    ) -> tuple[Connection, Held]:
        """Read the pages' tokens again; the account's own may have outlived them."""
        try:
            identity = await login.identify(held.tokens)
        except PlatformRefused as error:
            reason = f"{login.name} does not take the connection any more: {error}"
            return await self._give_up(record, held, reason)
        # One whose token is what was rejected is lost, be it picked or named by who asks; the others go on.
        pages = {page.id: page.token for page in identity.pages if page.token not in ("", rejected)}
        record, held = await self._keep(record, held, replace(held, pages=pages), login)
        if record.page and record.page not in held.pages:
            await self._end(record, held, f"{login.name} does not let the page be published to any more")
        return record, held

    async def _keep(
        self, record: Connection, before: Held, held: Held, login: PlatformLogin
    ) -> tuple[Connection, Held]:
        return await self._store.store(record, before, held, refused=_refused_words(login))

    async def _end(self, record: Connection, held: Held, reason: str) -> NoReturn:
        await self._store.over(record.id, reason, held.sealed)
        raise ReconnectNeeded(reason)

    async def _give_up(self, record: Connection, held: Held, reason: str) -> tuple[Connection, Held]:
        """Say that tokens are over; gives others where somebody stored them meanwhile.

        Raises:
            ReconnectNeeded: the platform takes none of what there is.
        """
        if self._store.newest(record.id) is not None:
            raise AuthUnavailable(
                f"the tokens of {record.name!r} are not taken, and others cannot be looked for"
            )
        for pause_s in _STORES_AFTER_S:
            await asyncio.sleep(pause_s)
            record, present = await self._store.read(record.id)
            if not present.is_same(held):
                return record, present
        if await self._store.over(record.id, reason, present.sealed):
            raise ReconnectNeeded(reason)
        return await self._store.read(record.id)


def missing_words(login: PlatformLogin, missing: tuple[str, ...]) -> str:
    """Why a connection without these permissions is of no use."""
    return f"{login.name} was connected without {', '.join(missing)}; connect it again and allow that"


def _refused_words(login: PlatformLogin) -> str:
    return f"{login.name} does not take the connection any more: it was revoked or has expired"
