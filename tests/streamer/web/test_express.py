from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from streamer.web.app import COMMON_FIELDS, make_app
from streamer.web.express import Answer, ExpressSite, Later, has_waited
from streamer.web.operations import Operation
from tests.fakes.wait import until

HEAD = "GET /quick/x HTTP/1.1\r\nHost: here\r\n"


class Quick:
    """Answers /quick/…; what ends in "later" once `come` was called."""

    beginning = "/quick/"

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.waiting: list[Callable[[], None]] = []
        self.body = b"quick"
        self.has_come = False

    def __call__(self, target: str, *, waited: bool) -> Answer | Later | None:
        self.asked.append((target, waited))
        if target.endswith("none") or (waited and not self.has_come):
            return None
        if target.endswith("later") and not self.has_come:
            return Later(self._wait)
        return Answer("text/plain", "no-store", (target.encode(), b" ", self.body))

    def _wait(self, tell: Callable[[], None]) -> Callable[[], None]:
        self.waiting.append(tell)
        return lambda: self.waiting.remove(tell)

    def come(self, *, has_come: bool = True) -> None:
        self.has_come = has_come
        for tell in list(self.waiting):
            self.waiting.remove(tell)
            tell()


class Ordinary:
    """The face of an application."""

    def operations(self) -> list[Operation]:
        return [Operation("GET", "/quick/{what}", self.answer, "The same in the ordinary way")]

    async def answer(self, request: web.Request) -> web.Response:
        return web.Response(text=f"ordinary {request.match_info['what']} {has_waited(request)}")


class Client:
    """One connection to a server with both."""

    def __init__(self, port: int, quick: Quick) -> None:
        self._port = port
        self.quick = quick

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def answer(self) -> tuple[str, str]:
        """Head and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.lower().splitlines()[1:-1])
        return head, (await self.reader.readexactly(int(fields["content-length"]))).decode()

    async def ask(self, text: str) -> tuple[str, str]:
        self.send(text)
        return await self.answer()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    quick = Quick()
    app = make_app((Ordinary(),), cors_origins=["https://here.example"], hsts=True)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await ExpressSite(runner, "127.0.0.1", 0, express=quick, fields=app[COMMON_FIELDS]).start()
    client = Client(runner.addresses[0][1], quick)
    await client.open()
    yield client
    client.writer.close()
    await runner.cleanup()


async def test_what_it_knows_is_answered_with_the_fields_that_every_answer_has(client: Client) -> None:
    head, body = await client.ask(f"{HEAD}Origin: https://here.example\r\n\r\n")
    assert body == "/quick/x quick"
    ordinary, other = await client.ask(f"{HEAD}Origin: https://here.example\r\nRange: bytes=0-\r\n\r\n")
    assert other == "ordinary x False"
    fields, expected = (
        {line.split(": ")[0].lower(): line.split(": ")[1] for line in each.splitlines()[1:-1]}
        for each in (head, ordinary)
    )
    for name in ("vary", "strict-transport-security", "access-control-allow-origin"):
        assert fields[name] == expected[name]
    assert fields["access-control-expose-headers"] == expected["access-control-expose-headers"]
    assert (fields["content-type"], fields["cache-control"]) == ("text/plain", "no-store")
    assert fields["date"].endswith("GMT")


async def test_other_sites_are_allowed_nothing(client: Client) -> None:
    head, _ = await client.ask(f"{HEAD}Origin: https://there.example\r\n\r\n")
    assert "Vary: Origin" in head
    assert "Access-Control" not in head


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace("GET", "HEAD"),
        HEAD.replace("HTTP/1.1", "HTTP/1.0"),
        HEAD.replace("GET", "get"),
        f"{HEAD}range: bytes=0-\r\n",
        f"{HEAD}If-None-Match: x\r\n",
        f"{HEAD}Connection: close\r\n",
        f"{HEAD}Connection: keep-alive, x\r\n",
        f"{HEAD}Expect: 100-continue\r\n",
        f"{HEAD}Content-Length: 0\r\n",
        f"{HEAD}X: y\nContent-Length: 0\r\n",
        f"{HEAD}X: y\rContent-Length: 0\r\n",
        HEAD.replace("/quick/x", "/quick/ö"),
        HEAD.replace("/quick/x", "/quick/none"),
        HEAD.replace("/quick/x", "/else"),
    ],
)
async def test_anything_else_takes_the_ordinary_way(client: Client, head: str) -> None:
    client.send(f"{head}\r\n")
    answer = await client.reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.")
    assert b"Server: " in answer or b" 100 Continue" in answer  # aiohttp's
    assert [target for target, _ in client.quick.asked] in ([], ["/quick/none"])


async def test_a_connection_that_is_kept_alive_in_so_many_words(client: Client) -> None:
    _, body = await client.ask(f"{HEAD}Connection:  Keep-Alive\r\n\r\n")
    assert body == "/quick/x quick"


async def test_a_request_in_pieces_is_answered(client: Client) -> None:
    client.send(HEAD)
    await client.writer.drain()
    client.send("X: y\r\n\r\n")
    assert (await client.answer())[1] in ("ordinary x False", "/quick/x quick")
    assert (await client.ask(f"{HEAD}\r\n"))[1] == "/quick/x quick"


async def test_requests_ahead_of_their_answers_are_answered_in_order(client: Client) -> None:
    later = HEAD.replace("/x", "/later")
    client.send(f"{HEAD}\r\n{HEAD}\r\n")
    assert [(await client.answer())[1] for _ in range(2)] == ["ordinary x False"] * 2
    client.send(f"{later}\r\n")
    await until(lambda: bool(client.quick.waiting))
    client.send(f"{HEAD}\r\n")
    client.send(f"{HEAD}Range: x\r\n\r\n")
    client.quick.come()
    bodies = [(await client.answer())[1] for _ in range(3)]
    assert bodies[0] == "/quick/later quick"
    assert [body.removeprefix("ordinary x").removeprefix("/quick/x") for body in bodies[1:]] in (
        [" quick", " False"],
        [" False", " False"],
    )


async def test_an_answer_is_put_off_once(client: Client) -> None:
    client.send(HEAD.replace("/x", "/later") + "\r\n")
    await until(lambda: bool(client.quick.waiting))
    client.quick.come(has_come=False)
    assert (await client.answer())[1] == "ordinary later True"
    assert client.quick.asked == [("/quick/later", False), ("/quick/later", True)]
    assert (await client.ask(f"{HEAD}Range: x\r\n\r\n"))[1] == "ordinary x False"


async def test_who_leaves_waits_no_more(client: Client) -> None:
    client.send(HEAD.replace("/x", "/later") + "\r\n")
    await until(lambda: bool(client.quick.waiting))
    client.writer.close()
    await until(lambda: not client.quick.waiting)


async def test_who_does_not_read_is_not_answered_for_ever(client: Client) -> None:
    client.quick.body = bytes(1 << 20)
    asked = 100
    for _ in range(asked):
        client.send(f"{HEAD}\r\n")
        await client.writer.drain()
        await asyncio.sleep(0)
    bodies = [len((await client.answer())[1]) for _ in range(asked)]
    assert len(client.quick.asked) < asked / 2
    assert bodies.count(len("ordinary x False")) > asked / 2


async def test_who_asks_and_asks_while_an_answer_is_put_off_is_hung_up_on(client: Client) -> None:
    client.send(HEAD.replace("/x", "/later") + "\r\n")
    await until(lambda: bool(client.quick.waiting))
    client.send("x" * 70_000)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.reader.readexactly(1)
    assert not client.quick.waiting
