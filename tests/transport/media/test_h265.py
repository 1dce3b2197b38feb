import random

import pytest

from tests.transport.media.coded import coded_pictures
from transport.errors import WireError
from transport.media import h265
from transport.media.annexb import split_annexb


def nals_of(count: int = 1, **options: object) -> list[bytes]:
    pictures = coded_pictures("libx265", count=count, **options)  # type: ignore[arg-type]
    return [nal for data, *_ in pictures for nal in split_annexb(data)]


def sps_of(**options: object) -> bytes:
    return next(nal for nal in nals_of(**options) if h265.nal_type(nal) == h265.NAL_SPS)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (176, 100), (1920, 1080)])
def test_the_picture_size_is_after_cropping(width: int, height: int) -> None:
    sps = h265.parse_sps(sps_of(width=width, height=height))
    assert (sps.width, sps.height) == (width, height)
    assert sps.profile_idc == 1
    assert sps.level_idc % 3 == 0


def test_the_reordering_depth() -> None:
    assert h265.parse_sps(sps_of(tune="zerolatency")).max_reorder == 0
    assert h265.parse_sps(sps_of(preset="medium")).max_reorder == 2


def test_sets_and_slices_name_each_other() -> None:
    nals = nals_of()
    kinds = {h265.nal_type(nal): nal for nal in nals}
    assert h265.parse_vps_id(kinds[h265.NAL_VPS]) == 0
    assert h265.parse_pps_ids(kinds[h265.NAL_PPS]) == (0, 0)
    irap = next(nal for kind, nal in kinds.items() if h265.NAL_IRAP_FIRST <= kind <= h265.NAL_IRAP_LAST)
    assert h265.slice_pps_id(irap) == 0
    assert h265.starts_picture(irap)
    assert all(h265.layer_id(nal) == 0 for nal in nals)


def test_a_changed_or_cut_set_parses_or_is_refused() -> None:
    rng = random.Random(4)
    nal = sps_of()
    refused = 0
    for _ in range(2000):
        broken = bytearray(nal[: rng.randrange(len(nal) + 1)])
        for _ in range(rng.randrange(4)):
            if broken:
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        try:
            sps = h265.parse_sps(bytes(broken))
        except WireError:
            refused += 1
        else:
            assert 0 < sps.width <= 1 << 15
    assert 0 < refused < 2000
