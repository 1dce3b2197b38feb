"""MPEG-2 transport stream to access units, without waiting for the next one to begin.

`TsDemuxer` finds packets and the program in them; `pes.py` knows when a PES packet is complete, `video.py`
and `audio.py` what is in it. Why this is not left to libav: `ops/decisions/0001-own-mpegts-demuxer.md`.
"""

from __future__ import annotations

from transport.errors import WireError
from transport.media import AccessUnit, Track
from transport.media.programclock import TICKS_PER_S, ProgramClock, difference
from transport.mpegts.audio import AudioTrack, audio_track
from transport.mpegts.counters import DemuxCounters
from transport.mpegts.guess import GUESS_BYTES, guess
from transport.mpegts.pes import PesAssembler, Verdict, payload_of
from transport.mpegts.sections import SectionAssembler
from transport.mpegts.spacing import SPACING_BYTES, Spacing, find_spacing
from transport.mpegts.video import VideoTrack
from transport.mpegts.wire import (
    PACKET_BYTES,
    PAT_PID,
    PAT_TABLE,
    PMT_TABLE,
    SYNC_BYTE,
    ElementaryStream,
    PesHeader,
    parse_adaptation,
    parse_pat,
    parse_pes,
    parse_pmt,
)

__all__ = ["DemuxCounters", "TsDemuxer"]

# A picture is shown at most 16 frames after it is decoded; a larger distance is a corrupt timestamp.
_MAX_REORDER_TICKS = 10 * TICKS_PER_S
# As many fit into a message of SRT or UDP; who sends fewer has no more for now.
_FULL_MESSAGE_BYTES = 7 * PACKET_BYTES
# So many packets are looked at together, and their fourth bytes if they have no adaptation field.
_RUN_PACKETS = 512
_WHOLE = bytes(0x10 | n & 15 for n in range(16 + _RUN_PACKETS))
# Of several programs the first counts whose map comes and has something to carry: so long those before it are
# waited for, and so many are looked at.
_MAP_PATIENCE_S = 1.0
_MAX_PROGRAMS = 16
# An elementary stream costs memory; a program of more than this is an attack or a mistake.
_MAX_STREAMS = 32
# So many bytes that belong to no packet, more than those that do, are told of; a damaged stream has fewer.
_STRANGE_BYTES = 32 * 1024
# Tables come ten times a second (2.4.4.4 recommends no less); who waits for so long is told which is missing.
_TABLES_PATIENCE_S = 2.0


class _Stream:
    """One elementary stream: its PES packets and the track they become."""

    __slots__ = ("kind", "pes", "track")

    def __init__(self, kind: tuple[object, ...], track: VideoTrack | AudioTrack) -> None:
        self.kind = kind
        self.track = track
        self.pes = PesAssembler()


class TsDemuxer:
    """Takes bytes as they arrive, gives out access units with the packet that completes them.

    Of several programs the first is taken whose map has something to carry. A track's id is its PID. Bad
    input never raises; it is counted.

    Attributes:
        counters: what was wrong so far.
        declared: a program map was seen, so `tracks` says what to expect.
    """

    def __init__(self) -> None:
        self.counters = DemuxCounters()
        self.declared = False
        self._tail = b""
        self._head = b""  # how it all began, until there are packets
        self._strange = 0  # bytes outside of packets, less twice those within
        self._spacing: Spacing | None = None
        self._began_at: float | None = None
        self._now = 0.0
        self._synced = False
        self._pauses = False  # whether nothing follows the bytes at hand, for now
        self._clock = ProgramClock()
        self._pat = SectionAssembler(PAT_TABLE)
        self._programs: tuple[tuple[int, int], ...] = ()  # as associated: number, PID of the map
        self._associated_at = 0.0
        self._program = -1  # the one taken
        self._pmts: dict[int, SectionAssembler] = {}  # by PID
        self._maps: dict[int, bytes] = {}  # by program, until one is taken
        self._scrambled = False
        self._streams: dict[int, _Stream] = {}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The program's tracks in its order; what the units have not told yet is still zero or empty."""
        return tuple(s.track.track for s in self._streams.values() if not s.track.reason)

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know about this stream, as sentences."""
        found = [f"{what} (PID {pid}) is not supported" for pid, what in self.counters.unsupported.items()]
        found += [stream.track.reason for stream in self._streams.values() if stream.track.reason]
        if self._scrambled:
            found.append("the stream is scrambled")
        if uncounted := [pid for pid, stream in self._streams.items() if not stream.pes.is_counted]:
            pids = ", ".join(str(pid) for pid in uncounted)
            found.append(
                f"the continuity counters are wrong, so that lost packets are not noticed (PID {pids})"
            )
        if self._strange >= _STRANGE_BYTES:
            what = guess(self._head) or "none"
            found.append(f"expected an MPEG transport stream (ffmpeg: -f mpegts), and what comes is {what}")
        elif not self.declared and self._began_at is not None:
            if self._now - self._began_at >= _TABLES_PATIENCE_S:
                what = "map (PMT)" if self._programs else "association table (PAT)"
                found.append(f"the transport stream has no program {what}, so that nothing in it is found")
        if len(self._programs) > 1 and self._program >= 0:
            found.append(
                f"the stream has {len(self._programs)} programs, only program {self._program} is used"
            )
        return tuple(found)

    def feed(self, data: bytes, now: float) -> list[AccessUnit]:
        """Take bytes in the order sent, cut anywhere.

        Args:
            data: any number of bytes; one message as it was sent, where there are messages.
            now: time.monotonic() of their arrival, seconds.

        Returns:
            Units whose last byte was among them.
        """
        return self.feed_messages([data], now)

    def feed_messages(self, messages: list[bytes], now: float) -> list[AccessUnit]:
        """As `feed` for each of them, for less."""
        units: list[AccessUnit] = []
        full: list[bytes] = []
        for message in messages:
            full.append(message)
            if len(message) < _FULL_MESSAGE_BYTES:
                self._take(b"".join(full), now, units, pauses=True)
                full.clear()
        if full:
            self._take(b"".join(full), now, units, pauses=False)
        return units

    def _take(self, data: bytes, now: float, units: list[AccessUnit], *, pauses: bool) -> None:
        alone = not self._tail
        if not self._strange and not self.counters.packets:
            self._head = data[:GUESS_BYTES]
        fresh = len(data)
        if self._spacing is not None:
            data = self._plain(self._spacing, data)
        if not alone:
            data = self._tail + data
        end = len(data) - PACKET_BYTES
        self._pauses = alone and pauses
        at = packets = 0
        streams = self._streams
        stream: _Stream | None = None
        while at <= end:
            if data[at] != SYNC_BYTE or not self._synced:
                lost_at = at
                at = self._find_grid(data, at, alone=alone)
                if self._synced:
                    continue
                spacing = find_spacing(data[lost_at:]) if self._spacing is None else None
                if spacing is None:
                    at = max(lost_at, min(at, len(data) - SPACING_BYTES))
                    break
                data, at = self._plain(spacing, data[lost_at:]), 0
                end = len(data) - PACKET_BYTES
                continue
            packets += 1
            flags = data[at + 1]
            pid = (flags & 0x1F) << 8 | data[at + 2]
            stream = streams.get(pid)
            if stream is not None:
                pes = stream.pes
                if data[at + 3] == pes.hot and not flags & 0xC0 and pes.size + 184 < pes.limit:
                    # The common packet: whole payload, in order, neither the first nor the last.
                    count = min(_run(data, at), (pes.limit - pes.size - 1) // 184)
                    pes.extend_whole(data, at, count)
                    packets += count - 1
                    at += count * PACKET_BYTES
                    continue
                self._packet(stream, data, at, now, units)
            elif pid == PAT_PID or pid in self._pmts:
                self._table_packet(pid, data, at, now, units)
                streams = self._streams
            at += PACKET_BYTES
        self._tail = data[at:]
        self.counters.packets += packets
        self._strange = max(0, min(self._strange + fresh - 2 * packets * PACKET_BYTES, 2 * _STRANGE_BYTES))
        self._now = now
        if packets and self._began_at is None:
            self._began_at = now
        if self._pauses and stream is not None and not self._tail:
            self._heed(stream.pes.pause(), stream, now, units)

    def flush(self, now: float) -> list[AccessUnit]:
        """Give out what is left at the end of the stream."""
        units: list[AccessUnit] = []
        for stream in self._streams.values():
            self._flush_stream(stream, now, units)
        return units

    def _find_grid(self, data: bytes, at: int, *, alone: bool) -> int:
        """Return where packets begin again; not synced: where to go on when more bytes are there.

        A position counts when sync bytes follow one and, if it is there, two packets later. A message of one
        packet is believed at its beginning.
        """
        if self._synced:
            self.counters.resyncs += 1
            self._synced = False
        while (at := data.find(b"\x47", at)) >= 0:
            following = at + PACKET_BYTES
            if following >= len(data):
                self._synced = at == 0 and alone and len(data) == PACKET_BYTES
                return at
            second = following + PACKET_BYTES
            if data[following] == SYNC_BYTE and (second >= len(data) or data[second] == SYNC_BYTE):
                self._synced = True
                return at
            at += 1
        return len(data)

    def _plain(self, spacing: Spacing, data: bytes) -> bytes:
        """Take out what is between the packets, and look anew for them when that fails."""
        plain = spacing.plain(data)
        self._spacing = None if spacing.is_lost else spacing
        return plain

    def _packet(self, stream: _Stream, data: bytes, at: int, now: float, units: list[AccessUnit]) -> None:
        """Take a packet that begins, ends or interrupts a PES packet."""
        flags, control = data[at + 1], data[at + 3]
        if flags & 0x80:
            self.counters.malformed += 1  # transport_error_indicator
            return
        if control & 0xC0:
            self._scrambled = True
            return
        payload_at, stuffed, announced = 4, False, False
        if control & 0x20:
            try:
                payload_at, stuffed, announced = parse_adaptation(data, at)
            except WireError:
                self.counters.malformed += 1
                return
        if not control & 0x10 or payload_at >= PACKET_BYTES:
            return
        pes, pauses = stream.pes, self._pauses and at + PACKET_BYTES == len(data)
        payload = payload_of(data, at, payload_at)
        follows = pes.follows(control & 15, payload)
        if follows is None:
            return
        if not follows and not announced:
            self.counters.continuity_errors += 1
        if flags & 0x40:
            if pes.is_open:
                pes.broken = not follows or pes.is_short
                self._complete(stream, now, units)
            if not follows:
                stream.track.interrupt()
            verdict = pes.begin(control & 15, payload, stuffed=stuffed, pauses=pauses)
        else:
            if not follows and not pes.is_open:
                # The beginning of a PES packet is lost, and with it what this is.
                self.counters.dropped_units += 1
                stream.track.interrupt()
            verdict = pes.extend(control & 15, payload, stuffed=stuffed, pauses=pauses, gap=not follows)
        self._heed(verdict, stream, now, units)

    def _heed(self, verdict: Verdict, stream: _Stream, now: float, units: list[AccessUnit]) -> None:
        if verdict is Verdict.COMPLETE:
            self._complete(stream, now, units)
        elif verdict is Verdict.TOO_LONG:
            stream.pes.close()
            self.counters.dropped_units += 1
        elif verdict is Verdict.MISSED_END:
            self.counters.early_flush_misses += 1

    def _complete(self, stream: _Stream, now: float, units: list[AccessUnit]) -> None:
        """Turn the open PES packet into access units."""
        pes = stream.pes
        broken = pes.broken
        segments = pes.close()
        try:
            header = parse_pes(segments[0])
        except WireError:
            self.counters.malformed += 1
            return
        segments[0] = segments[0][header.payload_at :]
        pts, dts = self._place(header, now)
        units += stream.track.take(segments, pts, dts, now, broken=broken)

    def _place(self, header: PesHeader, now: float) -> tuple[int | None, int | None]:
        if header.pts is None:
            return None, None
        raw = header.pts if header.dts is None else header.dts
        ahead = difference(header.pts, raw)
        if not 0 <= ahead <= _MAX_REORDER_TICKS:
            self.counters.malformed += 1
            ahead = 0
        dts = self._clock.place(raw, now)
        self.counters.clock_jumps = self._clock.jumps
        return dts + ahead, dts

    def _flush_stream(self, stream: _Stream, now: float, units: list[AccessUnit]) -> None:
        if stream.pes.is_open:
            stream.pes.broken = stream.pes.is_short
            self._complete(stream, now, units)
        units += stream.track.flush(now)

    def _table_packet(self, pid: int, data: bytes, at: int, now: float, units: list[AccessUnit]) -> None:
        """Take a packet of the association or the program map."""
        control = data[at + 3]
        assembler = self._pat if pid == PAT_PID else self._pmts.get(pid)
        if assembler is None or data[at + 1] & 0x80 or control & 0xC0 or not control & 0x10:
            return
        payload_at = 4
        if control & 0x20:
            try:
                payload_at = parse_adaptation(data, at)[0]
            except WireError:
                self.counters.malformed += 1
                return
        crc_errors, malformed = assembler.crc_errors, assembler.malformed
        for section in assembler.push(data, at, payload_at):
            number = int.from_bytes(section[3:5], "big")
            if pid == PAT_PID:
                self._associate(section, now)
            elif number == self._program:
                self._map(section, now, units)
            elif self._program < 0 and (number, pid) in self._programs:
                self._maps[number] = section
        if self._maps:
            self._choose(now, units)
        self.counters.crc_errors += assembler.crc_errors - crc_errors
        self.counters.malformed += assembler.malformed - malformed

    def _associate(self, section: bytes, now: float) -> None:
        programs = tuple((number, pid) for number, pid in parse_pat(section) if pid != PAT_PID)
        if not programs or programs == self._programs:
            return
        taken = next((each for each in self._programs if each[0] == self._program), None)
        self._programs = programs
        if taken in programs:
            return
        self._program, self._associated_at = -1, now
        self._maps = {}
        self._pmts = {pid: SectionAssembler(PMT_TABLE) for _, pid in programs[:_MAX_PROGRAMS]}

    def _choose(self, now: float, units: list[AccessUnit]) -> None:
        """Take a program once it is known which: `_MAP_PATIENCE_S` after the association at the latest."""
        is_late = now - self._associated_at >= _MAP_PATIENCE_S
        first: int | None = None
        for number, _ in self._programs[:_MAX_PROGRAMS]:
            section = self._maps.get(number)
            if section is None:
                if not is_late:
                    return
                continue
            first = number if first is None else first
            if _carries(section):
                break
        else:
            # There is nothing to carry; what there is stands in the first one.
            if first is None:
                return
            number = first
        section, self._maps, self._program = self._maps[number], {}, number
        pid = dict(self._programs)[number]
        self._pmts = {pid: self._pmts[pid]}
        self._map(section, now, units)

    def _map(self, section: bytes, now: float, units: list[AccessUnit]) -> None:
        """Take a program map into force; streams that stay keep their state."""
        try:
            entries = parse_pmt(section)
        except WireError:
            self.counters.malformed += 1
            return
        self.declared = True
        before, streams = self._streams, dict[int, _Stream]()
        self.counters.unsupported = {}
        for entry in entries[:_MAX_STREAMS]:
            if entry.codec is None:
                self.counters.unsupported[entry.pid] = entry.name
                continue
            known = before.get(entry.pid)
            kind = (entry.codec, entry.latm, entry.channels)
            if known is not None and known.kind == kind:
                known.track.relabel(entry.language)
                streams[entry.pid] = known
            else:
                streams[entry.pid] = _Stream(kind, self._track(entry))
        for pid, stream in before.items():
            if streams.get(pid) is not stream:
                self._flush_stream(stream, now, units)
        self._streams = streams

    def _track(self, entry: ElementaryStream) -> VideoTrack | AudioTrack:
        assert entry.codec is not None
        if entry.codec.is_video:
            return VideoTrack(entry.pid, entry.codec, entry.language, self.counters)
        return audio_track(
            entry.pid,
            entry.codec,
            self.counters,
            latm=entry.latm,
            channels=entry.channels,
            language=entry.language,
        )


def _carries(section: bytes) -> bool:
    """Whether a program map has anything that can be carried."""
    try:
        return any(entry.codec is not None for entry in parse_pmt(section))
    except WireError:
        return False


def _run(data: bytes, at: int) -> int:
    """How many packets from `at` on are like the one there: whole, of its PID, in order."""
    if data[at + PACKET_BYTES + 1 : at + PACKET_BYTES + 3] != data[at + 1 : at + 3]:
        return 1
    count = min((len(data) - at) // PACKET_BYTES, _RUN_PACKETS)
    for byte in range(3):  # sync byte, flags and PID are those of the first
        column = data[at + byte : at + count * PACKET_BYTES : PACKET_BYTES]
        count = len(column) - len(column.lstrip(column[:1]))
    fourth = data[at + 3 : at + count * PACKET_BYTES : PACKET_BYTES]
    first = fourth[0] & 15
    whole = _WHOLE[first : first + count]
    if fourth == whole:
        return count
    return next(n for n, (there, due) in enumerate(zip(fourth, whole, strict=True)) if there != due)
