from __future__ import annotations

from streamer.hub.gop import GopCache
from tests.fakes.units import picture, sound


def test_a_keyframe_starts_over() -> None:
    gop = GopCache()
    for at_s, keyframe in ((0.0, True), (0.04, False), (0.08, True), (0.12, False)):
        gop.write(picture(at_s, keyframe=keyframe))
        gop.write(sound(at_s))
    units = gop.units()
    assert [unit.dts_s for unit in units] == [0.08, 0.08, 0.12, 0.12]
    assert units[0].keyframe
    assert units[0].track.is_video
    assert gop.keyframe is units[0]


def test_sound_alone_is_kept_short() -> None:
    gop = GopCache()
    for number in range(100):
        gop.write(sound(number * 0.02))
    assert len(gop.units()) == 8
    assert gop.units()[-1].dts_s == 99 * 0.02


def test_a_gop_that_outgrows_the_cache_is_not_kept_in_part() -> None:
    gop = GopCache(max_bytes=1000)
    gop.write(picture(0.0, keyframe=True, size=600))
    gop.write(picture(0.04, size=600))
    assert gop.units() == ()
    gop.write(picture(0.08, size=10))
    gop.write(sound(0.08))
    assert gop.units() == ()
    assert gop.keyframe is not None  # for a thumbnail
    gop.write(picture(0.12, keyframe=True, size=600))
    assert len(gop.units()) == 1


def test_the_bound_holds_with_sound_before_the_first_picture() -> None:
    gop = GopCache(max_bytes=1000)
    for number in range(8):
        gop.write(sound(number * 0.02, size=100))
    gop.write(picture(0.2, keyframe=True, size=900))
    assert [unit.dts_s for unit in gop.units()] == [0.2]


def test_after_clear_nothing_of_before_is_played() -> None:
    gop = GopCache()
    gop.write(picture(0.0, keyframe=True))
    gop.write(picture(0.04))
    gop.clear()
    assert gop.units() == ()
    assert gop.keyframe is None
    gop.write(sound(1.0))
    assert len(gop.units()) == 1
