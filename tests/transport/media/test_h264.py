import random

import pytest

from tests.transport.media.coded import coded_pictures
from transport.errors import WireError
from transport.media import h264


def sps_of(**options: object) -> bytes:
    pictures = coded_pictures("libx264", count=1, **options)  # type: ignore[arg-type]
    return next(nal for nal in h264.split_annexb(pictures[0][0]) if h264.nal_type(nal) == h264.NAL_SPS)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (176, 100), (130, 98), (1920, 1080), (854, 480)])
def test_the_picture_size_is_after_cropping(width: int, height: int) -> None:
    sps = h264.parse_sps(sps_of(width=width, height=height))
    assert (sps.width, sps.height) == (width, height)


@pytest.mark.parametrize(
    ("options", "max_reorder"),
    [
        ({"profile": "baseline"}, 0),
        ({"tune": "zerolatency"}, 0),
        ({"bf": "2", "preset": "veryfast", "x264opts": "b-pyramid=none"}, 1),
        ({"bf": "3", "preset": "veryfast"}, 2),
    ],
)
def test_the_reordering_depth(options: dict[str, str], max_reorder: int) -> None:
    assert h264.parse_sps(sps_of(**options)).max_reorder == max_reorder


def test_profile_and_frame_rate() -> None:
    nal = sps_of(profile="baseline", tune="zerolatency")
    sps = h264.parse_sps(nal)
    assert sps.profile == nal[1:4].hex()
    assert sps.profile.startswith("42c0")
    assert sps.frame_rate == 30.0
    assert not sps.interlaced


def test_interlaced_pictures_are_known_with_their_full_height() -> None:
    sps = h264.parse_sps(sps_of(width=64, height=64, preset="veryfast", x264opts="tff=1"))
    assert sps.interlaced
    assert (sps.width, sps.height) == (64, 64)


@pytest.mark.parametrize(
    ("said", "aspect"),
    [("1/1", 1.0), ("16/11", 16 / 11), ("4/3", 4 / 3), ("64/45", 64 / 45), ("1/50", 1.0), ("", 1.0)],
)
def test_the_shape_of_a_pixel(said: str, aspect: float) -> None:
    options = {"x264opts": f"sar={said}"} if said else {}
    sps = h264.parse_sps(sps_of(bf="2", preset="veryfast", **options))
    assert sps.pixel_aspect == pytest.approx(aspect)
    assert sps.max_reorder == 2, "what comes behind it"


def test_high_profile_with_scaling_lists_and_hrd() -> None:
    sps = h264.parse_sps(
        sps_of(x264opts="nal-hrd=vbr:cqm=jvt:vbv-maxrate=500:vbv-bufsize=500:8x8dct=1", preset="medium")
    )
    assert (sps.width, sps.height) == (64, 48)
    assert sps.max_reorder is not None


def test_a_vui_that_is_cut_short_costs_only_what_it_would_have_said() -> None:
    nal = sps_of(bf="2", preset="veryfast", width=640, height=480)
    sps = h264.parse_sps(nal[:14])
    assert (sps.width, sps.height, sps.max_reorder) == (640, 480, None)


def test_a_changed_or_cut_set_parses_or_is_refused() -> None:
    rng = random.Random(3)
    nal = sps_of(bf="2", preset="veryfast")
    refused = 0
    for _ in range(2000):
        broken = bytearray(nal[: rng.randrange(len(nal) + 1)])
        for _ in range(rng.randrange(4)):
            if broken:
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            sps = h264.parse_sps(bytes(broken))
        except WireError:
            refused += 1
        else:
            assert 0 < sps.width <= 1 << 15
            assert 0 < sps.height <= 1 << 15
    assert 0 < refused < 2000


def test_slices_say_what_they_are() -> None:
    pictures = coded_pictures("libx264", g="6", tune="zerolatency")
    kinds = []
    for data, *_ in pictures:
        nal = next(n for n in h264.split_annexb(data) if h264.nal_type(n) in (h264.NAL_SLICE, h264.NAL_IDR))
        first_mb, slice_type, pps_id = h264.first_slice(nal)
        assert (first_mb, pps_id) == (0, 0)
        kinds.append(slice_type)
    assert kinds == [2, 0, 0, 0, 0, 0] * 2
    with pytest.raises(WireError):
        h264.first_slice(b"\x41")


def test_a_picture_parameter_set_names_its_sequence_parameter_set() -> None:
    nals = h264.split_annexb(coded_pictures("libx264", count=1, x264opts="sps-id=3")[0][0])
    pps = next(nal for nal in nals if h264.nal_type(nal) == h264.NAL_PPS)
    assert h264.parse_pps_ids(pps) == (3, 3)


def test_recovery_points_are_found_among_other_messages() -> None:
    other = b"\x05\xff\x03" + b"\x55" * 258
    assert h264.has_recovery_point(b"\x06\x06\x01\xc4\x80")
    assert h264.has_recovery_point(b"\x06" + other + b"\x06\x01\xc4\x80")
    assert not h264.has_recovery_point(b"\x06" + other + b"\x80")
    assert not h264.has_recovery_point(b"\x06\xff\xff")
    assert not h264.has_recovery_point(b"\x06")


def test_recovery_points_are_not_looked_for_without_end() -> None:
    recovery_point = b"\x06\x01\xc4\x80"
    assert h264.has_recovery_point(b"\x06" + b"\x05\x01x" * 255 + recovery_point)
    assert not h264.has_recovery_point(b"\x06" + b"\x05\x01x" * 256 + recovery_point)
    assert not h264.has_recovery_point(b"\x06" + b"\xff" * 5 + b"\x00\x01x" + recovery_point)
    user_data = b"\x05" + b"\xff" * 40 + b"\x00" + bytes(255 * 40)
    assert h264.has_recovery_point(b"\x06" + user_data + recovery_point)
