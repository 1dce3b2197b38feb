"""Links for sharing: a page or an endpoint with a token in its address."""

from __future__ import annotations

from aiohttp import web

from auth.errors import BadGrant
from auth.tokens.links import Link, build_link
from auth.tokens.tokens import implied
from streamer.web.administration import models, requests
from streamer.web.administration.tokens import TokenOffice, token_model
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation


class Links:
    """The handlers."""

    def __init__(self, desk: TokenOffice) -> None:
        self._desk = desk

    def operations(self) -> list[Operation]:
        """What to route where."""
        all_ = "/api/v1/links"
        return [
            Operation(
                "GET",
                all_,
                self.all,
                "Links that are not over: one's own, or for administrators everybody's",
                returns=models.TokensModel,
                needs="manage",
            ),
            Operation(
                "POST",
                all_,
                self.make,
                "Make a link to a stream that opens without a login",
                {201: "The link, shown this once", 400: "What cannot be made"},
                returns=models.IssuedLinkModel,
                takes=requests.NewLink,
                needs="manage",
            ),
            Operation(
                "DELETE",
                all_ + "/{id}",
                self.withdraw,
                "Withdraw a link; who came by it leaves within a second",
                {204: "It opens nothing any more", 404: "There is no such link"},
                needs="manage",
            ),
        ]

    async def all(self, request: web.Request) -> web.Response:
        """Those that the asker may see."""
        found, names = await self._desk.all(request)
        return answer(models.TokensModel(tokens=[token_model(each, names) for each in found if each.link]))

    async def make(self, request: web.Request) -> web.Response:
        """Make one."""
        asker = await self._desk.asker(request)
        wanted = await read_body(request, requests.NewLink)
        base = self._desk.base_url(request)
        _check(Link(base, wanted.target, wanted.stream))
        made = await self._desk.issue(
            request, asker, wanted, implied([wanted.target.action]), (wanted.stream,), wanted.target
        )
        claims = made.claims
        link = build_link(Link(base, wanted.target, wanted.stream, made.token))
        return answer(
            models.IssuedLinkModel(id=claims.token_id, link=link, expires_at=claims.expires_at), 201
        )

    async def withdraw(self, request: web.Request) -> web.Response:
        """Withdraw one."""
        await self._desk.withdraw(request, request.match_info["id"])
        return web.Response(status=204)


def _check(link: Link) -> None:
    """Before a token is issued for it."""
    try:
        build_link(link)
    except ValueError as error:
        raise BadGrant(str(error)) from None
