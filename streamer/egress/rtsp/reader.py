"""One RTSP client that reads a stream."""

from __future__ import annotations

import time
from collections import deque

from auth.access.door import Entry
from auth.permissions.principals import ANONYMOUS
from streamer.egress.rtsp.programme import Programme
from streamer.encryption import Leg, leg_over_tls
from streamer.errors import NotLive
from streamer.hub.intake import Intake
from streamer.hub.stream import Publisher, State, Stream
from transport.errors import LinkError
from transport.media import AccessUnit
from transport.rtsp.formats import CARRIED
from transport.rtsp.listener import RtspConnection
from transport.rtsp.server import Asking, Pausing, Starting

#: How long somebody waits for a stream that is fetched when it is wanted, and for one that has begun.
_PULL_PATIENCE_S, _PATIENCE_S = 12.0, 3.0
#: How often tracks that changed are noticed, and reports are due.
_LOOK_EVERY_S, _REPORT_EVERY_S = 0.5, 5.0
#: How many times as fast as it was shown goes over UDP what was shown before, lest much of it be lost.
_CATCH_UP = 4


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
        self._intake: Intake | None = None
        self._programme: Programme | None = None
        self._waiting: deque[AccessUnit] = deque()
        self._publisher: Publisher | None = None
        self._is_playing = False
        self._needs_keyframe = True
        self._report_at = 0.0
        self._began_at: tuple[float, float] | None = None

    def let_in(self, entry: Entry) -> None:
        """It may read."""
        who = entry.permit.principal
        self.user = who.name if who is not ANONYMOUS else ""

    @property
    def skipped(self) -> int:
        """Pictures and sounds that were left out, as its link had no room for them."""
        return self._intake.skipped if self._intake is not None else 0

    def end(self, reason: str) -> None:
        """Hang up; its thread says goodbye and does the rest. Returns at once."""
        self.reason = self.reason or reason
        self._connection.wake()

    def encryption(self) -> Leg:
        """What its connection is encrypted with."""
        return leg_over_tls(self._connection.encryption, self._connection.key_bits)

    def describe(self) -> dict[str, object]:
        """Link statistics for the API."""
        connection, programme = self._connection, self._programme
        packets, octets = programme.counts if programme is not None else (0, 0)
        return {
            "agent": connection.agent,
            "transport": connection.transport,
            "encryption": connection.encryption,
            "packets_sent": packets,
            "payload_bytes_sent": octets,
            "bytes_sent": connection.bytes_sent,
            "bytes_received": connection.bytes_received,
        }

    def run(self, asked: Asking) -> Asking | None:
        """Describe the stream and send it until it is over.

        Returns:
            What the client asks for instead; None where it asked for something that is not there.

        Raises:
            LinkError: how it ended.
            NotLive: there is nothing to be described; says why.
            RuntimeError: the machine allows no thread to make something on the way.
        """
        intake = Intake(self.stream, CARRIED, self._connection.wake)
        self._intake = intake
        try:
            self._wait_until_ready()
            return self._serve(intake, asked)
        finally:
            intake.close()

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

    def _serve(self, intake: Intake, asked: Asking) -> Asking | None:
        self._describe(intake)
        looked_at = time.monotonic()
        while True:
            self._check_end()
            for event in self._connection.events(self._pause_s()):
                if isinstance(event, Starting):
                    self._start(intake)
                elif isinstance(event, Pausing):
                    self._is_playing = False
                    self._waiting.clear()
                elif isinstance(event, Asking):
                    if (event.named, event.login, event.announced) != (asked.named, asked.login, None):
                        return event
                    self._describe(intake)
            now = time.monotonic()
            if now - looked_at >= _LOOK_EVERY_S:
                looked_at = now
                intake.follow()
            if self._is_playing:
                self._send(intake, now)
            else:
                intake.take()

    def _check_end(self) -> None:
        if self.reason:
            raise LinkError("ended", self.reason)

    def _describe(self, intake: Intake) -> None:
        programme = Programme(self.stream, intake)
        if not programme.ssrcs:
            raise NotLive(self.stream.name, "of what it holds, nothing can be described yet")
        self._programme = programme
        self._connection.session.describe(programme.description, programme.ssrcs)

    def _start(self, intake: Intake) -> None:
        intake.restart()
        self._waiting.clear()
        self._connection.start()
        self._is_playing = True
        self._needs_keyframe = True
        self._began_at = None

    def _send(self, intake: Intake, now: float) -> None:
        connection, programme = self._connection, self._programme
        assert programme is not None
        while connection.has_room:
            if not self._waiting:
                self._waiting.extend(intake.take())
                if not self._waiting:
                    return
            if self._pause_s() > 0:
                return
            unit = self._waiting.popleft()
            number = programme.number_of(unit)
            if number is None or number not in connection.session.ways or not self._is_wanted(unit):
                continue
            packets = programme.packets(unit)
            if now >= self._report_at:
                # Before the first packet: players put sound and picture in step by it.
                self._report_at = now + _REPORT_EVERY_S
                for track, report in programme.reports(unit.pts_s):
                    connection.send_packet(track, report, is_rtcp=True)
            for packet in packets:
                connection.send_packet(number, packet)

    def _pause_s(self) -> float:
        """How long there is nothing to do unless something happens."""
        if not self._waiting or not self._connection.has_room:
            return _LOOK_EVERY_S
        if self._connection.transport != "udp":
            return 0.0
        now, dts_s = time.monotonic(), self._waiting[0].dts_s
        if self._began_at is None:
            self._began_at = now, dts_s
        began_at, first_s = self._began_at
        return max(0.0, min(_LOOK_EVERY_S, began_at + (dts_s - first_s) / _CATCH_UP - now))

    def _is_wanted(self, unit: AccessUnit) -> bool:
        """Whether a decoder can do something with it: a picture from a keyframe on, sound not before it."""
        publisher = self.stream.publisher
        if publisher is not None and publisher is not self._publisher:
            self._publisher = publisher
            self._needs_keyframe = True
        if self._needs_keyframe and self._shows_picture:
            self._needs_keyframe = not (unit.track.is_video and unit.keyframe)
        return not (self._needs_keyframe and self._shows_picture)

    @property
    def _shows_picture(self) -> bool:
        """A picture is there, and the client wants it."""
        programme, intake = self._programme, self._intake
        has_picture = programme is not None and programme.has_picture
        # Where there is one, it is the first.
        return (
            has_picture
            and intake is not None
            and intake.video is not None
            and 0 in self._connection.session.ways
        )

    def farewell(self) -> None:
        """Say that nothing more comes, where the connection still carries it."""
        programme = self._programme
        if programme is not None and self._is_playing:
            for track, report in programme.goodbyes(time.time() - self.stream.epoch_s):
                self._connection.send_packet(track, report, is_rtcp=True)
