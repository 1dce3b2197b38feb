from __future__ import annotations

from tests.fakes.media import AUDIO, VIDEO, h264_unit, opus_unit
from transport.outlet import Outlet
from transport.output import PushOptions, PushStatistics


def statistics(outlet: Outlet) -> PushStatistics:
    return outlet.statistics(
        bytes_sent=0,
        queued_bytes=0,
        unacknowledged_bytes=None,
        lag_s=0.0,
        rtt_ms=None,
        encryption="none",
        peer="",
    )


def outlet() -> Outlet:
    made = Outlet(PushOptions(max_queued_bytes=10_000))
    made.announce((VIDEO, AUDIO))
    return made


def test_full_drops_pictures_to_the_next_keyframe_that_has_room() -> None:
    gate = outlet()
    rows = [
        (h264_unit(0, keyframe=True, size=2000), 0, True),
        (h264_unit(3000, keyframe=False, size=2000), 7000, True),
        (h264_unit(6000, keyframe=False, size=2000), 9000, False),
        (h264_unit(9000, keyframe=False, size=2000), 0, False),
        (h264_unit(12000, keyframe=True, size=2000), 6000, False),
        (h264_unit(15000, keyframe=True, size=2000), 5000, True),
        (h264_unit(18000, keyframe=False, size=2000), 5000, True),
    ]
    assert [gate.admit(unit, queued) is not None for unit, queued, _ in rows] == [told for *_, told in rows]
    seen = statistics(gate)
    assert (seen.pictures_sent, seen.pictures_dropped, seen.keyframes_sent) == (4, 3, 2)
    assert seen.position_ms == 200


def test_what_would_arrive_too_late_is_dropped_until_the_line_has_caught_up() -> None:
    gate = Outlet(PushOptions(max_lag_s=8.0))
    gate.announce((VIDEO, AUDIO))
    rows = [
        (h264_unit(0, keyframe=True), 8.0, True),
        (opus_unit(960), 8.1, False),
        (h264_unit(3000, keyframe=False), 8.1, False),
        (h264_unit(6000, keyframe=True), 4.1, False),
        (opus_unit(3840), 4.1, True),
        (h264_unit(9000, keyframe=False), 4.0, False),
        (h264_unit(12000, keyframe=True), 4.0, True),
    ]
    assert [gate.admit(unit, 100, lag) is not None for unit, lag, _ in rows] == [told for *_, told in rows]
    seen = statistics(gate)
    assert (seen.pictures_dropped, seen.sounds_dropped) == (3, 1)


def test_sound_is_dropped_by_itself() -> None:
    gate = outlet()
    gate.admit(h264_unit(0, keyframe=True, size=10), 0)
    assert gate.admit(opus_unit(960, size=100), 9950) is None
    assert gate.admit(opus_unit(1920, size=100), 9000) is not None
    assert gate.admit(h264_unit(3000, keyframe=False, size=10), 9000) is not None
    seen = statistics(gate)
    assert (seen.sounds_sent, seen.sounds_dropped, seen.pictures_dropped) == (1, 1, 0)


def test_one_picture_larger_than_the_queue_still_goes_out() -> None:
    assert outlet().admit(h264_unit(0, keyframe=True, size=50_000), 0) is not None


def test_what_the_connection_refuses_counts_as_dropped() -> None:
    gate = outlet()
    key = h264_unit(0, keyframe=True)
    assert gate.admit(key, 0) is not None
    gate.refuse(key)
    assert gate.admit(h264_unit(3000, keyframe=False), 0) is None
    seen = statistics(gate)
    assert (seen.pictures_sent, seen.keyframes_sent, seen.pictures_dropped) == (0, 0, 2)


def test_without_a_picture_track_sound_begins() -> None:
    gate = Outlet(PushOptions())
    gate.announce((AUDIO,))
    assert gate.admit(opus_unit(0), 0) is not None


def test_the_rate_is_that_of_the_last_samples() -> None:
    gate = outlet()
    assert statistics(gate).bitrate_bps == 0
    for n in range(10):
        gate.tick(n / 2, 0 if n < 6 else (n - 6) * 50_000)
    assert statistics(gate).bitrate_bps == 800_000
