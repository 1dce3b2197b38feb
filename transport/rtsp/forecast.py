"""When is a picture complete? A forecast that trusts itself only after it has been right.

libav does not pass on RTP's marker bit, so the end of a picture is certain only when the next one begins: a
picture interval later, 40 ms at 25 pictures a second. Most cameras though are regular: every picture has the
same number of slices, and every fragment of a slice but its last is full. `EndForecast` learns that,
watches in silence whether it would have been right, and speaks only after an unbroken row of successes. After
one mistake, which costs a picture, it never speaks again.
"""

from __future__ import annotations

from transport.media import h264, h265
from transport.media.unit import Codec

#: Four seconds of an ordinary camera, hence at least one keyframe.
_TRIALS = 100

_START_CODE = b"\x00\x00\x00\x01"


class EndForecast:
    """Foretells a picture's last piece.

    Attributes:
        trusted: forecasts are given.
        mistakes: pictures that were cut short, 0 or 1.
    """

    def __init__(self, codec: Codec) -> None:
        self.trusted = False
        self.mistakes = 0
        self._is_h264 = codec is Codec.H264
        self._usual_slices = 0
        self._full_bytes = 0
        self._successes = 0
        self._slices = 0
        self._first_fragment_bytes = 0
        self._would_end = False
        self._was_wrong = False

    def observe(self, piece: bytes, *, begins_nal: bool) -> bool:
        """See the picture's next piece; True when it is the last one, as far as can be told."""
        if self._would_end:
            self._was_wrong = True
        if begins_nal:
            self._slices += self._count_slices(piece)
            payload = len(piece) - len(_START_CODE) - (1 if self._is_h264 else 2)
            self._first_fragment_bytes = payload
        else:
            payload = len(piece)
            # What another fragment follows is full.
            self._full_bytes = max(self._full_bytes, self._first_fragment_bytes, payload)
        self._would_end = 0 < self._usual_slices == self._slices and payload < self._full_bytes
        return self._would_end and self.trusted and not self._was_wrong

    def picture_ended(self) -> None:
        """Learn that the piece seen last was the picture's last."""
        if self._slices:
            regular = self._slices == self._usual_slices and not self._was_wrong
            self._successes = self._successes + 1 if regular else 0
            self._usual_slices = self._slices
        if self._was_wrong and self.trusted:
            self.mistakes += 1
        self.trusted = self._successes >= _TRIALS and not self.mistakes
        self._slices = 0
        self._would_end = False
        self._was_wrong = False

    def _count_slices(self, piece: bytes) -> int:
        """Count the slices that begin here; an aggregation packet holds several NAL units."""
        count = 0
        position = 0
        while 0 <= position < len(piece) - len(_START_CODE):
            header = piece[position + len(_START_CODE) : position + len(_START_CODE) + 1]
            if self._is_h264:
                count += 1 <= h264.nal_type(header) <= h264.NAL_IDR
            else:
                count += h265.nal_type(header) < 32
            position = piece.find(_START_CODE, position + len(_START_CODE))
        return count
