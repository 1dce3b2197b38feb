"""What every call to the Data API must show first: a token, a scope, units, parts, a body that is JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiohttp import web

from ops.sandbox.face import CALL, Handler, Refusal, World
from ops.sandbox.oauth import Tokens, Use
from ops.sandbox.parties import Account
from ops.sandbox.quota import QuotaExceeded
from ops.sandbox.youtube.errors import bad_parameter, no_credentials, refused
from ops.sandbox.youtube.errors import missing_scope as missing
from ops.sandbox.youtube.oauth import FORCE_SSL, MANAGE, READ, UPLOAD

WRITE = (MANAGE, FORCE_SSL)
LIST = (MANAGE, FORCE_SSL, READ)
PICTURES = (MANAGE, FORCE_SSL, UPLOAD)

Method = Callable[[web.Request, Account], Awaitable[web.Response]]


def authorized(world: World, tokens: Tokens, scopes: tuple[str, ...], method: Method) -> Handler:
    """A handler that lets `method` be called by who may, for whom it costs."""

    async def handle(http: web.Request) -> web.Response:
        account = _admit(world, tokens, scopes, http)
        return await method(http, account)

    return handle


def parts_of(http: web.Request, known: Collection[str]) -> frozenset[str]:
    """The parts that are asked for.

    Raises:
        Refusal: none, or one that there is not.
    """
    parts = [part.strip() for text in http.query.getall("part", []) for part in text.split(",")]
    if not any(parts):
        raise bad_parameter("missingRequiredParameter", "part", "Required parameter: part")
    for part in parts:
        if part not in known and part != "id":
            raise bad_parameter("unknownPart", "part", f"'{part}'", "youtube.part")
    return frozenset(parts)


def one_filter(http: web.Request, *names: str) -> str:
    """Which of the filters a list is to use: exactly one must be given.

    Raises:
        Refusal: none or several.
    """
    given = [
        name for name in names if http.query.get(name, "false" if name == "mine" else "") not in {"", "false"}
    ]
    if not given:
        text = f"No filter selected. Expected one of: {', '.join(names)}"
        raise bad_parameter("missingRequiredParameter", "parameters.", text)
    if len(given) > 1:
        text = f"Incompatible parameters specified in the request: {', '.join(given)}"
        raise bad_parameter("incompatibleParameters", "parameters.", text)
    return given[0]


def page_of(http: web.Request, most: int = 50) -> tuple[int, int]:
    """Where a page of a list begins, and how long it is.

    Raises:
        Refusal: not a number, or out of range.
    """
    try:
        size, begin = int(http.query.get("maxResults", "5")), int(http.query.get("pageToken", "P0")[1:])
    except ValueError:
        raise bad_parameter("invalidPageToken", "pageToken", "The page token is not valid.") from None
    if not 0 <= size <= most or begin < 0:
        text = f"Invalid value '{size}'. Values must be within the range: [0, {most}]"
        raise bad_parameter("invalidParameter", "maxResults", text)
    return begin, size


async def body_of(http: web.Request) -> dict[str, Any]:
    """A body that is a JSON object.

    Raises:
        Refusal: it is none.
    """
    try:
        body = json.loads(await http.text())
    except ValueError:
        raise refused("parseError", "Parse Error") from None
    if not isinstance(body, dict):
        raise refused("parseError", "expected a JSON object")
    http[CALL].body = body
    return body


def _admit(world: World, tokens: Tokens, scopes: tuple[str, ...], http: web.Request) -> Account:
    header = http.headers.get("Authorization", "")
    text = (
        header.removeprefix("Bearer ") if header.startswith("Bearer ") else http.query.get("access_token", "")
    )
    token = tokens.known(text, Use.ACCESS)
    if token is None or tokens.why_not(token):
        raise no_credentials(sent=bool(text))
    call, client = http[CALL], token.grant.client
    call.client_id, call.account_id = client.id, token.grant.account.id
    if token.allows.isdisjoint(scopes):
        raise missing(scopes)
    try:
        call.units = world.quota.charge(client.id, call.operation)
    except QuotaExceeded:
        raise refused("quotaExceeded") from None
    return token.grant.account


def fault_refusal(status: int, reason: str, message: str) -> Refusal:
    """An error that was asked for."""
    if reason in {"authError", "required"} or (status == 401 and not reason):
        return no_credentials(sent=True)
    if reason == "insufficientPermissions":
        return missing(WRITE)
    default = {403: "forbidden", 404: "notFound", 429: "rateLimitExceeded", 503: "backendError"}
    return refused(reason or default.get(status, "backendError"), message, status)
