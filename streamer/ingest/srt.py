"""Encoders that push over SRT.

The port asks `admit` while the handshake is under way, so that a caller without the right to publish never
gets a connection; each admitted one gets a thread that reads, demuxes and writes until it ends.

Who comes second is refused, or takes the place of who gives way: see `succession.py`.
"""

from __future__ import annotations

import logging
import threading

from auth.access.door import Door
from auth.access.rates import RateLimiter
from auth.errors import AuthError
from streamer.callers import publishing, refusal
from streamer.errors import AlreadyPublished, NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import IngestStatus, Publisher, Stream
from streamer.ingest.session import TsSession
from streamer.ingest.succession import SILENT_S, may_be_taken, take_place
from transport.errors import TransportError
from transport.srt import (
    Admission,
    Refused,
    RejectReason,
    SrtConnection,
    StreamId,
    WeakKey,
)

_log = logging.getLogger(__name__)

# What was sent before us is due by so much later if a busy machine read its handshake late.
_LATE_S = 0.5

_Session = tuple[threading.Thread, SrtConnection]


class SrtIngest:
    """Publishers and their threads. `admit`, `connected` and `refused` are what an `SrtListener` calls.

    Args:
        registry: the streams.
        door: decides who may publish, and for how long.
        knocks: how often one address may try, as people make up publish keys; None for as often as it likes.
    """

    def __init__(self, registry: Registry, door: Door, knocks: RateLimiter | None = None) -> None:
        self._registry = registry
        self._door = door
        self._knocks = knocks
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def close(self) -> None:
        """End every publisher and wait for their threads. Nobody may be let in any more."""
        with self._lock:
            sessions = list(self._sessions.values())
        for _, connection in sessions:
            connection.close()
        for thread, _ in sessions:
            thread.join()

    def admit(self, stream_id: StreamId, address: tuple[str, int]) -> Admission:
        """Let a caller publish.

        Raises:
            Refused: he may not; says why.
        """
        try:
            stream = self._registry.find(stream_id.resource)
        except NoSuchStream as error:
            raise Refused(RejectReason.NOT_FOUND, str(error)) from None
        config = stream.config
        if not config.is_published:
            raise Refused(RejectReason.FORBIDDEN, f"{stream.name!r} is pulled from its source")
        try:
            if self._knocks is not None:
                self._knocks.check(address[0])
            self._door.screen(publishing(stream_id, config, address[0]))
        except AuthError as error:
            raise refusal(error) from None
        publisher = stream.publisher
        if publisher is not None and not may_be_taken(publisher):
            raise Refused(RejectReason.CONFLICT, f"{stream.name!r} is being published by {publisher.address}")
        passphrase = config.passphrase.get_secret_value() if config.passphrase is not None else None
        return Admission(passphrase=passphrase, pbkeylen=config.pbkeylen)

    def _giving_way(self, publisher: Publisher) -> _Session | None:
        """Its session, if it gives way."""
        with self._lock:
            session = self._sessions.get(publisher.id)
        if session is None:
            return None
        _, connection = session
        return session if _is_lost(connection) else None

    def _succeed(self, stream: Stream, connection: SrtConnection) -> None:
        """End a publisher that gives way, but let what it sent last be shown while ours is not due yet."""
        publisher = stream.publisher
        session = self._giving_way(publisher) if publisher is not None else None
        if publisher is None or session is None:
            return
        thread, previous = session
        if previous.is_over:
            thread.join(connection.latency_s + _LATE_S)
        previous.close()
        thread.join()
        _log.info("%s: in the place of %s", stream.name, publisher.address, extra={"session": connection.id})

    def refused(self, address: tuple[str, int], error: TransportError) -> None:
        """Show in the API why an encoder with the right passphrase was turned away: SRT cannot tell it.

        Those without a right to publish are in the log only: a stranger must not write into a stream's state.
        """
        if not isinstance(error, WeakKey):
            return
        try:
            stream = self._registry.find(error.stream_id.resource)
        except NoSuchStream:
            return
        if stream.publisher is None:
            stream.ingest = IngestStatus("waiting", f"refused {address[0]} port {address[1]}: {error}")

    def connected(self, connection: SrtConnection) -> None:
        """Take over an admitted caller's connection."""
        thread = threading.Thread(
            target=self._serve, args=(connection,), name=f"srt {connection.id}", daemon=True
        )
        with self._lock:
            self._sessions[connection.id] = (thread, connection)
        try:
            thread.start()
        except RuntimeError as error:
            # The machine allows no more; what never ran must not be waited for, and the listener goes on.
            with self._lock:
                del self._sessions[connection.id]
            connection.close()
            host, port = connection.peer_address[:2]
            _log.error("srt %s:%d: no thread for it: %s", host, port, error, extra={"session": connection.id})

    def _serve(self, connection: SrtConnection) -> None:
        try:
            self._publish(connection)
        finally:
            connection.close()
            with self._lock:
                self._sessions.pop(connection.id, None)

    def _publish(self, connection: SrtConnection) -> None:
        host, port = connection.peer_address[:2]
        address = f"{host}:{port}"
        withdrawn: list[str] = []

        def end(why: str) -> None:
            withdrawn.append(why)
            connection.close()

        try:
            # The configuration may have changed, or another caller been quicker, since the handshake.
            stream: Stream = self._registry.find(connection.stream_id.resource)
            ask = publishing(connection.stream_id, stream.config, host)
            entry = self._door.enter_from_thread(ask, end)
        except (NoSuchStream, AuthError) as error:
            _log.warning("srt %s: %s", address, error, extra={"session": connection.id})
            return
        try:
            self._succeed(stream, connection)
            session = TsSession(connection, stream.config.encryption.key_bytes)
            publication = take_place(
                stream,
                Publisher(
                    id=connection.id,
                    protocol="srt",
                    address=address,
                    describe=session.describe,
                    warnings=session.demuxer.warnings,
                    stop=connection.close,
                    encryption=session.encryption,
                    gives_way=lambda: _is_lost(connection),
                ),
            )
        except (NoSuchStream, AlreadyPublished, TransportError) as error:
            entry.close()
            _log.warning("srt %s: %s", address, error, extra={"session": connection.id})
            return
        reason = "the server failed"
        try:
            session.run(publication)
        except TransportError as error:
            reason = withdrawn[0] if withdrawn else str(error)
        except Exception:  # one publisher's trouble must stay its own
            _log.exception("%s: publisher failed", stream.name, extra={"session": connection.id})
        finally:
            entry.close()
            publication.close(reason)


def _is_lost(connection: SrtConnection) -> bool:
    """Nothing more will come: it left before its last pictures are due, or fell silent."""
    return connection.is_over or connection.silent_s > SILENT_S
