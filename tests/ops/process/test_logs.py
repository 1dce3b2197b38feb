from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.process import logs
from streamer.config import Config, parse

KEY = "key-of-the-encoder"
PASSPHRASE = "correct horse battery"
PASSWORD = "p%40ssword-of-the-camera"
STREAMS = {
    "cam": {"publish_key": KEY, "passphrase": PASSPHRASE},
    "door": {"source": f"rtsp://admin:{PASSWORD}@192.0.2.1/1"},
    "hall": {"source": "rtsp://192.0.2.1/1?user=admin&password=another-password"},
    "far": {"source": "srt://192.0.2.1:9000?passphrase=yet-another-phrase&streamid=publish:a:its-own-key"},
}
DATABASE = "postgresql://streamer:of%20the-database@db.example/streamer"
SECRETS = (
    KEY,
    PASSPHRASE,
    PASSWORD,
    "p@ssword-of-the-camera",
    "another-password",
    "yet-another-phrase",
    "its-own-key",
    "the-admin-token",
    "of%20the-database",
    "of the-database",
)

Configure = Callable[[str], io.StringIO]


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    def configure(format: str) -> io.StringIO:
        output = io.StringIO()
        monkeypatch.setattr("sys.stderr", output)
        config = configuration(format)
        logs.configure(config).know_config(config, "the-admin-token")
        return output

    return configure


def configuration(format: str = "json", level: str = "info") -> Config:
    return parse(
        {"log": {"format": format, "level": level}, "database": {"url": DATABASE}, "streams": STREAMS}
    )


def line(output: io.StringIO) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(output.getvalue())
    return parsed


class TestShape:
    def test_json_carries_the_session(self, configure: Configure) -> None:
        output = configure("json")
        logging.getLogger("streamer.hub").info("%s: published", "cam", extra={"session": "ab12"})
        record = line(output)
        assert record["event"] == "cam: published"
        assert record["session"] == "ab12"
        assert record["level"] == "info"
        assert record["logger"] == "streamer.hub"
        assert record["timestamp"].endswith("Z")

    def test_console_is_one_line(self, configure: Configure) -> None:
        output = configure("console")
        logging.getLogger("streamer.hub").warning("cam: left", extra={"session": "ab12"})
        assert output.getvalue().count("\n") == 1
        assert "session=ab12" in output.getvalue()

    def test_the_console_obeys_no_stranger(self, configure: Configure) -> None:
        output = configure("console")
        try:
            raise ValueError("\x1b[2Jgone")
        except ValueError:
            logging.getLogger("streamer").exception("agent %s", "a\x1b[31m\nforged", extra={"name2": "\x9b"})
        first, *trace = output.getvalue().splitlines()
        assert r"agent a\x1b[31m\nforged" in first
        assert trace[0].startswith("Traceback")
        assert trace[-1] == r"ValueError: \x1b[2Jgone"
        assert "\x1b" not in output.getvalue()
        assert "\x9b" not in output.getvalue()

    def test_auto_is_json_where_nobody_looks(self, configure: Configure) -> None:
        output = configure("auto")
        logging.getLogger("streamer").info("hello")
        assert line(output)["event"] == "hello"

    def test_the_level_holds(self, configure: Configure) -> None:
        output = configure("json")
        logging.getLogger("streamer").debug("too much")
        logging.getLogger("aiortc").info("chatter")
        assert output.getvalue() == ""


@pytest.mark.parametrize("format", ["json", "console"])
class TestRedaction:
    @pytest.mark.parametrize("secret", SECRETS)
    def test_in_the_message(self, configure: Configure, format: str, secret: str) -> None:
        output = configure(format)
        logging.getLogger("streamer").warning("cannot open %s", f"srt://host?passphrase={secret}")
        assert secret not in output.getvalue()
        assert "***" in output.getvalue()

    @pytest.mark.parametrize("shape", [KEY, [KEY], {"a": (KEY,)}], ids=["text", "list", "nested"])
    def test_in_a_field(self, configure: Configure, format: str, shape: object) -> None:
        output = configure(format)
        logging.getLogger("streamer").warning("hello", extra={"session": shape})
        assert KEY not in output.getvalue()

    def test_in_a_traceback(self, configure: Configure, format: str) -> None:
        output = configure(format)
        try:
            raise ValueError(f"bad passphrase {PASSPHRASE}")
        except ValueError:
            logging.getLogger("streamer").exception("it failed")
        assert PASSPHRASE not in output.getvalue()
        assert "ValueError" in output.getvalue()

    def test_a_secret_within_another_leaves_no_tail(self, configure: Configure, format: str) -> None:
        output = configure(format)
        redactor = logs.configure(configuration(format))
        redactor.know(["secret", "secret-and-more"])
        logging.getLogger("streamer").warning("it is secret-and-more")
        assert "and-more" not in output.getvalue()

    def test_a_reload_brings_the_new_ones(self, configure: Configure, format: str) -> None:
        output = configure(format)
        redactor = logs.configure(configuration(format))
        redactor.know_config(parse({"streams": {"cam": {"publish_key": "a-changed-key"}}}))
        logging.getLogger("streamer").warning("key a-changed-key")
        assert "a-changed-key" not in output.getvalue()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /whep/cam?token=the-token of-somebody HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /whep/cam HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer the-token\x01\r\n\r\n",
        b"GET /whep/cam HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["line", "header", "no host", "TLS"],
)
async def test_what_is_no_http_is_no_error_and_not_quoted(configure: Configure, sent: bytes) -> None:
    output = configure("json")
    server = TestServer(web.Application())
    await server.start_server()
    for level in (logging.INFO, logging.DEBUG):
        logging.getLogger().setLevel(level)
        reader, writer = await asyncio.open_connection(server.host, server.port)
        with contextlib.closing(writer):
            writer.write(sent)
            assert (await reader.readline()).startswith(b"HTTP/1.0 400 ")
        told = [json.loads(each) for each in output.getvalue().splitlines()]
        assert [each for each in told if each["level"] != "debug"] == []
        assert "the-token" not in output.getvalue()
    await server.close()
    (record,) = [each for each in told if each["logger"] == "aiohttp.server"]
    assert "127.0.0.1" in record["event"]


def test_an_error_of_ours_is_told_whole(configure: Configure) -> None:
    output = configure("json")
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        logging.getLogger("aiohttp.server").exception("Error handling request", exc_info=error)
    record = line(output)
    assert record["level"] == "error"
    assert "a bug" in record["exception"]
