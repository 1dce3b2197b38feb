"""Bit reader for codec headers: fixed-width fields and Exp-Golomb codes, never past the end.

Headers are short, so the whole of one is kept as a single integer; a field is then one shift and one mask.
"""

from __future__ import annotations

from transport.errors import WireError


class BitReader:
    """Reads big-endian bit fields from `data`."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes | memoryview) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    @property
    def left(self) -> int:
        """Bits that remain."""
        return self._left

    def u(self, bits: int) -> int:
        """Read an unsigned field.

        Raises:
            WireError: fewer than `bits` bits remain.
        """
        left = self._left - bits
        if left < 0:
            raise WireError(f"header ends {-left} bits early")
        self._left = left
        return (self._value >> left) & ((1 << bits) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return self.u(1) == 1

    def skip(self, bits: int) -> None:
        """Pass over a field.

        Raises:
            WireError: fewer than `bits` bits remain.
        """
        if bits > self._left:
            raise WireError(f"header ends {bits - self._left} bits early")
        self._left -= bits

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb code (H.264 section 9.1), at most 32 bits of value.

        Raises:
            WireError: the code is longer than that, or than what remains.
        """
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if rest == 0 or zeros > 32:
            raise WireError("exp-golomb code too long")
        self._left -= zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        """Read a signed Exp-Golomb code (H.264 section 9.1.1).

        Raises:
            WireError: as `ue`.
        """
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def take(self, size: int) -> bytes:
        """Read `size` bytes from the current position, which need not be a byte boundary.

        Raises:
            WireError: fewer remain.
        """
        return self.u(8 * size).to_bytes(size, "big")

    def take_bits(self, bits: int) -> bytes:
        """Read `bits` bits as bytes, with zeros behind the last one up to a byte boundary.

        Raises:
            WireError: fewer remain.
        """
        size = (bits + 7) // 8
        return (self.u(bits) << (8 * size - bits)).to_bytes(size, "big")

    def fork(self) -> BitReader:
        """A second reader at the same position."""
        twin = BitReader(b"")
        twin._value, twin._left = self._value, self._left
        return twin
