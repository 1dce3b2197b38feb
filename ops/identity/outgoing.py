"""HTTP that the server itself asks of others: keys of issuers, the webhook. `auth` gets it as callables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp

from auth.errors import AuthUnavailable
from auth.tokens.provider_keys import Fetched

_TIMEOUT = aiohttp.ClientTimeout(total=10.0)
_MAX_BODY_BYTES = 1 << 20


class Outgoing:
    """A client that follows no redirects, keeps no cookies and reads no endless answers. One event loop's."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        """Send a request; the `Fetch` of `auth.tokens.provider_keys`.

        Raises:
            AuthUnavailable: there was no answer, or one that is too long.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                told = {name.lower(): value for name, value in answer.headers.items()}
                return Fetched(answer.status, await _body(answer), told)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Its text may quote the address, and that a password.
            raise AuthUnavailable(f"there was no answer: {type(error).__name__}") from None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a body; the `Post` of `auth.access.webhook`.

        Raises:
            AuthUnavailable: as above.
        """
        fetched = await self("POST", url, headers=headers, body=body)
        return fetched.status, fetched.body

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()
            # What is under TLS closes a moment later.
            await asyncio.sleep(0)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_chunked(1 << 16):
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise ValueError("too long")
    return bytes(body)
