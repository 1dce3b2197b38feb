"""Transport packets that are further apart than they are long, as some senders have them.

M2TS, of Blu-ray and camcorders, has four bytes of arrival time before each packet; modulators put sixteen
bytes of parity after each (EN 300 421 section 4.4.2). Neither is of use here.
"""

from __future__ import annotations

from transport.mpegts.wire import PACKET_BYTES, SYNC_BYTE

_DISTANCES = (192, 204)
# Fewer could be payload that looks like it.
_SYNC_BYTES = 4
#: Among so many bytes it is seen.
SPACING_BYTES = _SYNC_BYTES * max(_DISTANCES)


class Spacing:
    """Takes out what is between the packets.

    Args:
        distance: from one packet's beginning to the next one's, bytes.
        skip: bytes before the first packet.

    Attributes:
        is_lost: a packet was not where it should be.
    """

    def __init__(self, distance: int, skip: int) -> None:
        self.is_lost = False
        self._distance = distance
        self._skip = skip
        self._rest = b""

    def plain(self, data: bytes) -> bytes:
        """Whole packets out of the bytes that come next; once it is lost the rest as it is."""
        data = self._rest + data
        at, packets = self._skip, list[bytes]()
        while at + PACKET_BYTES <= len(data):
            if data[at] != SYNC_BYTE:
                self.is_lost = True
                return b"".join([*packets, data[at:]])
            packets.append(data[at : at + PACKET_BYTES])
            at += self._distance
        self._rest, self._skip = data[at:], max(0, at - len(data))
        return b"".join(packets)


def find_spacing(data: bytes) -> Spacing | None:
    """What is between the packets in these bytes; None if that cannot be seen."""
    for distance in _DISTANCES:
        reach = (_SYNC_BYTES - 1) * distance
        for at in range(min(distance, len(data) - reach)):
            if all(byte == SYNC_BYTE for byte in data[at : at + reach + 1 : distance]):
                return Spacing(distance, at)
    return None
