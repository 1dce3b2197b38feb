"""Datagrams over TCP: two bytes of length before each (RFC 4571, as ICE-TCP uses it in RFC 6544).

Sans-IO: `Framer` takes what a stream socket delivered and returns whole datagrams.
"""

from __future__ import annotations

from transport.errors import WireError

#: Browsers send STUN, DTLS and RTCP here; nothing of it is larger than a UDP datagram on Ethernet.
MAX_FRAME_BYTES = 2048


class Framer:
    """Cuts a byte stream into datagrams, however the network cut it before."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received, return the datagrams that are complete now.

        Raises:
            WireError: a frame that is longer than anything a viewer sends, or empty.
        """
        self._pending += data
        frames: list[bytes] = []
        at = 0
        while len(self._pending) - at >= 2:
            size = int.from_bytes(self._pending[at : at + 2], "big")
            if not 0 < size <= MAX_FRAME_BYTES:
                raise WireError(f"rfc4571: a frame of {size} bytes")
            if len(self._pending) - at - 2 < size:
                break
            frames.append(bytes(self._pending[at + 2 : at + 2 + size]))
            at += 2 + size
        del self._pending[:at]
        return frames


def frame(datagram: bytes) -> bytes:
    """One datagram with its length in front."""
    return len(datagram).to_bytes(2, "big") + datagram
