from __future__ import annotations

from ops.sandbox.clock import Clock
from ops.sandbox.parties import Platform
from ops.sandbox.reception import Reception, StreamKeys, Track


def test_a_track_counts_what_is_wrong_with_timestamps() -> None:
    track = Track()
    for ms in (0, 33, 66, 2000, 1990, 2033):
        track.add(ms, 100, keyframe=ms in {0, 2000})
    assert (track.frames, track.keyframes, track.gaps, track.back) == (6, 2, 1, 1)
    assert (track.longest_gop_ms, track.largest_gap_ms) == (2000, 1934)
    track.returned = True
    track.add(0, 100, keyframe=True)
    assert (track.back, track.back_on_return, track.longest_gop_ms) == (1, 1, 2000)


def test_a_return_needs_headers_and_a_keyframe_again() -> None:
    reception = Reception(Clock(), silence_s=60.0)
    for _ in range(2):
        reception.begin(secure=False)
        assert not reception.active
        reception.picture(0, 40, codec="h264")
        reception.picture(0, 500)
        assert not reception.active
        reception.picture(33, 5000, keyframe=True)
        assert reception.active
        reception.end()
        assert not reception.active
    assert reception.connections == 2


def test_silence_is_real_time() -> None:
    clock = Clock()
    reception = Reception(clock, silence_s=60.0)
    reception.begin(secure=False)
    reception.picture(0, 40, codec="h264")
    reception.picture(0, 5000, keyframe=True)
    clock.advance(3600)
    assert (reception.active, reception.away_s) == (True, 0.0)
    reception.end()
    clock.advance(30)
    assert 30 <= reception.away_s < 40
    quiet = Reception(clock, silence_s=0.0)
    quiet.begin(secure=False)
    quiet.picture(0, 40, codec="h264")
    quiet.picture(0, 5000, keyframe=True)
    assert not quiet.active


def test_keys_are_found_without_their_query_and_any_key_where_all_are_taken() -> None:
    keys = StreamKeys(Clock(), 5.0)
    key = keys.add(Platform.YOUTUBE, "live2", "aaaa")
    assert keys.find("live2/", "aaaa?backup=1") is key
    assert keys.find("live2?x", "bbbb") is None
    anything = keys.find("live", "whatever?token=1")
    assert anything is not None
    assert (anything.platform, anything.name) == (Platform.CUSTOM, "whatever")
    assert keys.find("live", "") is None
    cut: list[bool] = []
    key.reception.cut = lambda: cut.append(True)
    keys.remove(key)
    assert (keys.find("live2", "aaaa"), cut) == (None, [True])
