from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.media import AUDIO, VIDEO, h264_unit
from transport.media import AccessUnit, Codec, opus
from transport.plane.packing import Packing


def sound(pts: int, data: bytes) -> AccessUnit:
    return AccessUnit(AUDIO, pts, pts, data, keyframe=True, received_at=0.0)


def test_timestamps_count_the_wall_clock_whatever_the_unit_does() -> None:
    packing = Packing(Codec.H264, 90_000, 2.0, 7, 1160)
    assert packing.timestamp(h264_unit(0, keyframe=True)) == 7 + 180_000
    milliseconds = replace(VIDEO, clock_rate=1000)
    assert packing.timestamp(h264_unit(40, keyframe=True, track=milliseconds)) == 7 + 180_000 + 3600


def test_what_cannot_be_packetised_is_counted() -> None:
    packing = Packing(Codec.OPUS, 48_000, 0.0, 0, 1160)
    assert packing.packetize(sound(0, bytes(5000))) == []
    (payload,) = packing.packetize(sound(0, b"sound"))
    assert payload.startswith(b"sound")  # and padding
    assert packing.malformed == 1


def test_two_sounds_have_the_time_of_the_first() -> None:
    packing = Packing(Codec.OPUS, 48_000, 0.0, 5, 1160)
    one, two = sound(960, b"\xfcone"), sound(1920, b"\xfctwo")
    assert packing.pair(one) is None
    packing.packetize(one)
    together, pair = opus.pair(one.data, two.data), packing.pair(two)
    assert together is not None and pair is not None
    assert pair[0].startswith(together) and pair[1] == 965


def test_what_does_not_belong_there_is_refused() -> None:
    with pytest.raises(ValueError, match="h264"):
        Packing(Codec.OPUS, 48_000, 0.0, 0, 1160).check(h264_unit(0, keyframe=True))
    with pytest.raises(ValueError, match="aac"):
        Packing(Codec.AAC, 48_000, 0.0, 0, 1160)
    with pytest.raises(ValueError, match="clock rate"):
        Packing(Codec.OPUS, 0, 0.0, 0, 1160)
