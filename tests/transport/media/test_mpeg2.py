from __future__ import annotations

from fractions import Fraction

import pytest

from tests.transport.media.coded import coded_pictures
from tests.transport.media.sources import picture_units
from transport.errors import WireError
from transport.media import Codec
from transport.media.mpeg2 import Mpeg2Normalizer, parse_sequence, split_pictures

START = b"\x00\x00\x01"
# 720x576, 16:9, 25 pictures a second, progressive_sequence 0.
SEQUENCE = bytes.fromhex("000001b32d0240331388" + "23d8") + bytes.fromhex("000001b5148200010000")
CODED = [data for data, *_ in coded_pictures("mpeg2video", count=20, g="6", bf="2")]


def header(number: int, kind: int, structure: int = 3) -> bytes:
    """A picture header with its coding extension, and one slice."""
    head = (number << 6 | kind << 3).to_bytes(2, "big") + b"\xff\xf8"
    extension = bytes((0x8F, 0xFF, 0xF0 | structure, 0x00, 0x00))
    return START + b"\x00" + head + START + b"\xb5" + extension + START + b"\x01" + b"\x22" * 20


def test_a_sequence_header_says_how_the_picture_looks() -> None:
    sequence = parse_sequence(SEQUENCE)
    assert (sequence.width, sequence.height, sequence.frame_rate) == (720, 576, 25.0)
    assert sequence.interlaced
    assert sequence.pixel_aspect == pytest.approx(64 / 45)


@pytest.mark.parametrize(
    ("width", "height", "aspect"),
    [(720, 576, Fraction(16, 15)), (1920, 1080, Fraction(1)), (720, 480, Fraction(32, 27))],
)
def test_what_an_encoder_writes_is_read(width: int, height: int, aspect: Fraction) -> None:
    (unit, *_) = picture_units(Codec.MPEG2, 1, width=width, height=height, pixel_aspect=aspect)
    assert (unit.track.width, unit.track.height) == (width, height)
    assert unit.track.pixel_aspect == pytest.approx(float(aspect), abs=1e-3)
    assert not unit.track.interlaced
    assert unit.track.parameter_sets[0].startswith(START + b"\xb3")


def test_mpeg1_is_read_too() -> None:
    data = coded_pictures("mpeg1video", count=4)[0][0]
    normalizer = Mpeg2Normalizer(1, 90_000)
    unit = normalizer.unit(data, 0, 0, 0.0)
    assert unit is not None
    assert unit.keyframe
    assert (unit.track.width, unit.track.height, unit.track.interlaced) == (64, 48, False)
    assert normalizer.sequence.frame_rate == 30.0


def test_keyframes_are_pictures_of_type_i_behind_a_sequence_header() -> None:
    normalizer = Mpeg2Normalizer(1, 90_000)
    units = [normalizer.unit(data, n, n, 0.0) for n, data in enumerate(CODED)]
    assert [bool(unit and unit.keyframe) for unit in units] == [SEQUENCE[:4] in data for data in CODED]
    assert sum(bool(unit and unit.keyframe) for unit in units) >= 3
    assert [unit.data for unit in units if unit] == CODED
    assert units[-1] is not None
    assert units[-1].track.has_b_frames


def test_an_intra_picture_without_a_sequence_header_gets_the_latest() -> None:
    normalizer = Mpeg2Normalizer(1, 90_000)
    before = normalizer.unit(header(0, 1), 0, 0, 0.0)
    assert before is not None
    assert not before.keyframe
    assert normalizer.unit(SEQUENCE, 0, 0, 0.0) is None
    after = normalizer.unit(header(0, 1), 3600, 3600, 0.0)
    assert after is not None
    assert after.keyframe
    assert after.data == SEQUENCE + header(0, 1)


def test_of_two_fields_in_units_of_their_own_the_first_is_the_keyframe() -> None:
    normalizer = Mpeg2Normalizer(1, 90_000)
    fields = [SEQUENCE + header(2, 1, 1), header(2, 1, 2), header(5, 2, 1), header(5, 2, 2), header(0, 1, 1)]
    units = [normalizer.unit(data, n, n, 0.0) for n, data in enumerate(fields)]
    assert [unit and unit.keyframe for unit in units] == [True, False, False, False, True]


def test_two_fields_in_one_unit_leave_no_field_to_come() -> None:
    normalizer = Mpeg2Normalizer(1, 90_000)
    both = header(0, 1, 1) + header(0, 2, 2)
    units = [normalizer.unit(data, n, n, 0.0) for n, data in enumerate([SEQUENCE + both, both])]
    assert [unit and unit.keyframe for unit in units] == [True, True]


def test_without_times_of_their_own_pictures_are_shown_in_the_order_of_their_numbers() -> None:
    """As some muxers have it: pts and dts the same, in the order in which pictures are decoded."""
    units = picture_units(Codec.MPEG2, 60, options={"bf": "2", "g": "12"})
    normalizer = Mpeg2Normalizer(1, 90_000)
    made = [normalizer.unit(unit.data, unit.dts, unit.dts, 0.0) for unit in units]
    assert [unit.pts for unit in made if unit][1:] == [unit.pts for unit in units][1:]
    assert [unit.dts for unit in made if unit] == [unit.dts for unit in units]


def test_times_of_their_own_are_kept() -> None:
    units = picture_units(Codec.MPEG2, 30, options={"bf": "2", "g": "12"})
    normalizer = Mpeg2Normalizer(1, 90_000)
    made = [normalizer.unit(unit.data, unit.pts + 100, unit.dts, 0.0) for unit in units]
    assert [unit.pts for unit in made if unit] == [unit.pts + 100 for unit in units]


def test_pictures_are_cut_at_their_headers_and_fields_stay_together() -> None:
    assert split_pictures(b"".join(CODED)) == CODED
    fields = [SEQUENCE + header(0, 1, 1) + header(0, 2, 2), header(1, 2, 1) + header(1, 2, 2), header(2, 2)]
    assert split_pictures(b"".join(fields)) == fields
    assert split_pictures(b"\x55" * 40) == [b"\x55" * 40]


@pytest.mark.parametrize(
    "broken",
    [
        SEQUENCE[:9],
        START + b"\xb3" + bytes(8),
        SEQUENCE[:10] + b"\x03" + SEQUENCE[11:],  # no marker bit
        SEQUENCE[:7] + b"\x3f" + SEQUENCE[8:],  # a reserved rate
    ],
)
def test_a_broken_sequence_header_is_refused_and_counted(broken: bytes) -> None:
    with pytest.raises(WireError):
        parse_sequence(broken)
    normalizer = Mpeg2Normalizer(1, 90_000)
    assert normalizer.unit(broken + header(0, 1), 0, 0, 0.0) is None
    assert normalizer.refused == 1
    assert normalizer.track.parameter_sets == ()


def test_headers_that_grow_beyond_bounds_are_refused() -> None:
    normalizer = Mpeg2Normalizer(1, 90_000)
    assert normalizer.unit(SEQUENCE + (START + b"\xb5" + bytes(100)) * 50 + header(0, 1), 0, 0, 0.0) is None
    assert normalizer.refused == 1


def test_cut_anywhere_nothing_is_raised() -> None:
    whole = SEQUENCE + header(0, 1, 1) + header(0, 2, 2)
    for size in range(len(whole)):
        normalizer = Mpeg2Normalizer(1, 90_000)
        for picture in split_pictures(whole[:size]):
            normalizer.unit(picture, 0, 0, 0.0)
