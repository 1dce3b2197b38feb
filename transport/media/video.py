"""From whatever an encoder sends to access units that every output can use as they are.

`VideoNormalizer` removes what only costs bytes, puts the parameter sets in front of every keyframe, and
keeps the track's description up to date. Parameter sets live in `parameter_sets.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import replace

from transport.errors import WireError
from transport.media import h264, h265
from transport.media.annexb import join_annexb, split_annexb
from transport.media.parameter_sets import ParameterSets, Picture, parameter_sets_from_extradata
from transport.media.unit import AccessUnit, Codec, Track

__all__ = ["VideoNormalizer", "parameter_sets_from_extradata"]

_INTRA_SLICES = (2, 4)
# Units; real reordering goes back several times in as many.
_SOON = 30
# Where real keyframes come at least so often, refreshes between them are not needed.
_LONG_GOP_S = 10


class _Entry(enum.Enum):
    """Whether decoding can start with a picture, and what it shows then."""

    NONE = enum.auto()
    GRADUAL = enum.auto()
    WHOLE = enum.auto()


class VideoNormalizer:
    """Makes the access units of one H.264 or H.265 track.

    Kept: slices, parameter sets in the place where they came (on a keyframe: all in force, first), SEI
    (captions and timecodes travel there). Removed: access unit delimiters, filler, ends of sequence, NAL
    units of other layers or of types that collide with RTP's own, and those with the forbidden bit.

    A keyframe is an IDR picture or, for H.265, any IRAP picture. An H.264 picture made of I slices counts
    too when a recovery point or a sequence parameter set comes with it: many broadcast encoders never send
    another IDR after their first. Where there is none of all these, or hardly any, a recovery point alone
    counts (intra refresh), and the track says that it is gradual. In every case the parameter sets must be
    known.

    Attributes:
        picture: what the sequence parameter set in force says.
    """

    def __init__(self, track_id: int, codec: Codec, clock_rate: int, *, language: str = "") -> None:
        self._sets = ParameterSets(codec)
        self._track = Track(id=track_id, codec=codec, clock_rate=clock_rate, language=language)
        self._is_h264 = codec is Codec.H264
        self._last: tuple[int, int] | None = None
        self._units_since_back = _SOON
        self._reordered = False
        self._gradual = False
        self._whole_at: int | None = None
        self.picture = Picture()

    @property
    def track(self) -> Track:
        """The track as known so far; the same object until something about it changes."""
        return self._track

    @property
    def refused_parameter_sets(self) -> int:
        """Parameter sets that could not be parsed and were left out."""
        return self._sets.refused

    def learn(self, parameter_sets: Iterable[bytes]) -> None:
        """Take parameter sets that came beside the stream (SDP, extradata), without start codes."""
        changed = [
            self._sets.learn(self._type(nal), nal)
            for nal in parameter_sets
            if nal and self._sets.is_parameter_set(self._type(nal))
        ]
        if any(changed):
            self._describe(None)

    def relabel(self, language: str) -> None:
        """Change the track's language."""
        if language != self._track.language:
            self._track = replace(self._track, language=language)

    def unit(self, data: bytes, pts: int, dts: int, received_at: float) -> AccessUnit | None:
        """Make an access unit.

        Args:
            data: one access unit, Annex B.
            pts: ticks of the track's clock, unwrapped.
            dts: as pts; pass pts when unknown.
            received_at: as in `AccessUnit`.

        Returns:
            The unit, or None when `data` holds no picture (its parameter sets are remembered).
        """
        return self.unit_of_nals(split_annexb(data), pts, dts, received_at)

    def unit_of_nals(
        self, nals: Sequence[bytes], pts: int, dts: int, received_at: float
    ) -> AccessUnit | None:
        """As `unit`, for NAL units without start codes."""
        kept, slices, changed, entry = (self._sort_h264 if self._is_h264 else self._sort_h265)(nals)
        if changed:
            self._describe(slices[0] if slices else None)
        if not slices:
            return None
        keyframe = self._sets.complete and self._can_start(entry, dts)
        if keyframe:
            sets = self._sets
            body = [nal for nal in kept if not sets.is_parameter_set(self._type(nal))]
            kept = [*sets.nals, *body]
            self._describe(slices[0])
        self._observe_order(pts, dts)
        return AccessUnit(self._track, pts, dts, join_annexb(kept), keyframe, received_at)

    def _can_start(self, entry: _Entry, dts: int) -> bool:
        """Whether readers may start here; notices when gradual refreshes are all there is to start from."""
        if entry is _Entry.NONE:
            return False
        whole_at = self._whole_at
        is_long = whole_at is None or dts - whole_at > _LONG_GOP_S * self._track.clock_rate
        if entry is _Entry.WHOLE:
            self._whole_at = dts
            self._gradual = self._gradual and is_long
            return True
        self._gradual = self._gradual or is_long
        return self._gradual

    def _type(self, nal: bytes) -> int:
        return h264.nal_type(nal) if self._is_h264 else h265.nal_type(nal)

    def _sort_h264(self, nals: Sequence[bytes]) -> tuple[list[bytes], list[bytes], bool, _Entry]:
        """Return what to keep, the slices, whether parameter sets changed, how decoding can start."""
        kept: list[bytes] = []
        slices: list[bytes] = []
        changed = idr = recovery = with_sps = False
        for nal in nals:
            kind = nal[0]
            if kind & 0x80:
                continue
            kind &= 0x1F
            if kind <= 5:
                if kind == 0 or len(nal) < 2:
                    continue
                slices.append(nal)
                idr = idr or kind == h264.NAL_IDR
            elif kind in (h264.NAL_SPS, h264.NAL_PPS):
                refused = self._sets.refused
                changed = self._sets.learn(kind, nal) or changed
                if self._sets.refused != refused:
                    continue
                with_sps = with_sps or kind == h264.NAL_SPS
            elif kind == h264.NAL_SEI:
                recovery = recovery or h264.has_recovery_point(nal)
            elif 9 <= kind <= 12 or kind >= 22:
                continue
            kept.append(nal)
        if idr or ((recovery or with_sps) and _is_intra(slices)):
            return kept, slices, changed, _Entry.WHOLE
        return kept, slices, changed, _Entry.GRADUAL if recovery else _Entry.NONE

    def _sort_h265(self, nals: Sequence[bytes]) -> tuple[list[bytes], list[bytes], bool, _Entry]:
        kept: list[bytes] = []
        slices: list[bytes] = []
        changed = irap = False
        for nal in nals:
            if nal[0] & 0x80 or len(nal) < 3 or h265.layer_id(nal):
                continue
            kind = nal[0] >> 1
            if kind < 32:
                slices.append(nal)
                irap = irap or h265.NAL_IRAP_FIRST <= kind <= h265.NAL_IRAP_LAST
            elif kind <= h265.NAL_PPS:
                refused = self._sets.refused
                changed = self._sets.learn(kind, nal) or changed
                if self._sets.refused != refused:
                    continue
            elif kind <= 38 or kind >= 41:
                continue
            kept.append(nal)
        return kept, slices, changed, _Entry.WHOLE if irap else _Entry.NONE

    def _describe(self, slice_nal: bytes | None) -> None:
        picture = self._sets.picture(slice_nal)
        if picture != self.picture:
            self.picture = picture
            self._reordered = False
        track = self._track
        has_b_frames = self._reordered or (picture.max_reorder or 0) > 0
        if (
            track.parameter_sets is not self._sets.nals
            or track.width != picture.width
            or track.height != picture.height
            or track.profile != picture.profile
            or track.has_b_frames != has_b_frames
            or track.interlaced != picture.interlaced
            or track.gradual != self._gradual
            or track.pixel_aspect != picture.pixel_aspect
        ):
            self._track = replace(
                track,
                parameter_sets=self._sets.nals,
                profile=picture.profile,
                width=picture.width,
                height=picture.height,
                has_b_frames=has_b_frames,
                interlaced=picture.interlaced,
                gradual=self._gradual,
                pixel_aspect=picture.pixel_aspect,
            )

    def _observe_order(self, pts: int, dts: int) -> None:
        """Notice reordering that the parameter sets do not announce.

        A pts apart from the dts is a hint only where the stream says nothing: some muxers keep a constant
        distance although nothing is reordered. A pts that goes back while the dts does not advance may be a
        corrected clock; with B-frames it soon happens again.
        """
        goes_back = False
        if self._last is not None and pts < self._last[0]:
            goes_back = dts > self._last[1] or self._units_since_back < _SOON
            self._units_since_back = 0
        else:
            self._units_since_back += 1
        self._last = (pts, dts)
        if not self._reordered and (goes_back or (pts != dts and self.picture.max_reorder is None)):
            self._reordered = True
            if not self._track.has_b_frames:
                self._track = replace(self._track, has_b_frames=True)


def _is_intra(slices: Sequence[bytes]) -> bool:
    """Whether the first picture among these H.264 slices has no slice that refers to another picture.

    Only the first: the second field of an intra frame may refer to the first one.
    """
    try:
        for index, nal in enumerate(slices):
            first_mb, slice_type, _ = h264.first_slice(nal)
            if index and first_mb == 0:
                return True
            if slice_type not in _INTRA_SLICES:
                return False
    except WireError:
        return False
    return bool(slices)
