from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from streamer.web.inputs import Body, Query, read_body, read_query
from streamer.web.problems import problems


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Paint(Body):
    colour: Colour
    layers: int = 1
    secret: SecretStr = SecretStr("")


class Filter(Query):
    colours: tuple[Colour, ...] = ()
    limit: int = 10


Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async def paint(request: web.Request) -> web.Response:
        body = await read_body(request, Paint)
        return web.json_response([body.colour, body.layers, body.secret.get_secret_value()])

    async def walls(request: web.Request) -> web.Response:
        query = read_query(request, Filter)
        return web.json_response([query.colours, query.limit])

    app = web.Application(middlewares=[problems], client_max_size=2000)
    app.router.add_post("/", paint)
    app.router.add_get("/", walls)
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    yield client
    await client.close()


async def post(client: Client, body: str | bytes, content_type: str = "application/json") -> tuple[int, Any]:
    async with client.post("/", data=body, headers={"Content-Type": content_type}) as response:
        return response.status, await response.json()


async def test_a_body_that_fits(client: Client) -> None:
    assert await post(client, '{"colour": "red", "layers": 2}') == (200, ["red", 2, ""])
    assert await post(client, '{"colour": "red"}', "application/json; charset=utf-8") == (200, ["red", 1, ""])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "invalid JSON"),
        ("{", "invalid JSON"),
        (b'{"colour": "\xff"}', "invalid JSON"),
        ('{"colour": "\\ud800"}', "invalid JSON"),
        ("[]", "object"),
        ("{}", "colour: field required"),
        ('{"colour": "green"}', "colour: input should be 'red' or 'blue'"),
        ('{"colour": "red", "layers": "2"}', "layers: input should be a valid integer"),
        ('{"colour": "red", "layers": 1e400}', "layers"),
        ('{"colour": "red", "gloss": true}', "gloss: extra inputs are not permitted"),
        ('{"colour": "red", "secret": "a\\u0000b"}', "NUL"),
        ('{"colour": "red", "secret": "a\\\\\\u0000b"}', "NUL"),
    ],
)
async def test_a_body_that_does_not_fit(client: Client, body: str | bytes, told: str) -> None:
    status, answer = await post(client, body)
    assert status == 400
    assert answer["error"] == "bad_request"
    assert told in answer["message"]


async def test_a_backslash_before_what_looks_like_a_nul_is_a_backslash(client: Client) -> None:
    body = '{"colour": "red", "secret": "a\\\\u0000b"}'
    assert await post(client, body) == (200, ["red", 1, "a\\u0000b"])


async def test_what_was_sent_is_not_told_again(client: Client) -> None:
    for body in ('{"colour": "hunter2"}', '{"colour": "red", "secret": ["hunter2"]}', '{"secret": "hunter2'):
        status, answer = await post(client, body)
        assert status == 400
        assert "hunter2" not in str(answer)


async def test_many_findings_are_not_all_told(client: Client) -> None:
    body = '{"colour": "red"' + "".join(f', "a{number}": 1' for number in range(9)) + "}"
    _, answer = await post(client, body)
    assert answer["message"].endswith("; and 4 more")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_counts(client: Client, content_type: str) -> None:
    status, answer = await post(client, '{"colour": "red"}', content_type)
    assert status == 415
    assert "application/json" in answer["message"]


async def test_a_large_body(client: Client) -> None:
    status, _ = await post(client, '{"colour": "red", "secret": "' + "x" * 4000 + '"}')
    assert status == 413


async def test_a_query(client: Client) -> None:
    for path, expected in (
        ("/", [[], 10]),
        ("/?limit=3&token=x", [[], 3]),
        ("/?colours=red&colours=blue", [["red", "blue"], 10]),
    ):
        async with client.get(path) as response:
            assert await response.json() == expected


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/?limit=many", "limit: input should be a valid integer"),
        ("/?limit=1&limit=2", "limit: expected one value"),
        ("/?colours=green", "colours.0: input should be 'red' or 'blue'"),
        ("/?limit=%00", "limit: expected text without NUL"),
    ],
)
async def test_a_query_that_does_not_fit(client: Client, path: str, told: str) -> None:
    async with client.get(path) as response:
        assert response.status == 400
        assert told in (await response.json())["message"]
