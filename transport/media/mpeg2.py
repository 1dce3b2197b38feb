"""MPEG-2 video: what its headers say, and access units that every output can use (ISO/IEC 13818-2).

MPEG-1 video (ISO/IEC 11172-2) has the same headers without their extensions, and is carried as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from transport.errors import WireError
from transport.media.bits import BitReader
from transport.media.unit import AccessUnit, Codec, Track

PICTURE, SEQUENCE, EXTENSION, GROUP = 0x00, 0xB3, 0xB5, 0xB8
#: Start codes that an access unit may begin with (6.1.1).
BEGINNINGS: Final = frozenset({PICTURE, SEQUENCE, GROUP})
_FIRST_SLICE, _LAST_SLICE = 0x01, 0xAF
_PREFIX = b"\x00\x00\x01"
_INTRA, _BIDIRECTIONAL = 1, 3
_SEQUENCE_EXTENSION, _CODING_EXTENSION = 1, 8
_WHOLE_FRAME = 3
# Pictures between two that others refer to are fewer; more means that some were lost.
_MAX_LEAD = 8
_RATES = (0.0, 24_000 / 1001, 24.0, 25.0, 30_000 / 1001, 30.0, 50.0, 60_000 / 1001, 60.0)
# Of the picture as it is shown, by aspect_ratio_information (table 6-3).
_ASPECTS = {2: 4 / 3, 3: 16 / 9, 4: 2.21}
# With both matrices and every extension it is some 600 bytes; it is repeated on every keyframe.
_MAX_SEQUENCE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Sequence:
    """What a sequence header and its extension say (6.3.3, 6.3.5).

    Attributes:
        width: pixels.
        height: as width.
        pixel_aspect: width of a pixel by its height; 1 where it is not said.
        frame_rate: pictures per second.
        interlaced: pictures may be fields, or have been.
    """

    width: int = 0
    height: int = 0
    pixel_aspect: float = 1.0
    frame_rate: float = 0.0
    interlaced: bool = False


@dataclass(frozen=True, slots=True)
class _Headers:
    """What stands before the first slice of a picture.

    Attributes:
        sequence: the sequence header with its extensions, start codes included; empty where there is none.
        begins_group: a group of pictures header is among them.
        kind: picture_coding_type, 0 where there is no picture.
        number: temporal_reference.
        structure: picture_structure; a whole frame in MPEG-1.
    """

    sequence: bytes = b""
    begins_group: bool = False
    kind: int = 0
    number: int = 0
    structure: int = _WHOLE_FRAME


class Mpeg2Normalizer:
    """Makes the access units of one MPEG-2 video track, of a PES packet's pictures.

    A keyframe is an I picture, or the first field of one, once a sequence header is known; where it comes
    without, the latest one is put in front. Groups may be open: decoders leave out the B pictures that they
    cannot decode. Everything else stays as it came.

    A picture that others refer to is shown after those that come behind it and refer to it. Where its times
    do not say so, as some muxers have only one for each picture, temporal_reference does.

    Attributes:
        sequence: what the header in force says.
        refused: headers that could not be read.
    """

    def __init__(self, track_id: int, clock_rate: int, *, language: str = "") -> None:
        self.sequence = Sequence()
        self.refused = 0
        self._track = Track(id=track_id, codec=Codec.MPEG2, clock_rate=clock_rate, language=language)
        self._first_field: int | None = None  # number of a picture whose second field is still to come
        self._place: int | None = None  # of the latest picture in its group, as they are decoded

    @property
    def track(self) -> Track:
        """The track as known so far; the same object until something about it changes."""
        return self._track

    def relabel(self, language: str) -> None:
        """Change the track's language."""
        if language != self._track.language:
            self._track = replace(self._track, language=language)

    def unit(self, data: bytes, pts: int, dts: int, received_at: float) -> AccessUnit | None:
        """Make an access unit.

        Args:
            data: one picture with the headers before it, or the two fields of one.
            pts: ticks of the track's clock, unwrapped; the same as dts where it is not known.
            dts: as pts.
            received_at: as in `AccessUnit`.

        Returns:
            The unit, or None when `data` holds no picture (its sequence header is remembered).
        """
        try:
            headers = _read_headers(data)
            self._learn(headers.sequence)
        except WireError:
            self.refused += 1
            return None
        if not headers.kind:
            return None
        if headers.kind == _BIDIRECTIONAL and not self._track.has_b_frames:
            self._track = replace(self._track, has_b_frames=True)
        is_second = self._completes(headers, data)
        is_known = bool(self._track.parameter_sets)
        keyframe = not is_second and headers.kind == _INTRA and is_known
        delay = self._delay(headers, is_second)
        if pts == dts:
            pts += delay
        if keyframe and not headers.sequence:
            data = self._track.parameter_sets[0] + data
        return AccessUnit(self._track, pts, dts, data, keyframe, received_at)

    def _completes(self, headers: _Headers, data: bytes) -> bool:
        """Whether this is only the second field of the picture that the last unit began."""
        if headers.structure == _WHOLE_FRAME:
            self._first_field = None
            return False
        if self._first_field == headers.number and not headers.sequence:
            self._first_field = None
            return True
        has_both = data.count(_PREFIX + bytes((PICTURE,))) > 1
        self._first_field = None if has_both else headers.number
        return False

    def _delay(self, headers: _Headers, is_second: bool) -> int:
        """How long after its decoding a picture is shown, as far as its number tells; ticks."""
        if headers.begins_group:
            self._place = 0
        elif self._place is not None and not is_second:
            self._place += 1
        if self._place is None or headers.kind == _BIDIRECTIONAL or not self.sequence.frame_rate:
            return 0
        # Numbers have 10 bits. One that others refer to is shown a picture later than one that nobody does.
        lead = (headers.number - self._place + 512) % 1024 - 512
        if not 0 <= lead <= _MAX_LEAD or not (lead or self._track.has_b_frames):
            return 0
        return round((lead + 1) * self._track.clock_rate / self.sequence.frame_rate)

    def _learn(self, header: bytes) -> None:
        if not header or self._track.parameter_sets == (header,):
            return
        self.sequence = sequence = parse_sequence(header)
        self._track = replace(
            self._track,
            parameter_sets=(header,),
            width=sequence.width,
            height=sequence.height,
            interlaced=sequence.interlaced,
            pixel_aspect=sequence.pixel_aspect,
        )


def split_pictures(data: bytes) -> list[bytes]:
    """Cut at the headers of pictures; the two fields of a frame stay together."""
    cuts: list[int] = []
    # Of the picture before: where its headers begin, which number and structure it has.
    begun, is_open, before = 0, True, (-1, _WHOLE_FRAME)
    for code, at, end in _sections(data):
        if code in BEGINNINGS and not is_open:
            begun, is_open = at, True
        if code == PICTURE and end - at >= 6:
            number = int.from_bytes(data[at + 4 : at + 6], "big") >> 6
            this = (number, _structure(data, end))
            is_second = this[0] == before[0] and this[1] + before[1] == _WHOLE_FRAME
            if not is_second:
                cuts.append(begun)
            before = (-1, _WHOLE_FRAME) if is_second else this
        elif _FIRST_SLICE <= code <= _LAST_SLICE:
            is_open = False
    cuts[:1] = [0]
    return [data[a:b] for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True)]


def parse_sequence(header: bytes) -> Sequence:
    """Parse a sequence header and the extensions behind it, with their start codes (6.2.2.1, 6.2.2.3).

    Raises:
        WireError: truncated, or a value that cannot be.
    """
    bits = BitReader(header[len(_PREFIX) + 1 :])
    width, height, aspect, rate_code = bits.u(12), bits.u(12), bits.u(4), bits.u(4)
    bits.skip(18)
    if not bits.flag() or rate_code >= len(_RATES):
        raise WireError("mpeg2: reserved value in the sequence header")
    frame_rate, progressive, pixel_aspect = _RATES[rate_code], True, 1.0
    for code, at, end in _sections(header):
        if code != EXTENSION or end - at < 10 or header[at + 4] >> 4 != _SEQUENCE_EXTENSION:
            continue
        bits = BitReader(header[at + 4 : at + 10])
        bits.skip(12)
        progressive = bits.flag()
        bits.skip(2)
        width |= bits.u(2) << 12
        height |= bits.u(2) << 12
        bits.skip(22)
        frame_rate *= (bits.u(2) + 1) / (bits.u(5) + 1)
        if width and height:
            pixel_aspect = _ASPECTS.get(aspect, width / height) * height / width
    if not width or not height:
        raise WireError(f"mpeg2: picture of {width}x{height}")
    return Sequence(width, height, pixel_aspect, frame_rate, not progressive)


def _read_headers(data: bytes) -> _Headers:
    sequence, in_sequence, begins_group = b"", False, False
    kind = number = 0
    structure = _WHOLE_FRAME
    for code, at, end in _sections(data):
        if code == SEQUENCE:
            sequence, in_sequence = data[at:end], True
        elif code == EXTENSION and in_sequence:
            sequence += data[at:end]
        elif code == GROUP:
            in_sequence, begins_group = False, True
        elif code == PICTURE:
            if end - at < 6:
                raise WireError("mpeg2: truncated picture header")
            head = int.from_bytes(data[at + 4 : at + 6], "big")
            number, kind = head >> 6, head >> 3 & 7
            structure = _structure(data, end)
            break
        elif _FIRST_SLICE <= code <= _LAST_SLICE:
            break
    if len(sequence) > _MAX_SEQUENCE_BYTES:
        raise WireError(f"mpeg2: sequence header of {len(sequence)} bytes")
    return _Headers(sequence, begins_group, kind, number, structure)


def _structure(data: bytes, at: int) -> int:
    """picture_structure of the picture coding extension at `at` (6.2.3.1)."""
    extension = data[at : at + 7]
    if extension[:4] != _PREFIX + bytes((EXTENSION,)) or len(extension) < 7:
        return _WHOLE_FRAME
    return extension[6] & 3 if extension[4] >> 4 == _CODING_EXTENSION else _WHOLE_FRAME


def _sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Start codes: which, where it begins, and where the next one does."""
    at = data.find(_PREFIX)
    while 0 <= at < len(data) - len(_PREFIX):
        following = data.find(_PREFIX, at + len(_PREFIX))
        end = following if following >= 0 else len(data)
        yield data[at + len(_PREFIX)], at, end
        at = following
