"""A transport stream muxer whose every decision a test can choose; nothing but what the tests need."""

from __future__ import annotations

from collections.abc import Iterator

from transport.mpegts.wire import crc32

PMT_PID = 0x1000
VIDEO_PID = 0x100
AUDIO_PID = 0x101
H264, H265, MPEG2 = 0x1B, 0x24, 0x02
ADTS, LATM, MP2, AC3, EAC3, PRIVATE = 0x0F, 0x11, 0x03, 0x81, 0x87, 0x06
OPUS_DESCRIPTORS = b"\x05\x04Opus\x7f\x02\x80\x02"


def section(table_id: int, extension: int, body: bytes, version: int = 0) -> bytes:
    """One intact table section."""
    length = 5 + len(body) + 4
    head = bytes([table_id]) + (0xB000 | length).to_bytes(2, "big") + extension.to_bytes(2, "big")
    whole = head + bytes([0xC1 | version << 1, 0, 0]) + body
    return whole + crc32(whole).to_bytes(4, "big")


def pat(*programs: tuple[int, int]) -> bytes:
    """An association of (program number, PMT PID)."""
    return section(
        0, 1, b"".join(n.to_bytes(2, "big") + (0xE000 | pid).to_bytes(2, "big") for n, pid in programs)
    )


def pmt(*streams: tuple[int, int, bytes], program: int = 1, version: int = 0) -> bytes:
    """A map of (stream type, PID, descriptors)."""
    body = b"\xe1\x00\xf0\x00"
    for stream_type, pid, info in streams:
        body += bytes([stream_type]) + (0xE000 | pid).to_bytes(2, "big")
        body += (0xF000 | len(info)).to_bytes(2, "big") + info
    return section(2, program, body, version)


def stamp(ticks: int, prefix: int) -> bytes:
    """A PTS or DTS field."""
    ticks &= (1 << 33) - 1
    value = (
        prefix << 36
        | (ticks >> 30) << 33
        | 1 << 32
        | (ticks >> 15 & 0x7FFF) << 17
        | 1 << 16
        | (ticks & 0x7FFF) << 1
        | 1
    )
    return value.to_bytes(5, "big")


def pes(
    data: bytes, pts: int | None, dts: int | None = None, *, stream_id: int = 0xE0, sized: bool = False
) -> bytes:
    """A PES packet; `sized` states its length."""
    fields = b""
    if pts is not None:
        fields = stamp(pts, 2) if dts is None else stamp(pts, 3) + stamp(dts, 1)
    flags = 0 if pts is None else 0x80 if dts is None else 0xC0
    length = 3 + len(fields) + len(data) if sized else 0
    return (
        b"\x00\x00\x01"
        + bytes([stream_id])
        + length.to_bytes(2, "big")
        + bytes([0x80, flags, len(fields)])
        + fields
        + data
    )


def packet(pid: int, continuity: int, payload: bytes, *, begins: bool, adaptation: bytes = b"") -> bytes:
    """A transport packet; `adaptation` is the field after its length byte, stuffing comes by itself."""
    room = 184 - len(payload)
    head = bytes([0x47, (0x40 if begins else 0) | pid >> 8, pid & 0xFF])
    if room == 0:
        return head + bytes([0x10 | continuity]) + payload
    control = (0x30 if payload else 0x20) | continuity
    field = b"" if room == 1 else (adaptation or b"\x00").ljust(room - 1, b"\xff")
    return head + bytes([control, room - 1]) + field + payload


class Muxer:
    """Keeps the continuity counters."""

    def __init__(self) -> None:
        self._continuity: dict[int, int] = {}

    def table(self, pid: int, table: bytes) -> bytes:
        """A section in as many packets as it needs."""
        data = b"\x00" + table
        data = data.ljust(-(-len(data) // 184) * 184, b"\xff")
        return b"".join(
            packet(pid, self._next(pid), data[at : at + 184], begins=at == 0)
            for at in range(0, len(data), 184)
        )

    def program(self, *streams: tuple[int, int, bytes], version: int = 0) -> bytes:
        """Association and map of one program."""
        return self.table(0, pat((1, PMT_PID))) + self.table(PMT_PID, pmt(*streams, version=version))

    def pes(self, pid: int, whole: bytes, *, first_room: int = 184) -> bytes:
        """A PES packet, filled up at the end; `first_room` below 184 puts stuffing into its first packet."""
        return b"".join(self.packets(pid, whole, first_room=first_room))

    def packets(self, pid: int, whole: bytes, *, first_room: int = 184) -> Iterator[bytes]:
        """As `pes`, packet by packet."""
        at = 0
        while at < len(whole):
            size = first_room if at == 0 else 184
            yield packet(pid, self._next(pid), whole[at : at + size], begins=at == 0)
            at += size

    def skip(self, pid: int, count: int) -> None:
        """Lose `count` packets of a PID."""
        for _ in range(count):
            self._next(pid)

    def _next(self, pid: int) -> int:
        continuity = self._continuity.get(pid, 0)
        self._continuity[pid] = (continuity + 1) & 15
        return continuity
