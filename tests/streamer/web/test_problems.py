from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from auth.errors import (
    AccountConflict,
    AuthUnavailable,
    BadCredentials,
    BadGrant,
    FactorNeeded,
    Forbidden,
    LockedOut,
    NoSuchGrant,
    NoSuchPrincipal,
    PasswordRefused,
    RateLimited,
    SeatsTaken,
    TokenExpired,
    TokenInvalid,
    VaultError,
)
from streamer.errors import AlreadyPublished, NoSuchStream, NotLive, StreamerError, Unplayable
from streamer.web.problems import Problem, problems

Client = TestClient[web.Request, web.Application]
Failing = Callable[[Exception], Awaitable[Client]]


@pytest.fixture
async def failing() -> AsyncIterator[Failing]:
    clients: list[Client] = []

    async def failing(error: Exception) -> Client:
        async def handler(request: web.Request) -> web.Response:
            raise error

        app = web.Application(middlewares=[problems])
        app.router.add_get("/", handler)
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        return client

    yield failing
    for client in clients:
        await client.close()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NoSuchStream("cam"), 404, "no_such_stream"),
        (NotLive("cam", "nobody publishes it"), 409, "not_live"),
        (Unplayable("B-frames"), 406, "not_playable"),
        (AlreadyPublished("cam", "x"), 409, "already_published"),
        (StreamerError("any"), 500, "server_error"),
        (BadCredentials("this needs a login"), 401, "unauthorized"),
        (TokenInvalid("its signature is wrong"), 401, "token_invalid"),
        (TokenExpired(), 401, "token_expired"),
        (Forbidden("watch", "cam"), 403, "forbidden"),
        (SeatsTaken("watch", "cam", 2), 429, "seats_taken"),
        (NoSuchPrincipal("anna"), 404, "no_such_account"),
        (NoSuchGrant("7"), 404, "no_such_grant"),
        (PasswordRefused("12-1024 characters"), 400, "password_refused"),
        (BadGrant("a grant ends in the future"), 400, "bad_grant"),
        (AccountConflict("the name is taken"), 409, "conflict"),
        (RateLimited(2.5), 429, "rate_limited"),
        (LockedOut(2.5), 429, "locked_out"),
        (AuthUnavailable("the database does not answer"), 503, "unavailable"),
        (VaultError("another key"), 500, "server_error"),
        (Problem(418, "teapot", "short and stout"), 418, "teapot"),
        (web.HTTPBadRequest(), 400, "bad_request"),
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "request_entity_too_large"),
    ],
)
async def test_one_shape_for_all(failing: Failing, error: Exception, status: int, code: str) -> None:
    client = await failing(error)
    async with client.get("/") as response:
        assert response.status == status
        assert response.content_type == "application/json"
        body = await response.json()
    assert body["error"] == code
    assert body["message"]


async def test_retry_after_is_header_and_field_every_time(failing: Failing) -> None:
    client = await failing(NotLive("cam", "x", retry_after_s=7))
    for _ in range(2):
        async with client.get("/") as response:
            assert response.headers["Retry-After"] == "7"
            assert (await response.json())["retry_after_s"] == 7


async def test_a_bug_gives_nothing_away(failing: Failing, caplog: pytest.LogCaptureFixture) -> None:
    client = await failing(RuntimeError("the database password is hunter2"))
    async with client.get("/") as response:
        assert response.status == 500
        text = await response.text()
    assert json.loads(text)["error"] == "server_error"
    assert "hunter2" not in text
    assert "hunter2" in caplog.text


async def test_who_leaves_while_he_is_answered_met_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    over = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"a line of a long file\n")
                await asyncio.sleep(0.01)
        finally:
            over.set()

    app = web.Application(middlewares=[problems])
    app.router.add_get("/", handler)
    # Not a test server, which cancels handlers whose askers have left; ours lets them find out.
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readline()
    writer.transport.abort()
    async with asyncio.timeout(20):
        await over.wait()
    await runner.cleanup()
    assert [record.getMessage() for record in caplog.records] == []


async def test_what_is_not_there(failing: Failing) -> None:
    client = await failing(RuntimeError())
    async with client.get("/none") as response:
        assert response.status == 404
        assert (await response.json())["error"] == "not_found"
    async with client.post("/") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
        assert (await response.json())["error"] == "method_not_allowed"


async def test_a_redirection_is_no_problem(failing: Failing) -> None:
    client = await failing(web.HTTPFound("/elsewhere"))
    async with client.get("/", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/elsewhere")


@pytest.mark.parametrize(
    ("error", "retry_after_s"),
    [
        (RateLimited(2.5), 3),
        (LockedOut(0.1), 1),
        (SeatsTaken("watch", "cam", 2), 5),
        (AuthUnavailable("it does not answer"), 5),
    ],
)
async def test_when_to_come_back(failing: Failing, error: Exception, retry_after_s: int) -> None:
    client = await failing(error)
    async with client.get("/") as response:
        assert response.headers["Retry-After"] == str(retry_after_s)
        assert (await response.json())["retry_after_s"] == retry_after_s


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (BadCredentials(), "Bearer"),
        (FactorNeeded(frozenset({"totp"}), "ticket"), "Bearer"),
        (TokenInvalid("its signature is wrong"), 'Bearer error="invalid_token"'),
        (TokenExpired(), 'Bearer error="invalid_token", error_description="it has expired"'),
    ],
)
async def test_what_would_open_it(failing: Failing, error: Exception, challenge: str) -> None:
    client = await failing(error)
    async with client.get("/") as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("'cam' is not live", "'cam' is not live"),
        ("no stream 'gr\u00fcn'", "no stream 'gr?n'"),
        ("one\r\nSet-Cookie: two", "one Set-Cookie: two"),
        ("no\x00thing\x1b", "no?thing?"),
        ("a" * 1000, "a" * 200),
        ("", "Conflict"),
    ],
)
async def test_the_first_line_says_it_too(failing: Failing, message: str, shown: str) -> None:
    """VLC, mpv and ffmpeg write that line into their logs, and nothing of the body."""
    client = await failing(Problem(409, "not_live", message))
    async with client.get("/") as response:
        assert (response.status, response.reason) == (409, shown)
        assert (await response.json())["message"] == message
        assert "Set-Cookie" not in response.headers
