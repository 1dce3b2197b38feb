"""Structured logs: JSON for machines, aligned text for people, one id per connection, no secrets.

The code logs through the standard library; structlog only renders. A record's `extra={"session": …}` becomes
a field.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, SecretStr

from ops.process.printable import printable
from ops.process.stderr import StandardError
from streamer.config import Config
from transport.errors import WireError
from transport.srt import parse_srt_url, parse_stream_id

_SHORTEST_SECRET = 6
_MAX_ADDED = 1000
_SECRET_PARAMETERS = ("password", "passwd", "pwd", "pass", "token", "key")


class Redactor:
    """Last line of defence: replaces the configured secrets wherever they turn up in a log line."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        # Of destinations and broadcasts, which come and go; the newest last.
        self._added: dict[str, None] = {}

    def know(self, secrets: Iterable[str]) -> None:
        """Set what must not be shown; very short ones would only garble the log."""
        self._secrets = tuple(
            sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
        )

    def add(self, secret: str) -> None:
        """Hide one more, besides those of the configuration."""
        if len(secret) >= _SHORTEST_SECRET:
            self._added.pop(secret, None)
            self._added[secret] = None
            if len(self._added) > _MAX_ADDED:
                del self._added[next(iter(self._added))]

    def know_config(self, config: Config, *more: str) -> None:
        """Take the secrets of a configuration: what it declares as one, and what stands in addresses."""
        self.know([*more, *_secrets_of(config)])

    def __call__(
        self, logger: Any, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """As a structlog processor."""
        return {key: self._clean(value) for key, value in event.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in (*self._secrets, *self._added):
                if secret in value:
                    value = value.replace(secret, "***")
        elif isinstance(value, dict):
            return {key: self._clean(each) for key, each in value.items()}
        elif isinstance(value, list | tuple):
            return [self._clean(each) for each in value]
        return value


def _secrets_of(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
        value = value.get_secret_value()
    if isinstance(value, str) and "://" in value:
        yield from _secrets_in(value)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_of(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secrets_of(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _secrets_of(each)


def _secrets_in(source: str) -> Iterator[str]:
    """The credentials in a source's address, as written there and as sent."""
    if source.startswith("srt:"):
        target = parse_srt_url(source)
        yield target.options.passphrase or ""
        yield target.stream_id
        with contextlib.suppress(WireError):  # other servers have forms of their own
            yield parse_stream_id(target.stream_id.encode()).session_key
        return
    parts = urlsplit(source)
    yield from (parts.password or "", unquote(parts.password or ""))
    for key, value in parse_qsl(parts.query):
        if key.lower() in _SECRET_PARAMETERS:
            yield value


def configure(config: Config) -> Redactor:
    """Send all logging to standard error in the configured format; return what knows the secrets."""
    log = config.log
    as_json = log.format == "json" or (log.format == "auto" and not sys.stderr.isatty())
    redactor = Redactor()
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Here, not in the renderer: what an exception says must pass the redactor too.
            structlog.processors.format_exc_info,
            redactor,
            *(() if as_json else (_for_a_terminal,)),
            renderer,
        ],
    )
    handler = StandardError()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log.level.upper())
    # Per-packet and per-request chatter of libraries is never wanted at our level.
    for name in ("aiortc", "aioice", "aiohttp.access", "asyncio", "watchfiles", "libav", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_without_what_was_sent)
    redactor.know_config(config)
    return redactor


def _for_a_terminal(
    logger: Any, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """As a structlog processor: what strangers supplied neither moves the cursor nor begins a line."""
    return {
        key: printable(value, "\n\t" if key == "exception" else "") if isinstance(value, str) else value
        for key, value in event.items()
    }


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    """Of what is no HTTP, as scanners send it, only that it came, and only to who wants details.

    The library quotes it, with any token in it, and takes it for an error of this server.
    """
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    record.msg += f": {type(error).__name__}"
    record.exc_info = None
    return logging.getLogger().isEnabledFor(logging.DEBUG)
