"""Asks a platform's API as a connected account, and turns what it says no with into `PlatformError`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from auth.errors import AuthUnavailable, NoSuchConnection, PlatformRefused, ReconnectNeeded
from auth.platforms.connections import Access, Connections
from auth.tokens.provider_keys import Fetch, Fetched, json_object
from streamer.relay.platforms.errors import Exhausted, NeedsReconnect, PlatformError

_MAX_RETRY_S = 3600.0


class Caller(ABC):
    """One account's way to one platform.

    Args:
        connections: where tokens come from.
        connection_id: of the account.
        fetch: speaks HTTP.
        page: to act as; None for what was picked when connecting.
    """

    platform: ClassVar[str]
    name: ClassVar[str]

    def __init__(
        self, connections: Connections, connection_id: str, fetch: Fetch, page: str | None = None
    ) -> None:
        self._connections = connections
        self._connection_id = connection_id
        self._fetch = fetch
        self._page = page

    @abstractmethod
    def rejects_token(self, fetched: Fetched) -> bool:
        """Whether an answer says that the token does not count (any more)."""

    @abstractmethod
    def failure(self, fetched: Fetched) -> PlatformError:
        """What an answer other than success means."""

    def headers(self, access: Access) -> dict[str, str]:
        """What presents the token."""
        return {"Authorization": f"Bearer {access.token}", "Accept": "application/json"}

    def at(self, host: str, path: str) -> str:
        """An address of the platform's, or of what stands in for it.

        Raises:
            NeedsReconnect: the platform is not configured any more.
        """
        try:
            return self._connections.login(self.platform).options.at(host, path)
        except PlatformRefused as error:
            raise NeedsReconnect(str(error)) from None

    async def access(self, rejected: str = "") -> Access:
        """A token, and whose it is.

        Raises:
            PlatformError: there is none.
        """
        try:
            return await self._connections.access(self._connection_id, self._page, rejected)
        except NoSuchConnection:
            raise NeedsReconnect(f"the {self.name} account was disconnected; connect it again") from None
        except ReconnectNeeded as error:
            raise NeedsReconnect(str(error)) from None
        except AuthUnavailable as error:
            raise PlatformError("unavailable", str(error), retryable=True) from None

    async def call(
        self,
        method: str,
        url: str,
        *,
        document: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        content: tuple[str, bytes] | None = None,
    ) -> dict[str, Any]:
        """Ask for something; the JSON object of the answer, empty where it has none.

        Args:
            method: as in HTTP.
            url: with its query.
            document: to be sent as JSON.
            form: to be sent as a form.
            content: media type and bytes.

        Raises:
            PlatformError: the platform refuses, or does not answer.
        """
        kind, body = _body(document, form, content)
        access = await self.access()
        fetched = await self._send(method, url, access, kind, body)
        if self.rejects_token(fetched):
            access = await self.access(rejected=access.token)
            fetched = await self._send(method, url, access, kind, body)
        if self.rejects_token(fetched):
            reason = f"{self.name} does not take the connection any more; connect the account again"
            await self._connections.break_off(self._connection_id, reason)
            raise NeedsReconnect(reason)
        if not 200 <= fetched.status < 300:
            failure = self.failure(fetched)
            if isinstance(failure, NeedsReconnect):
                await self._connections.break_off(self._connection_id, str(failure))
            raise failure
        if not fetched.body.strip():
            return {}
        try:
            return json_object(fetched.body, self.name)
        except AuthUnavailable as error:
            raise PlatformError("unavailable", str(error), retryable=True) from None

    async def _send(self, method: str, url: str, access: Access, kind: str, body: bytes | None) -> Fetched:
        headers = self.headers(access)
        if kind:
            headers["Content-Type"] = kind
        try:
            return await self._fetch(method, url, headers=headers, body=body)
        except AuthUnavailable:
            # Its own text may name an address that is long and of no use to anybody.
            raise PlatformError("unavailable", f"{self.name} does not answer", retryable=True) from None

    def unavailable(self, fetched: Fetched) -> PlatformError | None:
        """What 429 and 5xx mean on every platform; None for other answers."""
        if fetched.status == 429:
            return Exhausted(f"{self.name} asks to slow down", _retry_after_s(fetched))
        if fetched.status >= 500:
            return PlatformError(
                "unavailable",
                f"{self.name} has a problem of its own (status {fetched.status})",
                retryable=True,
                retry_after_s=_retry_after_s(fetched),
            )
        return None


def said(fetched: Fetched) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else."""
    try:
        found = json.loads(fetched.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _body(
    document: Mapping[str, Any] | None, form: Mapping[str, str] | None, content: tuple[str, bytes] | None
) -> tuple[str, bytes | None]:
    if document is not None:
        return "application/json", json.dumps(document).encode()
    if form is not None:
        return "application/x-www-form-urlencoded", urlencode(form).encode()
    return content if content is not None else ("", None)


def _retry_after_s(fetched: Fetched) -> float | None:
    text = fetched.headers.get("retry-after", "")
    return min(float(text), _MAX_RETRY_S) if text.isascii() and text.isdigit() else None
