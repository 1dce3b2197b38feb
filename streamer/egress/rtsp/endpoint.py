"""RTSP clients that read: let in, known by their ids, ended."""

from __future__ import annotations

import logging
import threading

from auth.access.door import Door, Entry
from auth.access.rates import RateLimiter
from auth.errors import AuthError
from auth.permissions.credentials import PasswordCredential
from streamer.callers import RtspRefused, entered, reading_over_rtsp, rtsp_status, screened
from streamer.egress.rtsp.output import Outputs
from streamer.egress.rtsp.reader import RtspReader
from streamer.encryption import objection_to
from streamer.errors import NoSuchStream, NotLive
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from transport.errors import LinkError
from transport.rtsp.listener import RtspConnection
from transport.rtsp.server import Asking

_log = logging.getLogger(__name__)


class RtspEgress:
    """All readers. Thread-safe.

    Args:
        registry: the streams.
        door: decides who may read, and for how long.
        max_readers: more are told to come back later.
        knocks: how often one address may try a password; None for as often as it likes.
    """

    def __init__(
        self, registry: Registry, door: Door, max_readers: int, knocks: RateLimiter | None = None
    ) -> None:
        self._registry = registry
        self._door = door
        self._max_readers = max_readers
        self._knocks = knocks
        self._lock = threading.Lock()
        self._readers: dict[str, RtspReader] = {}
        self._outputs = Outputs()
        registry.on_remove.append(self._removed)

    @property
    def readers(self) -> list[RtspReader]:
        """Who reads now, or is about to."""
        with self._lock:
            return list(self._readers.values())

    def close(self, reason: str) -> None:
        """Tell all readers to end. The port's `close` waits for their threads."""
        for reader in self.readers:
            reader.end(reason)

    def serve(self, connection: RtspConnection, asked: Asking) -> Asking | None:
        """Look after a client that reads, in its thread.

        Returns:
            What it asks for instead; None where it may ask once more.

        Raises:
            LinkError: how it ended.
        """
        try:
            return self._read(connection, asked)
        except RtspRefused as refusal:
            host, port = connection.peer_address
            # Nothing was presented yet: this is how most begin.
            level = logging.DEBUG if refusal.challenge and asked.login is None else logging.WARNING
            _log.log(level, "rtsp %s:%d: %s", host, port, refusal, extra={"session": connection.id})
            connection.session.reject(refusal.status, str(refusal), challenge=refusal.challenge)
            return None

    def _read(self, connection: RtspConnection, asked: Asking) -> Asking | None:
        try:
            stream = self._registry.find(asked.named.name)
        except NoSuchStream as error:
            raise RtspRefused(404, str(error)) from None
        reader = RtspReader(stream, connection)
        entry = self._let_in(reader, connection, asked)
        reason = "the server failed"
        try:
            connection.admit()
            reader.let_in(entry)
            self._welcome(reader)
            return reader.run(asked, self._outputs)
        except LinkError as error:
            reason = str(error)
            raise
        except (NotLive, RuntimeError) as error:
            reason = str(error)
            if isinstance(error, NotLive):
                raise RtspRefused(404, reason) from None
            raise LinkError("ended", reason) from None
        finally:
            reader.farewell()
            connection.dismiss()
            entry.close()
            self._part(reader, reason)

    def _let_in(self, reader: RtspReader, connection: RtspConnection, asked: Asking) -> Entry:
        stream, address = reader.stream, connection.peer_address[0]
        objection = _objection(stream, connection)
        if objection and not asked.named.secret and asked.login is None:
            # Who is asked for a secret here would send it in the clear, and in vain.
            raise RtspRefused(403, objection)
        asks = reading_over_rtsp(asked, stream.name, stream.config, address)
        try:
            if self._knocks is not None and isinstance(asks[0].credential, PasswordCredential):
                self._knocks.check(address)
            # Before a token for one use is used up; and a stranger is not told what the stream demands.
            allowed = screened(self._door, asks)
            if objection:
                raise RtspRefused(403, objection)
            return entered(self._door, allowed, reader.end)
        except AuthError as error:
            status = rtsp_status(error)
            raise RtspRefused(status, str(error), challenge=status == 401) from None

    def _welcome(self, reader: RtspReader) -> None:
        with self._lock:
            if len(self._readers) >= self._max_readers:
                raise RtspRefused(503, f"{self._max_readers} read already (rtsp.max_readers)")
            self._readers[reader.id] = reader
        who = f" ({reader.user})" if reader.user else ""
        _log.info("%s: read by %s%s", reader.stream.name, reader.address, who, extra={"session": reader.id})

    def _part(self, reader: RtspReader, reason: str) -> None:
        with self._lock:
            was_there = self._readers.pop(reader.id, None) is not None
        if was_there:
            name = reader.stream.name
            _log.info("%s: reader left: %s", name, reader.reason or reason, extra={"session": reader.id})

    def _removed(self, stream: Stream) -> None:
        for reader in self.readers:
            if reader.stream is stream:
                reader.end("the stream is not configured any more")


def _objection(stream: Stream, connection: RtspConnection) -> str:
    config = stream.config
    if config.e2e:
        return f"{stream.name!r} is encrypted end to end, which RTSP is not"
    return objection_to(
        stream.name,
        config.encryption,
        has_passphrase=config.reading_passphrase is not None,
        encryption=connection.encryption,
        key_bits=connection.key_bits,
        otherwise="rtsps://",
    )
