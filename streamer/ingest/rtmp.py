"""Encoders that push over RTMP and RTMPS.

The stream's name is the RTMP stream name, and `?key=…` behind it is the publish key or a token:
`rtmps://live.example:1935/live/cam?key=SECRET`. The application is not looked at, unless the name is in it;
`SECRET` alone may then be the RTMP stream name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator
from urllib.parse import parse_qsl

from auth.access.door import Ask, Door
from auth.access.rates import RateLimiter
from auth.errors import AuthError, AuthUnavailable, LockedOut, RateLimited, SeatsTaken
from auth.permissions.actions import Action
from auth.permissions.protocols import Protocol
from streamer.callers import publishing_credential
from streamer.encryption import Leg, leg_over_tls, objection_to
from streamer.errors import AlreadyPublished, NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import IngestStatus, Publication, Publisher, Stream
from streamer.ingest.succession import SILENT_S, may_be_taken, take_place
from transport.errors import LinkError
from transport.media import AccessUnit
from transport.rtmp.demux import FlvDemuxer
from transport.rtmp.listener import RtmpConnection
from transport.rtmp.server import Metadata, Publishing

_log = logging.getLogger(__name__)

#: Where the secret stands behind the name, whatever an encoder's maker calls it.
_PARAMETERS = ("key", "token", "pass")
# Characters of a program's name.
_MAX_AGENT = 200
# OBS logs the words behind these three; of a code that it does not know, the code alone.
_DENIED, _BAD_NAME = "NetStream.Publish.Denied", "NetStream.Publish.BadName"
_REJECTED = "NetStream.Publish.Rejected"


class _Refused(Exception):
    """This one may not publish; the text says why.

    Attributes:
        code: of the answer.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RtmpIngest:
    """Publishers over RTMP. `serve` is what an `RtmpListener` calls.

    Args:
        registry: the streams.
        door: decides who may publish, and for how long.
        knocks: how often one address may try, as people make up publish keys; None for as often as it likes.
    """

    def __init__(self, registry: Registry, door: Door, knocks: RateLimiter | None = None) -> None:
        self._registry = registry
        self._door = door
        self._knocks = knocks

    def serve(self, connection: RtmpConnection) -> None:
        """Look after one connection until it is over; in its thread."""
        host, port = connection.peer_address
        try:
            asked = connection.ask()
        except LinkError as error:
            # Who speaks something else may be an encoder that was set up wrongly; who just leaves is none.
            level = logging.WARNING if error.reason == "unsupported" else logging.DEBUG
            _log.log(level, "rtmp %s:%d: %s", host, port, error, extra={"session": connection.id})
            return
        try:
            self._publish(connection, asked)
        except _Refused as refusal:
            connection.reject(str(refusal), refusal.code)
            _log.warning("rtmp %s:%d: %s", host, port, refusal, extra={"session": connection.id})

    def _publish(self, connection: RtmpConnection, asked: Publishing) -> None:
        stream, secret = self._find(asked)
        if not stream.config.is_published:
            raise _Refused(_DENIED, f"{stream.name!r} is pulled from its source")
        credential = publishing_credential(secret, stream.config)
        ask = Ask(credential, Action.PUBLISH, Protocol.RTMP, stream.name, connection.peer_address[0])
        withdrawn: list[str] = []

        def end(why: str) -> None:
            withdrawn.append(why)
            connection.close()

        try:
            if self._knocks is not None:
                self._knocks.check(connection.peer_address[0])
            # Before a token for one use is used up; and a stranger is not told what the stream demands.
            self._door.screen(ask)
            _check_confidential(stream, connection)
            _check_free(stream)
            entry = self._door.enter_from_thread(ask, end)
        except (SeatsTaken, LockedOut, RateLimited, AuthUnavailable) as error:
            raise _Refused(_REJECTED, str(error)) from None
        except AuthError as error:
            raise _Refused(_DENIED, str(error)) from None
        try:
            session = _Session(stream, connection)
            try:
                publication = take_place(stream, session.publisher)
            except (AlreadyPublished, NoSuchStream) as error:
                raise _Refused(_BAD_NAME, str(error)) from None
            session.run(publication, withdrawn)
        finally:
            entry.close()

    def _find(self, asked: Publishing) -> tuple[Stream, str]:
        readings = read_names(asked)
        for name, secret in readings:
            with contextlib.suppress(NoSuchStream):
                return self._registry.find(name), secret
        name, secret = readings[0]
        hint = "" if secret else "; expected the stream key to be NAME?key=PUBLISH-KEY"
        raise _Refused(_REJECTED, f"{NoSuchStream(name)}{hint}")


class _Session:
    """One publisher."""

    def __init__(self, stream: Stream, connection: RtmpConnection) -> None:
        self._stream = stream
        self._connection = connection
        self._demuxer = FlvDemuxer()
        self._agent = connection.agent
        host, port = connection.peer_address
        self.publisher = Publisher(
            id=connection.id,
            protocol="rtmp",
            address=f"{host}:{port}",
            describe=self._describe,
            warnings=self._demuxer.warnings,
            stop=connection.close,
            encryption=self._leg,
            gives_way=lambda: time.monotonic() - connection.heard_at > SILENT_S,
        )

    def run(self, publication: Publication, withdrawn: list[str]) -> None:
        """Write everything that comes until it is over."""
        reason = "the server failed"
        try:
            self._connection.accept()
            for unit in self._units():
                publication.declare(self._demuxer.tracks)
                publication.write(unit)
        except LinkError as error:
            reason = withdrawn[0] if withdrawn else str(error)
        except Exception:  # one publisher's trouble must stay its own
            _log.exception("%s: publisher failed", self._stream.name, extra={"session": self._connection.id})
        finally:
            publication.close(reason)

    def _units(self) -> Iterator[AccessUnit]:
        for event in self._connection.media():
            if isinstance(event, Metadata):
                self._demuxer.describe(event)
                self._agent = _program_of(event) or self._agent
            else:
                yield from self._demuxer.take(event, time.monotonic())

    def _leg(self) -> Leg:
        return leg_over_tls(self._connection.encryption, self._connection.key_bits)

    def _describe(self) -> dict[str, object]:
        return {
            "rtmp": {
                **dataclasses.asdict(self._demuxer.counters),
                "bytes": self._connection.bytes_received,
                "encryption": self._connection.encryption,
                "agent": self._agent,
            }
        }


def _program_of(metadata: Metadata) -> str:
    """What the encoder calls itself; OBS, as librtmp, connects under the name of Flash's own encoder."""
    program = metadata.values.get("encoder")
    return program[:_MAX_AGENT] if isinstance(program, str) else ""


def read_names(asked: Publishing) -> list[tuple[str, str]]:
    """A stream's name and the key or token that is presented for it, as they may be meant, likeliest first.

    Encoders cut an address where they like: `cam?key=K` may be the stream name; or `cam` is the last part of
    the application, or of the stream name. Many cut at the last slash, be it one of a key in base64. And what
    stands in OBS's field for the key may be just that, behind an address that ends with the name.
    """
    application, _, behind_application = asked.app.partition("?")
    name, _, behind_name = asked.key.partition("?")
    readings = [(_last_part(f"{application}/{name}"), _secret(f"{behind_application}&{behind_name}"))]
    if behind_application and asked.key:
        cut = (_last_part(application), _secret(f"{behind_application}/{asked.key}"))
        readings.insert(0 if "/" in application else 1, cut)
    elif not readings[0][1]:
        readings.append((_last_part(application), asked.key))
    return readings


def _last_part(path: str) -> str:
    parts = [each for each in path.split("/") if each]
    return parts[-1] if parts else ""


def _secret(query: str) -> str:
    # What is typed into an encoder is no web form, where a plus would be a space.
    parameters = dict(parse_qsl(query.replace("+", "%2B")))
    return next((parameters[each] for each in _PARAMETERS if each in parameters), "")


def _check_free(stream: Stream) -> None:
    """Whether its place can be taken, as `take_place` finds out for good.

    Raises:
        _Refused: somebody publishes it.
    """
    publisher = stream.publisher
    if publisher is not None and not may_be_taken(publisher):
        raise _Refused(_BAD_NAME, str(AlreadyPublished(stream.name, publisher.address)))


def _check_confidential(stream: Stream, connection: RtmpConnection) -> None:
    """A stream with a passphrase or a floor is published over RTMPS only; the API shows why one was refused.

    Raises:
        _Refused: this connection is not encrypted, or less than the stream demands.
    """
    why = objection_to(
        stream.name,
        stream.config.encryption,
        has_passphrase=stream.config.passphrase is not None,
        encryption=connection.encryption,
        key_bits=connection.key_bits,
        otherwise="rtmps:// or SRT",
    )
    if not why:
        return
    if stream.publisher is None:
        stream.ingest = IngestStatus("waiting", f"refused {connection.peer_address[0]}: {why}")
    raise _Refused(_DENIED, why)
