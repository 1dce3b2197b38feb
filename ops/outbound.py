"""Requests to other servers, for those who know no HTTP themselves: `auth` and the clients of platforms."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from auth.errors import AuthUnavailable
from auth.provider_keys import Fetched

_TOTAL_S = 20.0
_CONNECT_S = 5.0
_MAX_BODY_BYTES = 1_000_000
_MAX_CONNECTIONS = 64


class Outbound:
    """Sends one request after another over connections that are kept. As `auth.provider_keys.Fetch`.

    Made on the event loop; `close` when done. Follows no redirects: what carries a secret goes where it was
    meant for, and nowhere else.
    """

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_TOTAL_S, connect=_CONNECT_S),
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,
        )

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        """Send a request.

        Raises:
            AuthUnavailable: there was no answer, or one that is too long. The text shows no query.
        """
        shown = url.partition("?")[0]
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                read = await response.content.read(_MAX_BODY_BYTES + 1)
                while len(read) <= _MAX_BODY_BYTES and (more := await response.content.read(_MAX_BODY_BYTES)):
                    read += more
                if len(read) > _MAX_BODY_BYTES:
                    raise AuthUnavailable(f"{shown} answers with more than {_MAX_BODY_BYTES} bytes")
                return Fetched(
                    response.status, read, {name.lower(): value for name, value in response.headers.items()}
                )
        except TimeoutError:
            raise AuthUnavailable(f"{shown} did not answer within {_TOTAL_S:g} s") from None
        except aiohttp.ClientError as error:
            raise AuthUnavailable(f"{shown} cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
