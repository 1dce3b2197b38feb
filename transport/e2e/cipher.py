"""What every format of encrypted frames has in common: a key with an index, a cipher that seals and opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from transport.media import Codec

#: What a key may be called. Not 0: the index ends a frame, and a NAL unit never ends in a zero byte.
KEY_INDICES = range(1, 16)
_KEY_BYTES = (16, 32)


@dataclass(frozen=True, slots=True)
class ContentKey:
    """One key of a stream.

    Attributes:
        index: names it in every frame that it sealed, one of `KEY_INDICES`; names are used again.
        secret: 16 or 32 random bytes, not shown.
    """

    index: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.index not in KEY_INDICES:
            raise ValueError(f"a key index of {self.index}, expected {KEY_INDICES[0]}-{KEY_INDICES[-1]}")
        if len(self.secret) not in _KEY_BYTES:
            raise ValueError(f"a key of {len(self.secret)} bytes, expected 16 or 32")


class FrameCipher(Protocol):
    """Seals the frames of one stream under one key."""

    @property
    def format(self) -> str:
        """How sealed frames are laid out; players look their code up by it."""
        ...

    @property
    def algorithm(self) -> str:
        """The cipher for people, such as "AES-256-GCM"."""
        ...

    @property
    def key(self) -> ContentKey:
        """What it seals with."""
        ...

    def seal(self, codec: Codec, data: bytes) -> bytes:
        """Encrypt one frame. Any thread.

        Args:
            codec: what the frame is coded in.
            data: as `AccessUnit.data`.

        Returns:
            The sealed frame, which the codec's packetizer takes like any other.

        Raises:
            WireError: the format cannot carry this frame.
        """
        ...

    def open(self, codec: Codec, sealed: bytes) -> bytes:
        """Decrypt one frame, as it comes from the codec's depacketizer.

        Raises:
            WireError: not a sealed frame, or one that this key did not seal.
        """
        ...
