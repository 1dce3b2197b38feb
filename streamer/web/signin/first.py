"""The first administrator, by the link that the server prints while nobody administers."""

from __future__ import annotations

from aiohttp import web

from auth.errors import AuthError
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.sessions import require_own_page
from streamer.web.signin.entrance import Entrance, visitor
from streamer.web.signin.models import SessionModel, SetupBody, SetupTokenBody

_REFUSED = {
    401: "Not the present link, or it has expired, or somebody administers already",
    403: "Another site's page asks",
}


class FirstAdministrator:
    """The handlers.

    Args:
        entrance: what signing in goes through.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._setup = entrance.doors.setup

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "POST",
                "/api/v1/setup/check",
                self.check,
                "See whether a set-up link is good",
                {204: "It is", **_REFUSED},
                takes=SetupTokenBody,
            ),
            Operation(
                "POST",
                "/api/v1/setup",
                self.redeem,
                "Make the first administrator, who is then signed in",
                {
                    200: "Signed in",
                    400: "Not what is taken here, or another password is needed; the message says why",
                    409: "Another name is needed",
                    503: "The database does not answer",
                    **_REFUSED,
                },
                returns=SessionModel,
                takes=SetupBody,
            ),
        ]

    async def check(self, request: web.Request) -> web.Response:
        """Whether a link is good, for who shows the form."""
        body = await read_body(request, SetupTokenBody)
        await self._setup.check(body.token)
        return web.Response(status=204, headers={"Cache-Control": "no-store"})

    async def redeem(self, request: web.Request) -> web.Response:
        """Put somebody in charge."""
        require_own_page(request)
        body = await read_body(request, SetupBody)
        try:
            account = await self._setup.redeem(body.token, body.name, body.password.get_secret_value())
        except AuthError as error:
            self._entrance.refused(request, "setup", error)
            raise
        opened = await self._entrance.doors.sessions.open(
            account.id, visitor(request), method="setup", with_factor=False
        )
        await self._entrance.record(request, opened.session, "setup")
        return await self._entrance.signed_in(request, opened, lambda session: session)
