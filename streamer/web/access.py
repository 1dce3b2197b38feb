"""Who asks: the bearer token of a request, and what it opens."""

from __future__ import annotations

from aiohttp import web

from auth.secrets import AdminToken
from streamer.hub.stream import Stream
from streamer.web.problems import Problem


def presented_token(request: web.Request) -> str:
    """The token in the Authorization header or the query, "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.query.get("token", "")


class Access:
    """Decides what a request may do. For now there is one token, the administrator's."""

    def __init__(self, admin: AdminToken) -> None:
        self._admin = admin

    def is_admin(self, request: web.Request) -> bool:
        """Whether the request carries the administrator's token."""
        token = presented_token(request)
        return bool(token) and self._admin.matches(token)

    def require_admin(self, request: web.Request) -> None:
        """Let only the administrator through.

        Raises:
            Problem: 401 without a token, 403 with another one.
        """
        if self.is_admin(request):
            return
        raise self._refusal(
            request, "this needs the admin token; it is in admin.token in the state directory"
        )

    def require_watch(self, request: web.Request, stream: Stream) -> None:
        """Let viewers of a public stream, and the administrator, through.

        Raises:
            Problem: 401 without a token, 403 with a wrong one.
        """
        if stream.config.public or self.is_admin(request):
            return
        raise self._refusal(request, f"{stream.name!r} is not public; it needs a token")

    @staticmethod
    def _refusal(request: web.Request, message: str) -> Problem:
        if presented_token(request):
            return Problem(403, "forbidden", "this token does not open it")
        return Problem(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
