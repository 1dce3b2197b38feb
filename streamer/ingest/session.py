"""One SRT connection's life as a publisher: bytes in, access units into the stream."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator

from streamer.hub.stream import Publication
from transport.errors import LinkError
from transport.media import AccessUnit, Track
from transport.mpegts import TsDemuxer
from transport.srt import SrtConnection

_MESSAGES_AT_ONCE = 64


class TsSession:
    """Demuxes what one SRT connection brings."""

    def __init__(self, connection: SrtConnection) -> None:
        self.connection = connection
        self.demuxer = TsDemuxer()
        self._link: dict[str, object] = {}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What the programme map announces."""
        return self.demuxer.tracks

    def units(self) -> Iterator[AccessUnit]:
        """Access units until the connection ends.

        Raises:
            LinkError: how it ended.
        """
        while True:
            for message in self.connection.receive_many(_MESSAGES_AT_ONCE):
                yield from self.demuxer.feed(message, time.monotonic())

    def run(self, publication: Publication) -> None:
        """Write everything that comes until the connection ends.

        Raises:
            LinkError: how it ended.
        """
        for unit in self.units():
            publication.declare(self.tracks)
            publication.write(unit)

    def describe(self) -> dict[str, object]:
        """Link and demuxer statistics for the API."""
        # libsrt forgets a connection the moment it breaks, before its thread has noticed.
        with contextlib.suppress(LinkError):
            self._link = dataclasses.asdict(self.connection.statistics())
        return {
            "srt": self._link,
            "mpegts": dataclasses.asdict(self.demuxer.counters),
        }
