"""One stream as MPEG-TS, muxed once for all that read it.

It has a thread: the publisher's must not wait for a hundred sends, nor the event loop. The messages since the
last keyframe are kept, so that who comes between two keyframes has a picture at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time

from streamer.egress.srt.reader import SrtReader, send_to_all
from streamer.hub.intake import Intake
from streamer.hub.stream import Publisher, State, Stream
from transport.media import AccessUnit, Codec, Track
from transport.mpegts.mux import CARRIED, TsMuxer
from transport.mpegts.wire import PACKET_BYTES

_log = logging.getLogger(__name__)

_MESSAGE_BYTES = 7 * PACKET_BYTES
_TICKS_PER_S = 90_000
#: How often readers that left are noticed, and tracks that changed.
_LOOK_EVERY_S = 0.5
#: A longer GOP is not kept: a reader's send buffer would not take it at once.
_MAX_GOP_BYTES = 8 * 1024 * 1024


class TsOutput:
    """Feeds its readers until the last one has left. Thread-safe.

    Raises:
        RuntimeError: the machine allows no more threads.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._joining: list[SrtReader] = []
        self._readers: list[SrtReader] = []
        self._is_over = False
        self._muxer = TsMuxer()
        self._burst = _Burst()
        self._gop: list[bytes] = []
        self._gop_bytes = 0
        self._publisher: Publisher | None = None
        self._codecs: tuple[Codec, ...] = ()
        self._thread = threading.Thread(target=self._run, name=f"ts {stream.name}", daemon=True)
        self._thread.start()

    @property
    def readers(self) -> list[SrtReader]:
        """Who reads now: what is written from here on they get."""
        with self._lock:
            return list(self._readers)

    def add(self, reader: SrtReader) -> bool:
        """One more reads; False when the output is over: nobody did any more, or it was closed."""
        with self._lock:
            if self._is_over:
                return False
            self._joining.append(reader)
        self._wake.set()
        return True

    def close(self, reason: str) -> None:
        """End all readers, and with them this. Returns at once."""
        with self._lock:
            self._is_over = True
            readers = [*self._readers, *self._joining]
        for reader in readers:
            reader.end(reason)
        self._wake.set()

    @property
    def alive(self) -> bool:
        """True until its thread has ended."""
        return self._thread.is_alive()

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _run(self) -> None:
        try:
            with contextlib.closing(Intake(self.stream, CARRIED, self._wake.set)) as intake:
                self._feed(intake)
        except Exception:  # one stream's trouble must stay its own
            _log.exception("%s: the transport stream failed", self.stream.name)
        finally:
            with self._lock:
                self._is_over = True
                left = [*self._readers, *self._joining]
                self._readers, self._joining = [], []
            self._forget()
            for reader in left:
                reader.end("the server failed")
                reader.close()

    def _feed(self, intake: Intake) -> None:
        looked_at = time.monotonic()
        while True:
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            for unit in intake.take():
                self._write(intake, unit)
            self._send()
            self._welcome()
            now = time.monotonic()
            if now - looked_at >= _LOOK_EVERY_S or any(reader.is_lost for reader in self._readers):
                looked_at = now
                intake.follow()
                if not self._part():
                    return

    def _write(self, intake: Intake, unit: AccessUnit) -> None:
        publisher = self.stream.publisher
        if publisher is not self._publisher:
            self._send()
            self._publisher = publisher
            self._forget()
        self._announce(intake)
        dts, pts = (at * _TICKS_PER_S // unit.track.clock_rate for at in (unit.dts, unit.pts))
        is_alone = intake.video is None or bool(intake.refusal)
        starts_over = unit.keyframe and (unit.track.is_video or is_alone)
        if starts_over and not self._burst.starts_over:
            self._send()
        self._burst.add(self._muxer.mux(unit, dts, pts), starts_over=starts_over, is_kept=not is_alone)

    def _send(self) -> None:
        """What came at once goes out at once: a sound of two packets needs no message of its own."""
        burst, self._burst = self._burst, _Burst()
        if not burst.units:
            return
        packets = bytes(burst.packets)
        messages = [packets[at : at + _MESSAGE_BYTES] for at in range(0, len(packets), _MESSAGE_BYTES)]
        send_to_all(self._readers, messages, units=burst.units, starts_over=burst.starts_over)
        if burst.starts_over:
            self._forget()
        if (burst.starts_over and burst.is_kept) or self._gop:
            self._keep(messages)

    def _announce(self, intake: Intake) -> None:
        """Tell receivers of all that comes before any of it does, and of nothing that comes no more."""
        tracks = _carried(intake)
        codecs = tuple(track.codec for track in tracks)
        if codecs != self._codecs:
            self._codecs = codecs
            self._muxer.announce(tracks)

    def _keep(self, messages: list[bytes]) -> None:
        self._gop += messages
        self._gop_bytes += sum(map(len, messages))
        if self._gop_bytes > _MAX_GOP_BYTES:
            self._forget()

    def _forget(self) -> None:
        self._gop.clear()
        self._gop_bytes = 0

    def _welcome(self) -> None:
        """Let those begin who came; what was shown last before the publisher left is nothing for them."""
        with self._lock:
            joining, self._joining = self._joining, []
            self._readers += joining
        if joining and self._gop and self.stream.state is State.LIVE:
            send_to_all(joining, self._gop, units=1, starts_over=True)

    def _part(self) -> bool:
        """Let those go that left; whether anybody is still there."""
        gone = [reader for reader in self._readers if reader.is_over]
        with self._lock:
            self._readers = [reader for reader in self._readers if reader not in gone]
            is_deserted = not (self._readers or self._joining)
            self._is_over |= is_deserted
        for reader in gone:
            reader.close()
        return not is_deserted


@dataclasses.dataclass(slots=True)
class _Burst:
    """Units that are sent together.

    Attributes:
        units: how many.
        packets: of the transport stream.
        starts_over: a decoder can begin with the first one.
        is_kept: it may do so later as well.
    """

    units: int = 0
    packets: bytearray = dataclasses.field(default_factory=bytearray)
    starts_over: bool = False
    is_kept: bool = False

    def add(self, packets: bytes, *, starts_over: bool, is_kept: bool) -> None:
        """One more."""
        if not self.units:
            self.starts_over, self.is_kept = starts_over, is_kept
        self.units += 1
        self.packets += packets


def _carried(intake: Intake) -> tuple[Track, ...]:
    """What an intake brings, as it is muxed."""
    found = []
    for track, codec in ((intake.video, intake.video_codec), (intake.audio, intake.audio_codec)):
        if track is None or codec is None or (track.is_video and intake.refusal):
            continue
        is_made = codec is not track.codec
        found.append(dataclasses.replace(track, codec=codec, parameter_sets=()) if is_made else track)
    return tuple(found)
