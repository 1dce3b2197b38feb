"""Access units to an MPEG-2 transport stream of one programme (ISO/IEC 13818-1).

The opposite of `demux.py`. Tables go out with every keyframe and ten times a second, the clock with every
picture; a receiver can start at any keyframe. Encoders may send pictures a second ahead of their sound; the
clock is then held back until sound is in time by it, or a strict receiver would play none.
"""

from __future__ import annotations

from transport.errors import TransportError
from transport.media import AccessUnit, Codec, Track
from transport.media.aac import parse_config, serialize_adts
from transport.media.program_config import begins_with_program
from transport.mpegts.wire import PACKET_BYTES, PAT_PID, PAT_TABLE, PMT_TABLE, SYNC_BYTE, crc32

_PMT_PID, _VIDEO_PID, _AUDIO_PID = 0x1000, 0x100, 0x101
_PROGRAM = 1
# Opus is private data that a descriptor explains (ETSI TS 103 491), AC-3 and E-AC-3 as ATSC A/52 has them
# (annexes A and G).
_STREAM_TYPES = {
    Codec.H264: 0x1B,
    Codec.H265: 0x24,
    Codec.MPEG2: 0x02,
    Codec.AAC: 0x0F,
    Codec.MP2: 0x03,
    Codec.MP3: 0x03,
    Codec.AC3: 0x81,
    Codec.EAC3: 0x87,
    Codec.OPUS: 0x06,
}
_REGISTRATIONS = {Codec.AC3: b"AC-3", Codec.EAC3: b"EAC3", Codec.OPUS: b"Opus"}
#: What a transport stream can carry.
CARRIED = frozenset(_STREAM_TYPES)
_MPEG2_AUDIO, _LOWEST_OF_MPEG1 = 0x04, 32_000
# Every access unit of these begins with a delimiter (2.14.1, 2.17.1).
_DELIMITERS = {Codec.H264: b"\0\0\0\1\x09\xf0", Codec.H265: b"\0\0\0\1\x46\x01\x50"}
_VIDEO_STREAM_ID, _AUDIO_STREAM_ID, _PRIVATE_STREAM_ID = 0xE0, 0xC0, 0xBD
_OPUS_CONTROL = b"\x7f\xe0"
_BODY_BYTES = PACKET_BYTES - 4
_STAMP_MASK = (1 << 33) - 1
# How long before its decoding a picture's first byte is sent, 90 kHz: what the decoder may buffer.
_LEAD_TICKS = 9000
# A sound's first byte is sent so long before its time by the clock, at least.
_MARGIN_TICKS = 1800
# Sound is late if so many units in a row are; and how far the clock is held back for it, at most.
_LATE_UNITS = 16
_MAX_LAG_TICKS = 3 * 90_000
_TABLES_TICKS = 9000
_RANDOM_ACCESS, _PCR = 0x40, 0x10


class TsMuxer:
    """Muxes at most one picture and one sound track.

    Args:
        tracks: what will come, in `CARRIED` codecs; a track that is not among them is added when its first
            unit comes.
    """

    def __init__(self, tracks: tuple[Track, ...] = ()) -> None:
        self._tracks = {track.is_video: track for track in tracks}
        self._continuity: dict[int, int] = {}
        self._version = 0
        self._tables_at: int | None = None
        self._clock = 0  # as sent last; it never goes back
        self._ahead = 0  # time of the last picture, or of sound that is alone
        self._lag = 0  # how far the clock is to be behind that
        self._late: list[int] = []

    def announce(self, tracks: tuple[Track, ...]) -> None:
        """Say which tracks come from here on."""
        self._tracks = {track.is_video: track for track in tracks}
        self._version = (self._version + 1) & 31
        self._tables_at = None

    def mux(self, unit: AccessUnit, dts: int, pts: int) -> bytes:
        """Write one unit, with tables where they are due.

        Args:
            unit: of either track.
            dts: where to place it, ticks of 90 kHz, 0 or more.
            pts: as dts.

        Returns:
            Whole packets; empty for AAC whose configuration is unknown or does not fit ADTS.
        """
        track = unit.track
        data = self._framed(unit)
        if not data:
            return b""
        tables_due = self._tables_at is None or dts - self._tables_at >= _TABLES_TICKS
        known = self._tracks.get(track.is_video)
        if known is not track:
            self._tracks[track.is_video] = track
            if known is None or _described(known) != _described(track):
                self._version = (self._version + 1) & 31
                tables_due = True
        packets: list[bytes] = []
        if tables_due or (track.is_video and unit.keyframe):
            self._tables_at = dts
            packets += self._tables()
        carries_clock = track.is_video or True not in self._tracks
        if carries_clock:
            self._ahead = dts
            self._clock = max(self._clock, dts - self._lag)
        else:
            self._follow(dts)
        self._packetize(
            packets,
            _VIDEO_PID if track.is_video else _AUDIO_PID,
            _pes(track, data, dts + _LEAD_TICKS, pts + _LEAD_TICKS),
            _adaptation(self._clock if carries_clock else None, unit.keyframe and track.is_video),
        )
        return b"".join(packets)

    def _follow(self, dts: int) -> None:
        """Hold the clock back where sound keeps coming late by it."""
        late = self._ahead - self._lag + _MARGIN_TICKS - (dts + _LEAD_TICKS)
        if late <= 0:
            self._late.clear()
            return
        self._late.append(late)
        if len(self._late) == _LATE_UNITS:
            self._lag = min(self._lag + max(self._late), _MAX_LAG_TICKS)
            self._late.clear()

    def _framed(self, unit: AccessUnit) -> bytes:
        codec = unit.track.codec
        if codec.is_video:
            return _DELIMITERS.get(codec, b"") + unit.data
        if codec is Codec.OPUS:
            whole, rest = divmod(len(unit.data), 255)
            return _OPUS_CONTROL + b"\xff" * whole + bytes((rest,)) + unit.data
        if codec is not Codec.AAC:
            return unit.data
        if not unit.track.parameter_sets:
            return b""
        try:
            config = parse_config(unit.track.parameter_sets[0])
            data = unit.data
            if config.program is not None and not begins_with_program(data):
                data = config.program.element + data  # a receiver may begin with any frame
            return serialize_adts(config, len(data)) + data
        except TransportError:
            return b""

    def _tables(self) -> list[bytes]:
        pat = _section(PAT_TABLE, 1, 0, _PROGRAM.to_bytes(2, "big") + (0xE000 | _PMT_PID).to_bytes(2, "big"))
        clock_pid = _VIDEO_PID if True in self._tracks else _AUDIO_PID
        streams = (0xE000 | clock_pid).to_bytes(2, "big") + b"\xf0\x00"
        for is_video, track in sorted(self._tracks.items(), reverse=True):
            pid = _VIDEO_PID if is_video else _AUDIO_PID
            kind, info = _described(track)
            streams += bytes((kind,)) + (0xE000 | pid).to_bytes(2, "big")
            streams += (0xF000 | len(info)).to_bytes(2, "big") + info
        pmt = _section(PMT_TABLE, _PROGRAM, self._version, streams)
        return [
            self._header(pid, begins=True, control=0x10) + (b"\0" + table).ljust(_BODY_BYTES, b"\xff")
            for pid, table in ((PAT_PID, pat), (_PMT_PID, pmt))
        ]

    def _packetize(self, packets: list[bytes], pid: int, pes: bytes, adaptation: bytes) -> None:
        """Cut a PES packet; `adaptation` belongs to its first transport packet, stuffing to its last."""
        at, begins = 0, True
        while at < len(pes):
            room = _BODY_BYTES - len(adaptation)
            short = room - (len(pes) - at)
            if short > 0:
                adaptation = _stuffed(adaptation, short)
                room -= short
            header = self._header(pid, begins=begins, control=0x30 if adaptation else 0x10)
            packets += (header, adaptation, pes[at : at + room])
            at, begins, adaptation = at + room, False, b""

    def _header(self, pid: int, *, begins: bool, control: int) -> bytes:
        continuity = self._continuity.get(pid, 0)
        self._continuity[pid] = (continuity + 1) & 15
        return bytes((SYNC_BYTE, (0x40 if begins else 0) | pid >> 8, pid & 0xFF, control | continuity))


def _described(track: Track) -> tuple[int, bytes]:
    """Stream type and descriptors, all that the programme map says of a track."""
    return _stream_type(track), _descriptors(track)


def _stream_type(track: Track) -> int:
    if track.codec in (Codec.MP2, Codec.MP3) and 0 < track.sample_rate < _LOWEST_OF_MPEG1:
        return _MPEG2_AUDIO
    return _STREAM_TYPES[track.codec]


def _descriptors(track: Track) -> bytes:
    """What the programme map says of a track (2.6.8, 2.6.18)."""
    found = b""
    if track.codec in _REGISTRATIONS:
        found += b"\x05\x04" + _REGISTRATIONS[track.codec]
    if track.codec is Codec.OPUS:
        # One to eight channels in the usual order are their number.
        channels = track.channels if 0 < track.channels <= 8 else 2
        found += b"\x7f\x02\x80" + bytes((channels,))
    if track.language and len(track.language) == 3 and track.language.isascii():
        found += b"\x0a\x04" + track.language.encode() + b"\0"
    return found


def _pes(track: Track, data: bytes, dts: int, pts: int) -> bytes:
    """A PES packet (2.4.3.6)."""
    stamps = _stamp(pts, 2) if pts == dts else _stamp(pts, 3) + _stamp(dts, 1)
    flags = 0x80 if pts == dts else 0xC0
    # Only a picture may leave its length open.
    length = 0 if track.is_video else 3 + len(stamps) + len(data)
    is_private = track.codec in _REGISTRATIONS
    stream_id = _VIDEO_STREAM_ID if track.is_video else _PRIVATE_STREAM_ID if is_private else _AUDIO_STREAM_ID
    header = b"\0\0\1" + bytes((stream_id,)) + length.to_bytes(2, "big")
    return header + bytes((0x84, flags, len(stamps))) + stamps + data


def _stamp(ticks: int, prefix: int) -> bytes:
    ticks &= _STAMP_MASK
    high, middle, low = ticks >> 30, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return (prefix << 36 | high << 33 | 1 << 32 | middle << 17 | 1 << 16 | low << 1 | 1).to_bytes(5, "big")


def _adaptation(clock: int | None, random_access: bool) -> bytes:
    """The adaptation field with the programme clock (2.4.3.4), empty where there is nothing to say."""
    if clock is None:
        return b""
    flags = _PCR | (_RANDOM_ACCESS if random_access else 0)
    # 33 bits of 90 kHz, 6 reserved ones, 9 bits of 27 MHz that stay 0.
    return bytes((7, flags)) + ((clock & _STAMP_MASK) << 15 | 0x3F << 9).to_bytes(6, "big")


def _stuffed(adaptation: bytes, short: int) -> bytes:
    if not adaptation:
        return bytes((short - 1,)) + (b"\0" + b"\xff" * (short - 2) if short > 1 else b"")
    return bytes((adaptation[0] + short,)) + adaptation[1:] + b"\xff" * short


def _section(table: int, number: int, version: int, body: bytes) -> bytes:
    """One table section (2.4.4)."""
    head = bytes((table,)) + (0xB000 | 9 + len(body)).to_bytes(2, "big") + number.to_bytes(2, "big")
    whole = head + bytes((0xC1 | version << 1, 0, 0)) + body
    return whole + crc32(whole).to_bytes(4, "big")
