"""What flows: tracks and access units. See `unit.py`, then `h264.py` and `h265.py` for what is inside."""

from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import VideoNormalizer, parameter_sets_from_extradata

__all__ = ["AccessUnit", "Codec", "Track", "VideoNormalizer", "parameter_sets_from_extradata"]
