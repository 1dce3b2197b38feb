"""Tables out of transport packets: one PID's sections put together, unchanged repeats skipped, CRC checked.

A section is repeated ten times a second for as long as the stream lasts. Comparing it with the last good one
costs less than its CRC, so the CRC is computed only when bytes changed.
"""

from __future__ import annotations

from transport.mpegts.wire import PACKET_BYTES, crc32

# Section 2.4.4: program association and map sections are at most 1024 bytes with their header.
_MAX_SECTION_BYTES = 1024
_MIN_SECTION_BYTES = 12
_HEADER_BYTES = 3
_STUFFING = 0xFF


class SectionAssembler:
    """Sections of one table on one PID.

    Attributes:
        crc_errors: changed sections that failed their CRC.
        malformed: packets or sections with lengths that cannot be.
    """

    def __init__(self, table_id: int) -> None:
        self._table_id = table_id
        self._partial = b""
        self._continuity = -1
        self._known: dict[tuple[bytes, int], bytes] = {}
        self.crc_errors = 0
        self.malformed = 0

    def push(self, data: bytes, start: int, payload_at: int) -> list[bytes]:
        """Take the packet at `start`; return sections that are new or changed, intact and in force."""
        flags, control = data[start + 1], data[start + 3]
        end = start + PACKET_BYTES
        at = start + payload_at
        expected, self._continuity = (self._continuity + 1) & 15, control & 15
        if not flags & 0x40:
            if not self._partial or expected != control & 15:
                self._partial = b""
                return []
            return self._cut(self._partial + data[at:end])
        pointer = data[at] if at < end else PACKET_BYTES
        at += 1 + pointer
        if at > end:
            self.malformed += 1
            self._partial = b""
            return []
        found = []
        if pointer and self._partial and expected == control & 15:
            found = self._cut(self._partial + data[at - pointer : at])
        self._partial = b""
        return found + self._cut(data[at:end])

    def _cut(self, data: bytes) -> list[bytes]:
        """Take whole sections from the front; what may still grow is kept."""
        found = []
        at = 0
        self._partial = b""
        while at < len(data) and data[at] != _STUFFING:
            size = _HEADER_BYTES + (int.from_bytes(data[at + 1 : at + 3], "big") & 0xFFF)
            if len(data) - at < _HEADER_BYTES:
                self._partial = data[at:]
                break
            if size > _MAX_SECTION_BYTES:
                self.malformed += 1
                break
            if len(data) - at < size:
                self._partial = data[at:]
                break
            section = data[at : at + size]
            at += size
            if section[0] == self._table_id and self._is_news(section):
                found.append(section)
        return found

    def _is_news(self, section: bytes) -> bool:
        if len(section) < _MIN_SECTION_BYTES:
            self.malformed += 1
            return False
        # Table id extension and section number tell sections of one PID apart (2.4.4.1).
        key = (section[3:5], section[6])
        if self._known.get(key) == section:
            return False
        if crc32(section):
            self.crc_errors += 1
            return False
        if not section[5] & 1:
            return False  # current_next_indicator: announced, not yet in force
        if len(self._known) > 64:
            self._known.clear()
        self._known[key] = section
        return True
