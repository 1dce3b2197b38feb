"""AAC's program config element: which channels there are, where no number says it (ISO/IEC 14496-3 4.5.1.2).

It stands in the configuration, or as an element before the others in some of the frames. Both end in whole
bytes, counted from where the configuration or the frame begins, so it is written anew from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.media.bits import BitReader

_ELEMENT_ID, _ID_BITS = 5, 3


@dataclass(frozen=True, slots=True)
class ProgramConfig:
    """One element.

    Attributes:
        fields: what comes before the alignment, as a number.
        size: of the fields, bits.
        comment: what comes after it.
        channels: how many are described, coupling channels left out.
    """

    fields: int
    size: int
    comment: bytes
    channels: int

    @property
    def element(self) -> bytes:
        """As it stands at the beginning of a frame."""
        return self.behind(_ELEMENT_ID, _ID_BITS)

    def behind(self, start: int, bits: int) -> bytes:
        """Write it behind so many bits of a number, from which alignment counts."""
        whole = bits + self.size
        padding = -whole % 8
        head = ((start << self.size | self.fields) << padding).to_bytes((whole + padding) // 8, "big")
        return head + bytes((len(self.comment),)) + self.comment


def begins_with_program(frame: bytes) -> bool:
    """Whether an AAC frame's first element is one of these."""
    return bool(frame) and frame[0] >> (8 - _ID_BITS) == _ELEMENT_ID


def read_element(frame: bytes) -> ProgramConfig:
    """Read it from the beginning of an AAC frame.

    Raises:
        WireError: truncated.
    """
    bits = BitReader(frame)
    start = bits.left
    bits.skip(_ID_BITS)
    return read_program(bits, start)


def read_program(bits: BitReader, start: int) -> ProgramConfig:
    """Read it and leave `bits` behind it (table 4.2).

    Args:
        bits: at its first field.
        start: what was left in `bits` at the place from which alignment counts.

    Raises:
        WireError: truncated.
    """
    copy, before = bits.fork(), bits.left
    bits.skip(10)  # tag, object type, sampling frequency
    front, side, back, lfe, data, coupling = (bits.u(size) for size in (4, 4, 4, 2, 3, 4))
    for size in (4, 4, 3):  # how to mix down: mono, stereo, matrix
        if bits.flag():
            bits.skip(size)
    channels = lfe
    for _ in range(front + side + back):
        channels += 1 + bits.flag()
        bits.skip(4)
    bits.skip(4 * (lfe + data) + 5 * coupling)
    size = before - bits.left
    fields = copy.u(size)
    bits.skip((bits.left - start) % 8)
    return ProgramConfig(fields, size, bits.take(bits.u(8)), channels)
