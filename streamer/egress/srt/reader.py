"""One SRT caller that reads a stream."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Sequence

from auth.access.door import Entry
from auth.permissions.principals import ANONYMOUS
from streamer.encryption import Leg
from streamer.hub.stream import Stream
from transport import srt
from transport.errors import LinkError
from transport.srt import SrtConnection

_log = logging.getLogger(__name__)


def send_to_all(
    readers: Sequence[SrtReader], messages: Sequence[bytes], *, units: int, starts_over: bool
) -> None:
    """Send some units, or a GOP so far. A reader whose link has no room misses all up to the next start.

    Args:
        readers: of one output.
        messages: of the transport stream.
        units: how many are in them, or will be missed without them.
        starts_over: a decoder can begin here.
    """
    wanting = [reader for reader in readers if reader._wants(units, starts_over)]
    taken = srt.send_to_all([reader._connection for reader in wanting], messages)
    for reader, count in zip(wanting, taken, strict=True):
        if count is None:
            reader.is_lost = True
        elif count < len(messages):
            reader._miss(units)


class SrtReader:
    """Takes messages from its output's thread; may be ended from any.

    Attributes:
        id: short and unique, the same as in the log.
        protocol: "srt".
        stream: what it reads.
        address: where it calls from.
        since: seconds since 1970.
        user: who it is by what it presented; "" for nobody known.
        skipped: pictures and sounds that were left out, as its link had no room for them.
        is_lost: sending failed, or it was ended: `is_over` is true, and was not asked for.
    """

    protocol = "srt"

    def __init__(self, stream: Stream, connection: SrtConnection) -> None:
        host, port = connection.peer_address[:2]
        self.id = connection.id
        self.stream = stream
        self.address = f"{host}:{port}"
        self.since = time.time()
        self.user = ""
        self.skipped = 0
        self.is_lost = False
        self._connection = connection
        self._entry: Entry | None = None
        self._waits = True
        self._reason = ""
        self._link: dict[str, object] = {}

    def let_in(self, entry: Entry) -> None:
        """It may read until `close`."""
        self._entry = entry
        who = entry.permit.principal
        self.user = who.name if who is not ANONYMOUS else ""

    @property
    def is_over(self) -> bool:
        """It left, was ended, or is lost."""
        return self._connection.is_over

    def _wants(self, units: int, starts_over: bool) -> bool:
        self._waits &= not starts_over
        if self._waits:
            self._miss(units)
        return not self._waits

    def _miss(self, units: int) -> None:
        self._waits = True
        self.skipped += units

    def end(self, reason: str) -> None:
        """Hang up; its output's thread does the rest. Returns at once."""
        self._reason = self._reason or reason
        self._connection.close()
        self.is_lost = True

    def close(self) -> None:
        """It is not here any more."""
        self._connection.close()
        if self._entry is not None:
            self._entry.close()
        _log.info(
            "%s: reader left: %s",
            self.stream.name,
            self._reason or "it hung up or fell silent",
            extra={"session": self.id},
        )

    def encryption(self) -> Leg | None:
        """What libsrt says about the key that media goes out with; None while unknown."""
        try:
            statistics = self._connection.statistics()
        except LinkError:
            return None
        return Leg(statistics.cipher, statistics.key_state, "libsrt's key state")

    def describe(self) -> dict[str, object]:
        """Link statistics for the API."""
        with contextlib.suppress(LinkError):  # libsrt forgets a connection the moment it breaks
            self._link = dataclasses.asdict(self._connection.statistics())
        return self._link
