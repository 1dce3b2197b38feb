"""AES-GCM with everything a receiver needs in a trailer, as several conferencing servers have it.

    clear | ciphertext | tag, 16 bytes | IV, 12 bytes | IV length, 1 byte: 12 | key index, 1 byte
          └── in H.264 and H.265 escaped as a whole ──────────────────────────────────────────┘

The slice's clear bytes (`Split.bound`) are the additional authenticated data. The IV is 4 random bytes per
cipher and a counter (NIST SP 800-38D section 8.2.1), so that no two frames under one key share one, whichever
of the stream's tracks they belong to.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transport.e2e.cipher import ContentKey
from transport.e2e.clear import Split, escape, split, unescape, without_sei
from transport.errors import WireError
from transport.media import Codec

FORMAT: Final = "gcm-trailer"
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
_FIXED_BYTES = 4
_TRAILER_BYTES = IV_BYTES + 2


class TrailerCipher:
    """See `FrameCipher`. One per key: the tracks of a stream share its counter."""

    format = FORMAT

    def __init__(self, key: ContentKey) -> None:
        self.key = key
        self.algorithm = f"AES-{len(key.secret) * 8}-GCM"
        self._gcm = AESGCM(key.secret)
        self._fixed = secrets.token_bytes(_FIXED_BYTES)
        # next() of a count is one step even between threads.
        self._counter = itertools.count()
        self._end = bytes((IV_BYTES, key.index))

    def seal(self, codec: Codec, data: bytes) -> bytes:
        """Encrypt one frame. Any thread.

        Raises:
            WireError: not a picture in H.264 or H.265, nor a packet of Opus.
        """
        parts = split(codec, data)
        iv = self._fixed + next(self._counter).to_bytes(IV_BYTES - _FIXED_BYTES, "big")
        rest = self._gcm.encrypt(iv, parts.rest, parts.bound) + iv + self._end
        if codec.is_video:
            rest = escape(parts.clear, rest)
        return without_sei(codec, parts.clear) + rest

    def open(self, codec: Codec, sealed: bytes) -> bytes:
        """Decrypt one frame.

        Raises:
            WireError: not a sealed frame, or one that this key did not seal.
        """
        parts, rest = _unescaped(codec, sealed)
        if key_index(codec, sealed) != self.key.index:
            raise WireError(f"a frame under key {key_index(codec, sealed)}, this is key {self.key.index}")
        iv = rest[-_TRAILER_BYTES:-2]
        try:
            return parts.clear + self._gcm.decrypt(iv, rest[:-_TRAILER_BYTES], parts.bound)
        except InvalidTag:
            raise WireError("this key does not open the frame, or the frame was changed") from None


def key_index(codec: Codec, sealed: bytes) -> int:
    """Which key a frame says it was sealed with.

    Raises:
        WireError: not a sealed frame.
    """
    return _unescaped(codec, sealed)[1][-1]


def _unescaped(codec: Codec, sealed: bytes) -> tuple[Split, bytes]:
    parts = split(codec, sealed)
    rest = unescape(parts.clear, parts.rest) if codec.is_video else parts.rest
    if len(rest) < TAG_BYTES + _TRAILER_BYTES or rest[-2] != IV_BYTES:
        raise WireError("not a sealed frame")
    return parts, rest
