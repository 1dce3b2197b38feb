"""Pictures out of video tags: H.264 and H.265, their NAL units behind lengths.

`transport/media/video.py` makes the units fit for every output; here the lengths are taken off.
"""

from __future__ import annotations

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, VideoNormalizer, parameter_sets_from_extradata
from transport.media.annexb import START_CODE, join_annexb, split_annexb
from transport.media.configuration import nal_length_bytes, split_length_prefixed
from transport.media.programclock import TICKS_PER_S

_MS = TICKS_PER_S // 1000
# Thirty parameter sets of two kilobytes; real configurations have some fifty bytes.
_MAX_CONFIGURATION_BYTES = 1 << 16
# A picture of 8K in the smallest slices has fewer; each costs more memory than its bytes.
_MAX_NALS = 4096
# A picture is shown at most 16 frames after it is decoded; a larger distance is a corrupt one.
_MAX_DELAY_MS = 10_000


class PictureTrack:
    """The access units of one picture track.

    Nothing is given out before the first keyframe. What a keyframe is the NAL units say, and parameter sets
    may come in the configuration, among the pictures or both: the latest counts.

    Attributes:
        last: decoding time of the latest unit, ticks of 90 kHz; None before the first.
        dropped: pictures that came before the first keyframe.
        clamped: decoding times that went back a little, and were held.
    """

    def __init__(self, track_id: int, codec: Codec) -> None:
        self.codec = codec
        self.last: int | None = None
        self.dropped = 0
        self.clamped = 0
        self._malformed = 0
        self._id = track_id
        self._normalizer = VideoNormalizer(track_id, codec, TICKS_PER_S)
        self._configuration = b""
        self._length_bytes = 4
        self._waiting = True
        self._lacks_sets = False

    @property
    def track(self) -> Track:
        """As known so far."""
        return self._normalizer.track

    @property
    def malformed(self) -> int:
        """Composition times that cannot be, and parameter sets that could not be parsed."""
        return self._malformed + self._normalizer.refused_parameter_sets

    @property
    def reason(self) -> str:
        """Why no picture is given out, in words; "" when they are or may soon be."""
        if self._waiting and self._lacks_sets:
            return "the pictures come without parameter sets, so that they cannot be decoded"
        return ""

    def configure(self, codec: Codec, data: bytes) -> None:
        """Take a decoder configuration: avcC or hvcC, or Annex B as some encoders have it.

        Raises:
            WireError: truncated or too long.
        """
        if len(data) > _MAX_CONFIGURATION_BYTES:
            raise WireError(f"flv: decoder configuration of {len(data)} bytes")
        # One that is repeated is not news: other parameter sets may have come among the pictures since.
        if (codec, data) == (self.codec, self._configuration):
            return
        sets = parameter_sets_from_extradata(codec, data)
        if codec is not self.codec:
            self.codec = codec
            self._malformed = self.malformed
            self._normalizer = VideoNormalizer(self._id, codec, TICKS_PER_S)
            self._waiting = True
            self._lacks_sets = False
        self._configuration = data
        self._length_bytes = nal_length_bytes(data, codec)
        self._normalizer.learn(sets)

    def split(self, data: bytes) -> list[bytes]:
        """Cut a coded picture into NAL units.

        Raises:
            WireError: lengths that do not add up, or too many units.
        """
        try:
            nals = split_length_prefixed(data, self._length_bytes)
        except WireError:
            # Lengths that look like a start code do not add up.
            if not data.startswith((START_CODE, START_CODE[1:])):
                raise
            stream = data
        else:
            stream = join_annexb(nals)
        # Cut once more: a NAL unit with a start code inside would become two for whoever reads it next.
        if stream.count(START_CODE[1:]) > _MAX_NALS:
            raise WireError(f"flv: more than {_MAX_NALS} NAL units in a picture")
        return split_annexb(stream)

    def unit(
        self, nals: list[bytes], dts: int, delay_ms: int, now: float, *, keyframe: bool
    ) -> AccessUnit | None:
        """Make an access unit.

        Args:
            nals: of one picture, from `split`.
            dts: ticks of 90 kHz, unwrapped.
            delay_ms: from decoding to showing.
            now: arrival, time.monotonic().
            keyframe: what the tag says, for `reason` only.

        Returns:
            The unit; None before the first keyframe and where there is no picture.
        """
        if abs(delay_ms) > _MAX_DELAY_MS:
            self._malformed += 1
            delay_ms = 0
        pts = dts + delay_ms * _MS
        if self.last is not None and dts < self.last:
            # The pts stays: it is the order of the pictures on the screen.
            self.clamped += 1
            dts = self.last
        unit = self._normalizer.unit_of_nals(nals, pts, dts, now)
        if unit is None:
            return None
        self.last = dts
        if self._waiting and not unit.keyframe:
            self.dropped += 1
            self._lacks_sets = (self._lacks_sets or keyframe) and not unit.track.parameter_sets
            return None
        self._waiting = False
        return unit
