"""Nobody may see one (key, ssrc, rollover counter, sequence number) with two different contents.

With GCM a second one gives away the key stream and the key of the tag, with counter mode the key stream.
Everything that receives protected packets in a test shows them to the `NonceWatch` of that test, which
`tests/conftest.py` begins and ends, so that it watches whether the test asks for it or not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SRTCP_INDEX = 0x7FFFFFFF
_SHA1_80_TAG_BYTES = 10

_watches: list[NonceWatch] = []


class NonceWatch:
    """What each key encrypted so far.

    Attributes:
        reused: a line for each nonce that came with a second content.
        seen: nonces so far.
    """

    def __init__(self) -> None:
        self.reused: list[str] = []
        self._contents: dict[tuple[bytes, str, int, int], bytes] = {}
        self._highest: dict[tuple[bytes, int], int] = {}
        self._lock = threading.Lock()

    @property
    def seen(self) -> int:
        return len(self._contents)

    def see_rtp(self, key: bytes, datagram: bytes) -> None:
        """Take one SRTP packet.

        Raises:
            AssertionError: its nonce had another content before.
        """
        ssrc, seq = int.from_bytes(datagram[8:12], "big"), int.from_bytes(datagram[2:4], "big")
        with self._lock:
            # As a receiver guesses it (RFC 3711 3.3.1): the first packet is in round 0.
            highest = self._highest.setdefault((key, ssrc), seq)
            index = highest + ((seq - highest + 0x8000) & 0xFFFF) - 0x8000
            self._highest[key, ssrc] = max(highest, index)
        self._see((key, "RTP", ssrc, index), datagram, f"roc {index >> 16} seq {seq}")

    def see_rtcp(self, key: bytes, datagram: bytes, *, is_gcm: bool) -> None:
        """Take one SRTCP packet; its index stands in it.

        Raises:
            AssertionError: as `see_rtp`.
        """
        end = len(datagram) if is_gcm else len(datagram) - _SHA1_80_TAG_BYTES
        index = int.from_bytes(datagram[end - 4 : end], "big") & _SRTCP_INDEX
        ssrc = int.from_bytes(datagram[4:8], "big")
        self._see((key, "RTCP", ssrc, index), datagram, f"index {index}")

    def _see(self, nonce: tuple[bytes, str, int, int], datagram: bytes, number: str) -> None:
        with self._lock:
            if self._contents.setdefault(nonce, datagram) == datagram:
                return
            self.reused.append(f"{nonce[1]} ssrc {nonce[2]:#x} {number} was encrypted twice under one key")
        raise AssertionError(self.reused[-1])


@contextmanager
def watching() -> Iterator[NonceWatch]:
    """Watch until the end of the block.

    Raises:
        AssertionError: at the end, if a nonce was used twice, even if who received it swallowed the error.
    """
    watch = NonceWatch()
    _watches.append(watch)
    try:
        yield watch
    finally:
        _watches.remove(watch)
    assert not watch.reused, "\n".join(watch.reused)


def current_watch() -> NonceWatch:
    """The innermost one.

    Raises:
        RuntimeError: nobody watches, as outside of a test.
    """
    if not _watches:
        raise RuntimeError("protected packets are received and nobody watches their nonces")
    return _watches[-1]
