"""Frames that only holders of a content key can play, encrypted once before they are packetised.

A room of its own beside `media/`: it needs a cipher library, and the next format (SFrame, RFC 9605, once
browsers have it) is another file here. Read `cipher.py` for what a format is, `trailer.py` for the one there
is, `clear.py` for what of a frame stays readable and why. It knows keys and frames; who may have a key is
decided elsewhere.
"""

from transport.e2e.cipher import KEY_INDICES, ContentKey, FrameCipher
from transport.e2e.trailer import TrailerCipher

__all__ = ["KEY_INDICES", "ContentKey", "FrameCipher", "TrailerCipher"]
