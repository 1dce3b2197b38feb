"""What the headers of self-framing sound codecs share; `aac.py`, `mpegaudio.py`, `ac3.py` parse them."""

from __future__ import annotations

from typing import NamedTuple

from transport.errors import TransportError
from transport.media.unit import Codec


class UnsupportedAudio(TransportError):
    """A well-formed header of a variant that this server does not carry; the text says which."""


class AudioHeader(NamedTuple):
    """One coded frame's header.

    Attributes:
        frame_bytes: whole frame with its header.
        header_bytes: what is not part of the access unit (ADTS); 0 where the header belongs to it.
        samples: per channel, at `sample_rate`.
        sample_rate: Hz.
        channels: of the coded sound.
        config: decoder configuration (AudioSpecificConfig), empty for codecs without one.
        codec: where containers call several the same; None where they tell.
        continues: it belongs to the frame before, and to that one's time.
    """

    frame_bytes: int
    header_bytes: int
    samples: int
    sample_rate: int
    channels: int
    config: bytes = b""
    codec: Codec | None = None
    continues: bool = False
