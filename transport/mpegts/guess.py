"""What somebody sends who sends no transport stream, by its first bytes."""

from __future__ import annotations

#: As many are needed.
GUESS_BYTES = 12

_BEGINNINGS = (
    (b"FLV", "FLV"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"OggS", "Ogg"),
    (b"RIFF", "AVI or WAV"),
    (b"\x00\x00\x01\xba", "an MPEG program stream"),
    (b"\x00\x00\x00\x01", "a bare H.264 or H.265 stream"),
    (b"\x00\x00\x01", "a bare H.264 or H.265 stream"),
)
_MP4_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx"})


def guess(head: bytes) -> str:
    """Name it; "" for what is not known."""
    if head[4:8] in _MP4_BOXES:
        return "MP4"
    return next((name for beginning, name in _BEGINNINGS if head.startswith(beginning)), "")
