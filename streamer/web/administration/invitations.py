"""What somebody does who was given a link: he sees whose it is, and chooses a password. It needs no login."""

from __future__ import annotations

from aiohttp import web

from auth.access.rates import LOGIN, RateLimiter
from auth.accounts.invitations import Invitations
from auth.audit.entries import Event, Outcome
from auth.audit.writer import AuditLog
from auth.errors import TokenInvalid
from streamer.web.administration import models, requests
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.origin import client_address

_NOT_ONE = {401: "This link does not count, or not any more", 429: "Too many tries from one address"}


class Redemptions:
    """The handlers.

    Args:
        invitations: the links.
        audit: where it is kept who used one.
    """

    def __init__(self, invitations: Invitations, audit: AuditLog) -> None:
        self._invitations = invitations
        self._audit = audit
        self._tries = RateLimiter(LOGIN)

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(
                "POST",
                "/api/v1/invitation",
                self.look,
                "Whose a link is with which a password is chosen",
                {200: "Who it was made for", **_NOT_ONE},
                returns=models.InvitedModel,
                takes=requests.TokenToLook,
            ),
            Operation(
                "POST",
                "/api/v1/invitation/password",
                self.redeem,
                "Choose a password with a link; it works once, and all sessions of the account end",
                {200: "Whose it is now", 503: "Too many passwords at once", **_NOT_ONE},
                returns=models.InvitedModel,
                takes=requests.Redemption,
            ),
        ]

    async def look(self, request: web.Request) -> web.Response:
        """Whose link it is."""
        body = await read_body(request, requests.TokenToLook)
        self._check_rate(request)
        invited = await self._invitations.look(body.token)
        return answer(models.InvitedModel(name=invited.name, forget_factors=invited.forget_factors))

    async def redeem(self, request: web.Request) -> web.Response:
        """Choose a password."""
        body = await read_body(request, requests.Redemption)
        self._check_rate(request)
        address = client_address(request)
        try:
            invited = await self._invitations.redeem(body.token, body.password)
        except TokenInvalid as error:
            event = Event("", "user.redeem", "", address, Outcome.REFUSED, {"why": str(error)})
            await self._audit.put(event)
            raise
        details = {"name": invited.name, "forget_factors": invited.forget_factors}
        await self._audit.record(
            Event(invited.principal_id, "user.redeem", invited.principal_id, address, details=details)
        )
        return answer(models.InvitedModel(name=invited.name, forget_factors=invited.forget_factors))

    def _check_rate(self, request: web.Request) -> None:
        """As every guess costs a look into the database.

        Raises:
            RateLimited
        """
        self._tries.check(client_address(request))
