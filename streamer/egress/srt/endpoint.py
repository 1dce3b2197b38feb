"""Callers that read over SRT: let in, known by their ids, ended."""

from __future__ import annotations

import logging
import threading

from auth.access.door import Door, Entry
from auth.errors import AuthError
from streamer.callers import entered, machine_of, reading, refusal, screened
from streamer.egress.srt.output import TsOutput
from streamer.egress.srt.reader import SrtReader
from streamer.errors import NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import Stream
from streamer.sections.stream import StreamConfig
from transport.errors import TransportError
from transport.srt import Admission, Refused, RejectReason, SrtConnection, StreamId

_log = logging.getLogger(__name__)


class SrtEgress:
    """All readers. `admit`, `connected` and `refused` are what an `SrtListener` calls. Thread-safe.

    Args:
        registry: the streams.
        door: decides who may read, and for how long.
        max_readers: more are told to come back later.
        secret: what other machines prove themselves with, None where there are none.
    """

    def __init__(self, registry: Registry, door: Door, max_readers: int, secret: str | None = None) -> None:
        self._registry = registry
        self._door = door
        self._max_readers = max_readers
        self._secret = secret
        self._lock = threading.Lock()
        self._outputs: dict[Stream, TsOutput] = {}
        self._ending: list[TsOutput] = []
        self._entering: dict[str, tuple[threading.Thread, SrtReader]] = {}
        self._is_closed = False
        registry.on_remove.append(self._removed)

    @property
    def readers(self) -> list[SrtReader]:
        """Who reads now."""
        with self._lock:
            outputs = list(self._outputs.values())
        return [reader for output in outputs for reader in output.readers]

    def close(self, reason: str) -> None:
        """End all readers and wait for the threads. Nobody may be let in any more."""
        with self._lock:
            self._is_closed = True
            entering = list(self._entering.values())
            outputs = [*self._outputs.values(), *self._ending]
        for thread, reader in entering:
            reader.end(reason)
            thread.join()
        for output in outputs:
            output.close(reason)
        for output in outputs:
            output.join()

    def admit(self, stream_id: StreamId, address: tuple[str, int]) -> Admission:
        """Let a caller read.

        Raises:
            Refused: he may not; says why.
        """
        try:
            stream = self._registry.find(stream_id.resource)
        except NoSuchStream as error:
            raise Refused(RejectReason.NOT_FOUND, str(error)) from None
        if machine_of(stream_id):
            return self._admit_machine(stream)
        config = stream.config
        _check_encryption(stream.name, config)
        asks = reading(stream_id, config, address[0])
        try:
            screened(self._door, asks)
        except AuthError as error:
            raise refusal(error) from None
        if len(self.readers) >= self._max_readers:
            raise Refused(RejectReason.OVERLOADED, f"{self._max_readers} read already (srt.max_readers)")
        key_bytes = max(config.pbkeylen, config.encryption.key_bytes)
        return Admission(passphrase=config.reading_passphrase, pbkeylen=key_bytes)

    def _admit_machine(self, stream: Stream) -> Admission:
        """Let another machine have what is published here; without the secret libsrt refuses it."""
        if self._secret is None:
            raise Refused(RejectReason.FORBIDDEN, "this machine is in no cluster (cluster.secret)")
        if stream.own_publisher is None:
            raise Refused(RejectReason.NOT_FOUND, f"{stream.name!r} is not published to this machine")
        return Admission(passphrase=self._secret, pbkeylen=32)

    def connected(self, connection: SrtConnection) -> None:
        """Take over an admitted caller's connection."""
        try:
            stream = self._registry.find(connection.stream_id.resource)
        except NoSuchStream as error:  # since the handshake
            connection.close()
            _log.info("srt %s:%d: %s", *connection.peer_address[:2], error, extra={"session": connection.id})
            return
        reader = SrtReader(stream, connection)
        # Who decides may be asked, which takes time that the next caller should not have to wait.
        thread = threading.Thread(
            target=self._enter, args=(reader, connection), name=f"reader {reader.id}", daemon=True
        )
        with self._lock:
            self._entering[reader.id] = (thread, reader)
        try:
            thread.start()
        except RuntimeError as error:
            with self._lock:
                del self._entering[reader.id]
            self._turn_away(reader, f"no thread for it: {error}")

    def refused(self, address: tuple[str, int], error: TransportError) -> None:
        """A caller was turned away; the log has it already."""

    def _enter(self, reader: SrtReader, connection: SrtConnection) -> None:
        try:
            machine = machine_of(connection.stream_id)
            if machine:
                reader.user = f"machine {machine}"
            else:
                reader.let_in(self._let_in(reader, connection))
            self._attend(reader)
        except (AuthError, RuntimeError) as error:
            self._turn_away(reader, str(error))
        except Exception:  # one caller's trouble must stay its own
            _log.exception("%s: a reader failed", reader.stream.name, extra={"session": reader.id})
            self._turn_away(reader, "the server failed")
        finally:
            with self._lock:
                self._entering.pop(reader.id, None)

    def _let_in(self, reader: SrtReader, connection: SrtConnection) -> Entry:
        asks = reading(connection.stream_id, reader.stream.config, connection.peer_address[0])
        return entered(self._door, asks, reader.end)

    def _attend(self, reader: SrtReader) -> None:
        """Give it to the output of its stream.

        Raises:
            RuntimeError: the server is stopping, or the machine allows no more threads.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the server is stopping")
            output = self._outputs.get(reader.stream)
            if output is None or not output.add(reader):
                self._outputs[reader.stream] = output = TsOutput(reader.stream)
                output.add(reader)
        who = f" ({reader.user})" if reader.user else ""
        _log.info("%s: read by %s%s", reader.stream.name, reader.address, who, extra={"session": reader.id})

    @staticmethod
    def _turn_away(reader: SrtReader, reason: str) -> None:
        reader.end(reason)
        reader.close()

    def _removed(self, stream: Stream) -> None:
        with self._lock:
            output = self._outputs.pop(stream, None)
            self._ending = [other for other in self._ending if other.alive]
            self._ending += [output] if output is not None else []
        if output is not None:
            output.close("the stream is not configured any more")


def _check_encryption(name: str, config: StreamConfig) -> None:
    if config.e2e and not config.clear_relays:
        raise Refused(
            RejectReason.FORBIDDEN,
            f"{name!r} is encrypted end to end, and readers would get it in the clear (clear_relays)",
        )
    if config.encryption and config.reading_passphrase is None:
        raise Refused(
            RejectReason.FORBIDDEN,
            f'{name!r} has encryption = "{config.encryption}", but no passphrase to read with '
            "(read_passphrase)",
        )
