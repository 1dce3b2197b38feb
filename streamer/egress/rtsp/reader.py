"""One RTSP client that reads a stream: what it says is heard here, what it gets comes from `output.py`."""

from __future__ import annotations

import time

from auth.access.door import Entry
from auth.permissions.principals import ANONYMOUS
from streamer.egress.rtsp.output import Outputs, RtspOutput
from streamer.egress.rtsp.player import Player
from streamer.encryption import Leg, leg_over_tls
from streamer.errors import NotLive
from streamer.hub.stream import State, Stream
from transport.errors import LinkError
from transport.rtsp.listener import RtspConnection
from transport.rtsp.server import Asking, Pausing, Starting

#: How long somebody waits for a stream that is fetched when it is wanted, and for one that has begun.
_PULL_PATIENCE_S, _PATIENCE_S = 12.0, 3.0
#: Whatever happens wakes it before.
_ROUND_S = 60.0


class RtspReader:
    """Runs in its connection's thread; may be ended from any.

    Attributes:
        id: short and unique, the same as in the log.
        protocol: "rtsp".
        stream: what it reads.
        address: where it calls from.
        since: seconds since 1970.
        user: who it is by what it presented; "" for nobody known.
        reason: why it was ended; "" while it was not.
    """

    protocol = "rtsp"

    def __init__(self, stream: Stream, connection: RtspConnection) -> None:
        host, port = connection.peer_address
        self.id = connection.id
        self.stream = stream
        self.address = f"{host}:{port}"
        self.since = time.time()
        self.user = ""
        self.reason = ""
        self._connection = connection
        self._player: Player | None = None
        self._output: RtspOutput | None = None
        self._is_playing = False

    def let_in(self, entry: Entry) -> None:
        """It may read."""
        who = entry.permit.principal
        self.user = who.name if who is not ANONYMOUS else ""

    @property
    def skipped(self) -> int:
        """Pictures and sounds that were left out, as its link had no room for them."""
        return self._player.skipped if self._player is not None else 0

    def end(self, reason: str) -> None:
        """Hang up; its thread says goodbye and does the rest. Returns at once."""
        self.reason = self.reason or reason
        self._connection.wake()

    def encryption(self) -> Leg:
        """What its connection is encrypted with."""
        return leg_over_tls(self._connection.encryption, self._connection.key_bits)

    def describe(self) -> dict[str, object]:
        """Link statistics for the API."""
        connection = self._connection
        return {
            "agent": connection.agent,
            "transport": connection.transport,
            "encryption": connection.encryption,
            "packets_sent": connection.packets_sent,
            "payload_bytes_sent": connection.payload_bytes_sent,
            "bytes_sent": connection.bytes_sent,
            "bytes_received": connection.bytes_received,
        }

    def run(self, asked: Asking, outputs: Outputs) -> Asking | None:
        """Describe the stream and have it sent until it is over.

        Returns:
            What the client asks for instead; None where it asked for something that is not there.

        Raises:
            LinkError: how it ended.
            NotLive: there is nothing to be described; says why.
            RuntimeError: the machine allows no thread to make something on the way.
        """
        self.stream.demand.acquire()
        try:
            self._wait_until_ready()
            return self._serve(asked, outputs)
        finally:
            self._leave(outputs)
            self.stream.demand.release()

    def _wait_until_ready(self) -> None:
        stream = self.stream
        patience_s = 0.0
        if stream.config.on_demand or stream.is_elsewhere:
            patience_s = _PULL_PATIENCE_S
        elif stream.state is State.LIVE:
            patience_s = _PATIENCE_S
        until = time.monotonic() + patience_s
        while not stream.ready:
            self._check_end()
            if (left := until - time.monotonic()) <= 0:
                raise NotLive(stream.name, stream.ingest.reason or "nobody publishes it")
            self._connection.exchange(min(left, 0.1))

    def _serve(self, asked: Asking, outputs: Outputs) -> Asking | None:
        output, player = self._describe(outputs)
        while True:
            self._check_end()
            for event in self._connection.events(_ROUND_S):
                if isinstance(event, Starting):
                    output.play(player)
                    self._is_playing = True
                elif isinstance(event, Pausing):
                    output.pause(player)
                    self._is_playing = False
                elif isinstance(event, Asking):
                    if (event.named, event.login, event.announced) != (asked.named, asked.login, None):
                        return event
                    output, player = self._describe(outputs)

    def _check_end(self) -> None:
        if self.reason:
            raise LinkError("ended", self.reason)

    def _describe(self, outputs: Outputs) -> tuple[RtspOutput, Player]:
        self._leave(outputs)
        player = Player(self._connection, self.end)
        output, description = outputs.attend(self.stream, player)
        self._output, self._player = output, player
        if not output.ssrcs:
            raise NotLive(self.stream.name, "of what it holds, nothing can be described yet")
        self._connection.session.describe(description, output.ssrcs)
        return output, player

    def _leave(self, outputs: Outputs) -> None:
        if self._output is not None and self._player is not None:
            outputs.leave(self._output, self._player)

    def farewell(self) -> None:
        """Say that nothing more comes, where the connection still carries it."""
        if self._output is not None and self._is_playing:
            self._connection.drop()
            self._connection.send(self._output.goodbye())
