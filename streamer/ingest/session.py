"""One SRT connection's life as a publisher: bytes in, access units into the stream."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from streamer.encryption import Leg
from streamer.hub.stream import Publication
from transport.errors import LinkError
from transport.media import AccessUnit, Track
from transport.mpegts import TsDemuxer
from transport.srt import SrtConnection

_MESSAGES_AT_ONCE = 64
_CHECK_EVERY_S = 1.0


class TsSession:
    """Demuxes what one SRT connection brings.

    Args:
        connection: stays the caller's to close.
        key_bytes: shortest AES key that will do, 0 for none at all.
    """

    def __init__(self, connection: SrtConnection, key_bytes: int = 0) -> None:
        self.connection = connection
        self.demuxer = TsDemuxer()
        self._key_bytes = key_bytes
        self._link: dict[str, object] = {}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What the programme map announces."""
        return self.demuxer.tracks

    def units(self) -> Iterator[AccessUnit]:
        """Access units until the connection ends.

        Raises:
            LinkError: how it ended; `unauthorized` if its encryption is too weak: looked at before the first
                unit and once a second, because peers change keys on the way.
        """
        check_at = float("-inf")
        while True:
            if self._key_bytes and (now := time.monotonic()) >= check_at:
                self.connection.check_key(self._key_bytes)
                check_at = now + _CHECK_EVERY_S
            messages = self.connection.receive_many(_MESSAGES_AT_ONCE)
            yield from self.demuxer.feed_messages(messages, time.monotonic())

    def run(self, publication: Publication) -> None:
        """Write everything that comes until the connection ends.

        Raises:
            LinkError: how it ended.
        """
        for unit in self.units():
            publication.declare(self.tracks)
            publication.write(unit)

    def encryption(self) -> Leg | None:
        """What libsrt says about the key that media comes in with."""
        try:
            statistics = self.connection.statistics()
        except LinkError:
            return None
        return Leg(statistics.cipher, statistics.key_state, "libsrt's key state, once a second")

    def describe(self) -> dict[str, object]:
        """Link and demuxer statistics for the API."""
        # libsrt forgets a connection the moment it breaks, before its thread has noticed.
        with contextlib.suppress(LinkError):
            self._link = dataclasses.asdict(self.connection.statistics())
        return {
            "srt": self._link,
            "mpegts": dataclasses.asdict(self.demuxer.counters),
        }
