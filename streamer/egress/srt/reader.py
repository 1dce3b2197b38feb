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
from transport.errors import LinkError
from transport.srt import SrtConnection

_log = logging.getLogger(__name__)


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

    def send(self, messages: Sequence[bytes], *, starts_over: bool) -> None:
        """Send one unit, or a GOP so far. What has no room is left out, and all up to the next start.

        Args:
            messages: of the transport stream.
            starts_over: a decoder can begin here.
        """
        if self._waits and not starts_over:
            self.skipped += 1
            return
        self._waits = False
        try:
            for message in messages:
                if not self._connection.send_now(message):
                    self._waits = True
                    self.skipped += 1
                    return
        except LinkError:
            return  # `is_over` says so

    def end(self, reason: str) -> None:
        """Hang up; its output's thread does the rest. Returns at once."""
        self._reason = self._reason or reason
        self._connection.close()

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
