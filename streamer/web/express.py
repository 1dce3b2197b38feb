"""Answers given before aiohttp sees the request, for what comes often and needs little.

A request through the application costs 0.1 ms on a warm machine and several times that on a cold one: parser,
router, middlewares, headers. Players over HLS make four a second each, which need none of it: a key in the
address opens them, and what they get is there already. So a connection looks at each request as it comes in.
An `Express` that knows it answers at once, or once there is something; all the others, and all that is not
as browsers and players write it, take the ordinary way, errors among them.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol

from aiohttp import web

#: What changes what is wanted, or what follows; and lines that do not end as they should, of which a proxy in
#: front may think otherwise than these expressions.
_ELSE = re.compile(
    rb"(?<!\r)\n|\r(?!\n)|"
    rb"\r\n(?:content-length|transfer-encoding|expect|upgrade|range|if-[a-z-]+|"
    rb"connection: *+(?!keep-alive\r))",
    re.IGNORECASE,
)
_ORIGIN = re.compile(rb"\r\norigin: *([^\r]*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n")
#: More waits to be sent: the rest waits for its turn in the ordinary way.
_MOST_UNSENT_BYTES = 4 * 1024 * 1024
#: aiohttp hangs up on who asked nothing of it for about an hour.
_ORDINARY_EVERY_S = 1800.0
#: More than this before an answer is out is no player.
_MOST_AHEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 200.

    Attributes:
        content_type: of the body.
        caching: Cache-Control.
        body: its pieces, in order.
    """

    content_type: str
    caching: str
    body: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Later:
    """There is no answer yet.

    Attributes:
        wait: given what to call when to ask again; returns what ends the waiting.
    """

    wait: Callable[[Callable[[], None]], Callable[[], None]]


class Express(Protocol):
    """Answers some requests."""

    #: What the paths of all of them begin with.
    beginning: str

    def __call__(self, target: str, *, waited: bool) -> Answer | Later | None:
        """Answer; None for the ordinary way.

        Args:
            target: path and query, as they were sent.
            waited: it was put off before: `Later` once more is for nobody.
        """


class ExpressHandler(web.RequestHandler):
    """One connection.

    Args:
        manager: the server whose connection it is.
        express: answers some of its requests.
        fields: of the headers that every answer has, for what a request has as its Origin.

    Attributes:
        has_waited: what it asked last was put off already.
    """

    __slots__ = (
        "_awaited",
        "_beginning",
        "_express",
        "_fields",
        "_held",
        "_is_ordinary",
        "_ordinary_at",
        "has_waited",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        express: Express,
        fields: Callable[[str | None], Mapping[str, str]],
        **others: Any,
    ) -> None:
        super().__init__(manager, **others)
        self._express = express
        self._beginning = b"GET " + express.beginning.encode()
        self._fields = fields
        self._is_ordinary = False  # aiohttp has something of it that is not answered yet
        self._ordinary_at = time.monotonic()
        self._held = b""  # what came while an answer is put off
        self._awaited: Callable[[], None] | None = None
        self.has_waited = False

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self._awaited is not None:
            self._held += data
            if len(self._held) > _MOST_AHEAD_BYTES:
                self.force_close()
        elif not self._is_ordinary and data.startswith(self._beginning) and self._is_whole(data):
            self._ask(data, waited=False)
        else:
            self.has_waited = False
            self._take_ordinary_way(data)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """An answer of aiohttp's goes out."""
        finished = await super().finish_response(request, resp, start_time)
        self._is_ordinary = bool(self._messages)
        self._ordinary_at = time.monotonic()
        return finished

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        if self._awaited is not None:
            self._awaited()
            self._awaited = None
        super().connection_lost(exc)

    def _is_whole(self, data: bytes) -> bool:
        """Whether it is one request, of which nothing is unusual."""
        return (
            data.find(b"\r\n\r\n") == len(data) - 4
            and _ELSE.search(data) is None
            and self.transport is not None
            and self.transport.get_write_buffer_size() <= _MOST_UNSENT_BYTES
            and time.monotonic() - self._ordinary_at < _ORDINARY_EVERY_S
        )

    def _ask(self, data: bytes, *, waited: bool) -> None:
        self.has_waited = waited
        line = _REQUEST_LINE.match(data)
        answer = self._express(line[1].decode(), waited=waited) if line is not None else None
        if isinstance(answer, Answer):
            self._send(data, answer)
        elif isinstance(answer, Later):
            self._awaited = answer.wait(lambda: self._ask_again(data))
        else:
            self._take_ordinary_way(data)

    def _ask_again(self, data: bytes) -> None:
        if self._awaited is None:
            return  # the connection is lost
        self._awaited = None
        self._ask(data, waited=True)
        if self._held and self.transport is not None:
            held, self._held = self._held, b""
            self.data_received(held)

    def _send(self, data: bytes, answer: Answer) -> None:
        origin = _ORIGIN.search(data)
        fields = {
            "Content-Type": answer.content_type,
            "Content-Length": str(sum(map(len, answer.body))),
            "Cache-Control": answer.caching,
            **self._fields(origin[1].decode("latin-1") if origin is not None else None),
            "Date": formatdate(usegmt=True),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        assert self.transport is not None
        self.transport.writelines([f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode("latin-1"), *answer.body])

    def _take_ordinary_way(self, data: bytes) -> None:
        self._is_ordinary = True
        super().data_received(data)


def has_waited(request: web.BaseRequest) -> bool:
    """Whether a request that takes the ordinary way was put off before it did."""
    return isinstance(request.protocol, ExpressHandler) and request.protocol.has_waited


class ExpressSite(web.BaseSite):
    """A port whose connections are `ExpressHandler`s.

    Args:
        runner: of the application that answers all the rest, set up.
        host: to listen on.
        port: 0 for any.
        express: answers some requests.
        fields: see `ExpressHandler`.
        tls: for HTTPS, None without.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        *,
        express: Express,
        fields: Callable[[str | None], Mapping[str, str]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=tls, backlog=1024)
        self._host = host
        self._port = port
        self._express = express
        self._fields = fields

    @property
    def name(self) -> str:
        """Its address."""
        return f"{'https' if self._ssl_context is not None else 'http'}://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        await super().start()
        loop = asyncio.get_running_loop()
        manager = self._runner.server
        assert manager is not None

        def connection() -> ExpressHandler:
            return ExpressHandler(
                manager, loop=loop, express=self._express, fields=self._fields, access_log=None
            )

        self._server = await loop.create_server(
            connection, self._host, self._port, ssl=self._ssl_context, backlog=self._backlog
        )
