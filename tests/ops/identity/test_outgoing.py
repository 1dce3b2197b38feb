from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from auth.errors import AuthUnavailable
from ops.identity.outgoing import Outgoing
from tests.rigs.processes import free_port


async def answer(request: web.Request) -> web.Response:
    match request.path:
        case "/moved":
            return web.Response(status=302, headers={"Location": "/echo", "Set-Cookie": "a=b"})
        case "/long":
            return web.Response(body=bytes((1 << 20) + 1))
    body = await request.read()
    return web.Response(status=201, body=body, headers={"X": request.headers.get("Cookie", "")})


@pytest.fixture
async def other() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield server


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    outgoing = Outgoing()
    yield outgoing
    await outgoing.close()


async def test_what_is_asked_is_answered(other: TestServer, outgoing: Outgoing) -> None:
    fetched = await outgoing("POST", str(other.make_url("/echo")), headers={}, body=b"hello")
    assert (fetched.status, fetched.body) == (201, b"hello")
    assert await outgoing.post(str(other.make_url("/echo")), b"again", {}) == (201, b"again")


async def test_it_goes_nowhere_else(other: TestServer, outgoing: Outgoing) -> None:
    fetched = await outgoing("GET", str(other.make_url("/moved")), headers={})
    assert (fetched.status, fetched.body) == (302, b"")


async def test_what_is_no_answer(other: TestServer, outgoing: Outgoing) -> None:
    nobody = f"http://user:hidden@127.0.0.1:{free_port()}/"
    for url in (str(other.make_url("/long")), nobody, "http://[/"):
        with pytest.raises(AuthUnavailable) as refusal:
            await outgoing("GET", url, headers={})
        assert "hidden" not in str(refusal.value)


async def test_one_that_was_never_used_closes() -> None:
    await Outgoing().close()
