"""Where pictures begin and end in the payload of PES packets, for each coding."""

from __future__ import annotations

from typing import Protocol

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, VideoNormalizer, h264, h265
from transport.media.annexb import split_annexb
from transport.media.mpeg2 import BEGINNINGS, Mpeg2Normalizer, split_pictures
from transport.media.programclock import TICKS_PER_S


class PictureFraming(Protocol):
    """Cuts one track's pictures and makes units of them.

    Attributes:
        tells_order: when a picture is shown follows from when it is decoded.
    """

    tells_order: bool

    @property
    def track(self) -> Track:
        """As known so far."""
        ...

    @property
    def frame_rate(self) -> float:
        """Pictures per second as the stream says, 0 where it does not."""
        ...

    def relabel(self, language: str) -> None:
        """Change the track's language."""
        ...

    def split(self, data: bytes) -> list[list[bytes]]:
        """Cut a PES packet's payload into pictures, each in one piece or several."""
        ...

    def unit(self, picture: list[bytes], pts: int, dts: int, received_at: float) -> AccessUnit | None:
        """Make a unit of one of them; None when it holds no picture."""
        ...

    def begins_unit(self, data: bytes) -> bool:
        """Whether it looks like the beginning of a picture, rather than going on with the one before."""
        ...


class NalFraming:
    """H.264 and H.265: a picture's pieces are its NAL units."""

    tells_order = False

    def __init__(self, track_id: int, codec: Codec, language: str) -> None:
        self._normalizer = VideoNormalizer(track_id, codec, TICKS_PER_S, language=language)
        self._is_h264 = codec is Codec.H264

    @property
    def track(self) -> Track:
        """As `PictureFraming.track`."""
        return self._normalizer.track

    @property
    def frame_rate(self) -> float:
        """As `PictureFraming.frame_rate`."""
        return self._normalizer.picture.frame_rate

    def relabel(self, language: str) -> None:
        """As `PictureFraming.relabel`."""
        self._normalizer.relabel(language)

    def split(self, data: bytes) -> list[list[bytes]]:
        """Split at access unit delimiters when one PES packet holds several pictures.

        Not with interlaced H.264, whose two fields belong together and have a delimiter each.
        """
        nals = split_annexb(data)
        delimiter = h264.NAL_AUD if self._is_h264 else h265.NAL_AUD
        parse = h264.nal_type if self._is_h264 else h265.nal_type
        cuts = [index for index, nal in enumerate(nals) if index and parse(nal) == delimiter]
        if not cuts or self._normalizer.picture.interlaced:
            return [nals]
        return [nals[a:b] for a, b in zip([0, *cuts], [*cuts, len(nals)], strict=True)]

    def unit(self, picture: list[bytes], pts: int, dts: int, received_at: float) -> AccessUnit | None:
        """As `PictureFraming.unit`."""
        return self._normalizer.unit_of_nals(picture, pts, dts, received_at)

    def begins_unit(self, data: bytes) -> bool:
        """As `PictureFraming.begins_unit`."""
        if not data.lstrip(b"\x00").startswith(b"\x01") or not data.startswith(b"\x00\x00"):
            return False
        nal = next(iter(split_annexb(data[:64])), b"")
        if not nal:
            return False
        if not self._is_h264:
            return h265.nal_type(nal) >= h265.NAL_VPS or h265.starts_picture(nal)
        if h264.nal_type(nal) > h264.NAL_IDR:
            return True
        try:
            return h264.first_slice(nal)[0] == 0
        except WireError:
            return False


class Mpeg2Framing:
    """MPEG-2 video: a picture is one piece."""

    tells_order = True

    def __init__(self, track_id: int, language: str) -> None:
        self._normalizer = Mpeg2Normalizer(track_id, TICKS_PER_S, language=language)

    @property
    def track(self) -> Track:
        """As `PictureFraming.track`."""
        return self._normalizer.track

    @property
    def frame_rate(self) -> float:
        """As `PictureFraming.frame_rate`."""
        return self._normalizer.sequence.frame_rate

    def relabel(self, language: str) -> None:
        """As `PictureFraming.relabel`."""
        self._normalizer.relabel(language)

    def split(self, data: bytes) -> list[list[bytes]]:
        """As `PictureFraming.split`; fields of one frame stay together."""
        return [[picture] for picture in split_pictures(data)]

    def unit(self, picture: list[bytes], pts: int, dts: int, received_at: float) -> AccessUnit | None:
        """As `PictureFraming.unit`."""
        return self._normalizer.unit(picture[0], pts, dts, received_at)

    def begins_unit(self, data: bytes) -> bool:
        """As `PictureFraming.begins_unit`."""
        start = data.lstrip(b"\x00")[:2]
        return data.startswith(b"\x00\x00") and start[:1] == b"\x01" and start[-1] in BEGINNINGS


def picture_framing(track_id: int, codec: Codec, language: str) -> PictureFraming:
    """Make the framing for one picture track."""
    if codec is Codec.MPEG2:
        return Mpeg2Framing(track_id, language)
    return NalFraming(track_id, codec, language)
