"""What flows: tracks and access units. See `unit.py`, then `h264.py` and `h265.py` for what is inside."""

from transport.media.unit import AccessUnit, Codec, Track

__all__ = ["AccessUnit", "Codec", "Track"]
