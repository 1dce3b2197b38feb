"""Encoders and cameras that push over RTSP and RTSPS (ANNOUNCE and RECORD).

The stream's name is the last part of the path, and `?key=…` behind it, or the password, is the publish key or
a token: `rtsps://live.example:8554/cam?key=SECRET`.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence

from auth.access.door import Ask, Door
from auth.access.rates import RateLimiter
from auth.errors import AuthError
from auth.permissions.actions import Action
from auth.permissions.protocols import Protocol
from streamer.callers import RtspRefused, password_of, publishing_credential, rtsp_status
from streamer.encryption import Leg, leg_over_tls, objection_to
from streamer.errors import AlreadyPublished, NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import IngestStatus, Publication, Publisher, Stream
from streamer.ingest.succession import SILENT_S, may_be_taken, take_place
from transport.errors import LinkError, WireError
from transport.rtsp.listener import RtspConnection
from transport.rtsp.reception import Reception
from transport.rtsp.server import Asking, Event, Packet, Starting

_log = logging.getLogger(__name__)

#: How long a publisher may be silent.
_SILENCE_S = 10.0
_LOOK_EVERY_S = 0.5


class RtspIngest:
    """Publishers over RTSP. `serve` is for who announces something.

    Args:
        registry: the streams.
        door: decides who may publish, and for how long.
        knocks: how often one address may try, as people make up publish keys; None for as often as it likes.
    """

    def __init__(self, registry: Registry, door: Door, knocks: RateLimiter | None = None) -> None:
        self._registry = registry
        self._door = door
        self._knocks = knocks

    def serve(self, connection: RtspConnection, asked: Asking) -> Asking | None:
        """Look after a client that publishes, in its thread.

        Returns:
            None: it was refused, and may ask once more.

        Raises:
            LinkError: how it ended.
        """
        try:
            self._publish(connection, asked)
        except RtspRefused as refusal:
            host, port = connection.peer_address
            # Nothing was presented yet: this is how most begin that have a password.
            level = logging.DEBUG if refusal.challenge and not _presented(asked) else logging.WARNING
            _log.log(level, "rtsp %s:%d: %s", host, port, refusal, extra={"session": connection.id})
            connection.session.reject(refusal.status, str(refusal), challenge=refusal.challenge)
        return None

    def _publish(self, connection: RtspConnection, asked: Asking) -> None:
        try:
            stream = self._registry.find(asked.named.name)
        except NoSuchStream as error:
            raise RtspRefused(404, str(error)) from None
        if not stream.config.is_published:
            raise RtspRefused(403, f"{stream.name!r} is pulled from its source")
        objection = _objection(stream, connection)
        if objection and not _presented(asked):
            # Who is asked for a secret here would send it in the clear, and in vain.
            raise RtspRefused(403, objection)
        address = connection.peer_address[0]
        credential = publishing_credential(_presented(asked), stream.config)
        ask = Ask(credential, Action.PUBLISH, Protocol.RTSP, stream.name, address)
        withdrawn: list[str] = []

        def end(why: str) -> None:
            withdrawn.append(why)
            connection.close()

        try:
            if self._knocks is not None and _presented(asked):
                self._knocks.check(address)
            # Before a token for one use is used up; and a stranger is not told what the stream demands.
            self._door.screen(ask)
            _check_free(stream)
            if objection:
                _show(stream, address, objection)
                raise RtspRefused(403, objection)
            reception = _reception(asked)
            entry = self._door.enter_from_thread(ask, end)
        except AuthError as error:
            status = rtsp_status(error)
            raise RtspRefused(status, str(error), challenge=status == 401) from None
        try:
            connection.admit()
            connection.session.take_announcement()
            _Session(stream, connection, reception).run(withdrawn)
        finally:
            connection.dismiss()
            entry.close()


class _Session:
    """One publisher."""

    def __init__(self, stream: Stream, connection: RtspConnection, reception: Reception) -> None:
        self._stream = stream
        self._connection = connection
        self._reception = reception
        self._media_at = time.monotonic()
        host, port = connection.peer_address
        self.publisher = Publisher(
            id=connection.id,
            protocol="rtsp",
            address=f"{host}:{port}",
            describe=self._describe,
            warnings=reception.warnings,
            stop=connection.close,
            encryption=self._leg,
            gives_way=lambda: time.monotonic() - self._media_at > SILENT_S,
        )

    def run(self, withdrawn: list[str]) -> None:
        """Wait until it begins, and write everything that comes until it is over.

        Raises:
            LinkError: how it ended.
            RtspRefused: somebody else was quicker.
        """
        while not self._begins(self._connection.events(_LOOK_EVERY_S)):
            continue
        try:
            publication = take_place(self._stream, self.publisher)
        except (AlreadyPublished, NoSuchStream) as error:
            raise RtspRefused(503, str(error)) from None
        self._media_at = time.monotonic()
        reason = "the server failed"
        try:
            self._connection.start()
            publication.declare(self._reception.tracks)
            while True:
                self._write(publication, self._connection.events(_LOOK_EVERY_S))
        except LinkError as error:
            left = "the publisher left" if str(error) == "the client left" else str(error)
            reason = withdrawn[0] if withdrawn else left
            raise
        finally:
            publication.close(reason)

    def _begins(self, events: Sequence[Event]) -> bool:
        if any(isinstance(event, Asking) for event in events):
            self._connection.session.reject(455, f"{self._stream.name!r} was announced already")
        return any(isinstance(event, Starting) for event in events)

    def _write(self, publication: Publication, events: Sequence[Event]) -> None:
        now = time.monotonic()
        for event in events:
            if isinstance(event, Packet):
                self._media_at = now
                reception = self._reception
                for unit in reception.receive(event.track, event.data, now, is_rtcp=event.is_rtcp):
                    publication.declare(reception.tracks)
                    publication.write(unit)
        if now - self._media_at > _SILENCE_S:
            raise LinkError("timeout", f"no media for {_SILENCE_S:g} s")

    def _leg(self) -> Leg:
        return leg_over_tls(self._connection.encryption, self._connection.key_bits)

    def _describe(self) -> dict[str, object]:
        return {
            "rtsp": {
                **dataclasses.asdict(self._reception.counters),
                "transport": self._connection.transport,
                "encryption": self._connection.encryption,
                "agent": self._connection.agent,
            }
        }


def _presented(asked: Asking) -> str:
    return asked.named.secret or password_of(asked)


def _check_free(stream: Stream) -> None:
    publisher = stream.publisher
    if publisher is not None and not may_be_taken(publisher):
        raise RtspRefused(503, str(AlreadyPublished(stream.name, publisher.address)))


def _reception(asked: Asking) -> Reception:
    try:
        return Reception(asked.announced or ())
    except WireError as error:
        raise RtspRefused(415, str(error)) from None


def _objection(stream: Stream, connection: RtspConnection) -> str:
    return objection_to(
        stream.name,
        stream.config.encryption,
        has_passphrase=stream.config.passphrase is not None,
        encryption=connection.encryption,
        key_bits=connection.key_bits,
        otherwise="rtsps:// or SRT",
    )


def _show(stream: Stream, address: str, why: str) -> None:
    """Have the API say why one was refused that has the key."""
    if stream.publisher is None:
        stream.ingest = IngestStatus("waiting", f"refused {address}: {why}")
