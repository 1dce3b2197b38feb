"""Parameter sets of a video track: which are in force, and what they say about the pictures.

`video.py` uses this to make every keyframe decodable on its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.errors import WireError
from transport.media import h264, h265
from transport.media.annexb import split_annexb
from transport.media.unit import Codec

# An SPS with every scaling list stays well below this size.
_MAX_NAL_BYTES = 4096
# Real encoders use one to three sets of a kind; every one kept is repeated on every keyframe.
_MAX_SETS = 64


@dataclass(frozen=True, slots=True)
class Picture:
    """What the sequence parameter set in force says; see `h264.Sps` and `h265.Sps`."""

    profile: str = ""
    width: int = 0
    height: int = 0
    max_reorder: int | None = None
    frame_rate: float = 0.0
    interlaced: bool = False
    pixel_aspect: float = 1.0


class ParameterSets:
    """The parameter sets of one track by kind and id; broken ones are refused, not remembered."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._kinds = (
            (h264.NAL_SPS, h264.NAL_PPS)
            if codec is Codec.H264
            else (h265.NAL_VPS, h265.NAL_SPS, h265.NAL_PPS)
        )
        self._sets: dict[tuple[int, int], bytes] = {}
        self._pictures: dict[int, Picture] = {}
        self._sps_of_pps: dict[int, int] = {}
        self._ordered: tuple[bytes, ...] = ()
        self.refused = 0

    @property
    def complete(self) -> bool:
        """True when a decoder could start: at least one set of every kind is known."""
        return {kind for kind, _ in self._sets} == set(self._kinds)

    @property
    def nals(self) -> tuple[bytes, ...]:
        """All sets in force, in the order a decoder needs them; the same object until one changes."""
        return self._ordered

    def is_parameter_set(self, nal_type: int) -> bool:
        """True for the NAL unit types kept here."""
        return nal_type in self._kinds

    def learn(self, nal_type: int, nal: bytes) -> bool:
        """Take a parameter set into force; True when it differs from what was known.

        One that cannot be parsed is refused and counted: it is more likely a transmission error than a set
        the decoder needs, and it would otherwise be repeated to every viewer.
        """
        if nal in self._ordered:
            return False
        try:
            key = (nal_type, self._register(nal_type, nal))
        except WireError:
            self.refused += 1
            return False
        if len(self._sets) >= _MAX_SETS and key not in self._sets:
            self.refused += 1
            return False
        self._sets[key] = nal
        self._ordered = tuple(self._sets[key] for key in sorted(self._sets))
        return True

    def picture(self, slice_nal: bytes | None = None) -> Picture:
        """What the sequence parameter set says that this slice uses, or the only one, or the newest."""
        if slice_nal is not None and len(self._pictures) > 1:
            try:
                used = (
                    h264.first_slice(slice_nal)[2]
                    if self._codec is Codec.H264
                    else h265.slice_pps_id(slice_nal)
                )
                return self._pictures[self._sps_of_pps[used]]
            except (WireError, KeyError):
                pass
        return next(reversed(self._pictures.values()), Picture())

    def _register(self, nal_type: int, nal: bytes) -> int:
        """Parse, note what matters and return the set's id."""
        if len(nal) > _MAX_NAL_BYTES:
            raise WireError(f"parameter set of {len(nal)} bytes")
        if self._codec is Codec.H264:
            if nal_type == h264.NAL_SPS:
                sps = h264.parse_sps(nal)
                self._note(
                    sps.id,
                    Picture(
                        sps.profile,
                        sps.width,
                        sps.height,
                        sps.max_reorder,
                        sps.frame_rate,
                        sps.interlaced,
                        sps.pixel_aspect,
                    ),
                )
                return sps.id
            pps_id, self._sps_of_pps[pps_id] = h264.parse_pps_ids(nal)
            return pps_id
        if nal_type == h265.NAL_VPS:
            return h265.parse_vps_id(nal)
        if nal_type == h265.NAL_SPS:
            hevc = h265.parse_sps(nal)
            self._note(hevc.id, Picture("", hevc.width, hevc.height, hevc.max_reorder))
            return hevc.id
        pps_id, self._sps_of_pps[pps_id] = h265.parse_pps_ids(nal)
        return pps_id

    def _note(self, sps_id: int, picture: Picture) -> None:
        # Taken out first, so that the newest is the last.
        self._pictures.pop(sps_id, None)
        self._pictures[sps_id] = picture


def parameter_sets_from_extradata(codec: Codec, extradata: bytes) -> tuple[bytes, ...]:
    """Take the parameter sets out of a container's extradata.

    Args:
        codec: H264 or H265.
        extradata: avcC or hvcC (ISO/IEC 14496-15 sections 5.3.3.1 and 8.3.3.1), or Annex B.

    Returns:
        NAL units without start codes, in the order found; empty for empty extradata.

    Raises:
        WireError: truncated.
    """
    if not extradata:
        return ()
    if extradata[:3] == b"\x00\x00\x01" or extradata[:4] == b"\x00\x00\x00\x01":
        sets = ParameterSets(codec)
        parse = h264.nal_type if codec is Codec.H264 else h265.nal_type
        return tuple(nal for nal in split_annexb(extradata) if sets.is_parameter_set(parse(nal)))
    if codec is Codec.H264:
        return _from_avcc(extradata)
    return _from_hvcc(extradata)


def _from_avcc(data: bytes) -> tuple[bytes, ...]:
    if len(data) < 7:
        raise WireError(f"avcC of {len(data)} bytes")
    nals, position = _take_nals(data, 6, data[5] & 0x1F)
    if position >= len(data):
        raise WireError("avcC ends before its picture parameter sets")
    return tuple(nals + _take_nals(data, position + 1, data[position])[0])


def _from_hvcc(data: bytes) -> tuple[bytes, ...]:
    if len(data) < 23:
        raise WireError(f"hvcC of {len(data)} bytes")
    nals: list[bytes] = []
    position = 23
    for _ in range(data[22]):
        if position + 3 > len(data):
            raise WireError("hvcC ends inside an array")
        count = int.from_bytes(data[position + 1 : position + 3], "big")
        wanted = data[position] & 0x3F in (h265.NAL_VPS, h265.NAL_SPS, h265.NAL_PPS)
        found, position = _take_nals(data, position + 3, count)
        if wanted:
            nals += found
    return tuple(nals)


def _take_nals(data: bytes, position: int, count: int) -> tuple[list[bytes], int]:
    nals = []
    for _ in range(count):
        size = int.from_bytes(data[position : position + 2], "big")
        nal = data[position + 2 : position + 2 + size]
        if size == 0 or len(nal) < size:
            raise WireError("extradata ends inside a parameter set")
        nals.append(nal)
        position += 2 + size
    return nals, position
