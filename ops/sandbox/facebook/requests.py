"""A request to the graph: whose token it shows, what it asks, and whom its ids mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ops.sandbox.face import CALL
from ops.sandbox.facebook.errors import bad_parameter, graph_error, no_such_object
from ops.sandbox.facebook.oauth import FacebookOAuth, parameters
from ops.sandbox.oauth import Token
from ops.sandbox.parties import Account, Page

_MAX_LIMIT = 100


@dataclass(frozen=True)
class Ask:
    """One request.

    Attributes:
        url: without its parameters.
        asked: query and form.
    """

    url: str
    token: Token
    asked: Mapping[str, str]

    @property
    def account(self) -> Account:
        """Whose token it is, even where it speaks for a Page."""
        return self.token.grant.account

    @property
    def scopes(self) -> frozenset[str]:
        """What it may be used for."""
        return self.token.allows

    @property
    def speaker(self) -> str:
        """The id of the user or Page that it speaks for."""
        return self.token.page_id or self.account.id

    def is_me(self, node_id: str) -> bool:
        """Whether an id means the account or the Page of the token."""
        return node_id in {"me", self.account.id, self.token.page_id}

    def who(self, node_id: str) -> Account | Page:
        """The user or Page of an id.

        Raises:
            Refusal: somebody else's, or nobody's.
        """
        node_id = self.speaker if node_id == "me" else node_id
        candidates: list[Account | Page] = [self.account, *self.account.pages]
        for one in candidates:
            if one.id == node_id:
                return one
        raise no_such_object(node_id)

    def owner(self, node_id: str) -> Account | Page:
        """Who is to publish: a Page only with its own token, a user only with theirs.

        Raises:
            Refusal: it is another's token.
        """
        owner = self.who(node_id)
        if owner.id != self.speaker:
            kind = "page" if isinstance(owner, Page) else "user"
            raise graph_error(210, f"(#210) A {kind} access token is required to request this resource.")
        return owner

    def must_be_themselves(self, node_id: str) -> None:
        """For what only users have.

        Raises:
            Refusal: a Page's token, or another's id.
        """
        if self.token.page_id or not self.is_me(node_id):
            raise no_such_object(node_id)

    def edge(self, nodes: list[dict[str, Any]]) -> web.Response:
        """A page of a list; cursors are positions.

        Raises:
            Refusal: the cursor or the limit is no number.
        """
        after, limit = self.asked.get("after") or "0", self.asked.get("limit", "25")
        if not after.isdigit() or not limit.isdigit() or int(limit) > _MAX_LIMIT:
            raise bad_parameter("Invalid cursor or limit.")
        begin, end = int(after), int(after) + int(limit)
        body: dict[str, Any] = {"data": nodes[begin:end]}
        if body["data"]:
            body["paging"] = {"cursors": {"before": str(begin), "after": str(min(end, len(nodes)))}}
            if end < len(nodes):
                body["paging"]["next"] = f"{self.url}?limit={limit}&after={end}"
        return web.json_response(body)


async def read_ask(http: web.Request, oauth: FacebookOAuth, address: str) -> Ask:
    """Look at a request's token and parameters.

    Args:
        http: the request.
        oauth: gave the token.
        address: of the sandbox.

    Raises:
        Refusal: no token, or one that does not count.
    """
    asked = await parameters(http)
    token = oauth.admit(http, asked)
    ask = Ask(f"{address}{http.path}", token, asked)
    call = http[CALL]
    call.client_id, call.account_id = token.grant.client.id, ask.speaker
    return ask
