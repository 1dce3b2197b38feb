from __future__ import annotations

import pytest

from transport.media.unit import Codec
from transport.rtsp.forecast import EndForecast

SLICE = {Codec.H264: b"\x00\x00\x00\x01\x41", Codec.H265: b"\x00\x00\x00\x01\x02\x01"}
PARAMETERS = {Codec.H264: b"\x00\x00\x00\x01\x67", Codec.H265: b"\x00\x00\x00\x01\x42\x01"}


def show(forecast: EndForecast, pieces: list[bytes]) -> list[bool]:
    """One picture; which pieces were foretold to be its last."""
    said = [forecast.observe(piece, begins_nal=piece.startswith(b"\x00\x00\x00\x01")) for piece in pieces]
    forecast.picture_ended()
    return said


def picture(codec: Codec, *, slices: int = 1, full: int = 3) -> list[bytes]:
    return [SLICE[codec] + b"\x07" * 100, *[b"\x07" * 100] * full, b"\x07" * 30] * slices


def learned(codec: Codec, slices: int = 1) -> EndForecast:
    forecast = EndForecast(codec)
    for _ in range(101):
        assert not any(show(forecast, picture(codec, slices=slices)))
    assert forecast.trusted
    return forecast


@pytest.mark.parametrize("slices", [1, 2, 8])
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_the_last_piece_of_a_regular_picture_is_foretold(codec: Codec, slices: int) -> None:
    forecast = learned(codec, slices)
    said = show(forecast, [PARAMETERS[codec] + b"set", *picture(codec, slices=slices, full=9)])
    assert said == [False] * (len(said) - 1) + [True]
    small = [SLICE[codec] + b"\x07" * 20] * slices
    assert show(forecast, small) == [False] * (slices - 1) + [True]
    assert forecast.mistakes == 0


def test_an_aggregation_packet_counts_all_its_slices() -> None:
    forecast = learned(Codec.H264, 2)
    aggregated = PARAMETERS[Codec.H264] + b"set" + (SLICE[Codec.H264] + b"\x07" * 20) * 2
    assert show(forecast, [aggregated]) == [True]


def test_a_last_fragment_that_is_full_is_not_foretold_and_no_mistake() -> None:
    forecast = learned(Codec.H264)
    assert not any(show(forecast, [SLICE[Codec.H264] + b"\x07" * 100, b"\x07" * 100]))
    assert forecast.mistakes == 0


def test_fragments_of_equal_length_are_never_trusted() -> None:
    forecast = EndForecast(Codec.H264)
    for index in range(300):
        size = 60 + index % 40
        assert not any(show(forecast, [SLICE[Codec.H264] + b"\x07" * size, *[b"\x07" * size] * 3]))
    assert not forecast.trusted
    assert forecast.mistakes == 0


def test_pictures_whose_slices_vary_are_never_trusted() -> None:
    forecast = EndForecast(Codec.H264)
    for index in range(300):
        assert not any(show(forecast, picture(Codec.H264, slices=1 + index % 3)))
    assert not forecast.trusted


def test_one_mistake_is_the_last() -> None:
    forecast = learned(Codec.H264)
    said = show(forecast, picture(Codec.H264, slices=2))
    assert said.count(True) == 1, "nothing is said after a mistake is seen"
    assert forecast.mistakes == 1
    for _ in range(300):
        assert not any(show(forecast, picture(Codec.H264)))
