"""RTP padding (RFC 3550 section 5.1), which makes packets that go out together equal in size.

Segmentation offload takes packets of one size in one call, the last of them may be shorter. A few bytes of
padding in place of a further call is a good bargain for the server; how many is decided here. Sound gains
besides: sizes that follow the speech tell a listener on the wire what is said (RFC 6562).
"""

from __future__ import annotations

from collections.abc import Sequence

#: The count is one byte.
_MAX_PADDING = 255
#: Of a picture's bytes, at most.
_MAX_SHARE = 1 / 64
_SOUND_STEP = 8


class PaddedPayload(bytes):
    """A payload with its padding: the packet that carries it has the P bit."""


def pad(payload: bytes, size_bytes: int) -> bytes:
    """Make a payload that long, if padding can do it; else it stays as it is."""
    missing = size_bytes - len(payload)
    if not 0 < missing <= _MAX_PADDING:
        return payload
    return PaddedPayload(payload + bytes(missing - 1) + bytes((missing,)))


def strip(payload: bytes) -> bytes:
    """A payload without its padding."""
    return payload[: -payload[-1]] if isinstance(payload, PaddedPayload) else payload


def even(payloads: Sequence[bytes], size_bytes: int) -> list[bytes]:
    """Pad the fragments of one picture to the size most of them have.

    Args:
        payloads: of one access unit, in sending order.
        size_bytes: what fragments were cut to; shorter ones end a NAL unit.

    Returns:
        The payloads, padded where that joins runs and costs under 1/64 of the picture's bytes.
    """
    missing = [size_bytes - len(payload) for payload in payloads]
    budget = int(sum(map(len, payloads)) * _MAX_SHARE)
    padded = list(payloads)
    for at in sorted(range(len(payloads)), key=missing.__getitem__):
        if not 0 < missing[at] <= _MAX_PADDING:
            continue
        if missing[at] > budget:
            break
        budget -= missing[at]
        padded[at] = pad(payloads[at], size_bytes)
    return padded


class SteadySize:
    """Pads the packets of one sound track to one size as long as they are about the same."""

    def __init__(self) -> None:
        self._size_bytes = 0

    def pad(self, payload: bytes, max_payload_bytes: int) -> bytes:
        """One packet's payload, at most a third longer than it was."""
        if not self._size_bytes * 3 // 4 <= len(payload) <= self._size_bytes:
            self._size_bytes = min(-(-len(payload) // _SOUND_STEP) * _SOUND_STEP, max_payload_bytes)
        return pad(payload, self._size_bytes)
