from __future__ import annotations

from streamer.relay.report import Tally
from transport.output import PushStatistics


def test_connections_add_up_and_the_present_one_says_how_it_goes() -> None:
    tally = Tally()
    assert tally.with_current(None) == PushStatistics()
    tally.add(
        PushStatistics(bitrate_bps=5, bytes_sent=100, pictures_sent=3, pictures_dropped=1, position_ms=40)
    )
    tally.add(PushStatistics(bytes_sent=10, pictures_sent=1, sounds_sent=2, sounds_dropped=1, position_ms=90))
    now = PushStatistics(bitrate_bps=7, bytes_sent=1, pictures_sent=1, position_ms=80, peer="192.0.2.1:1935")
    found = tally.with_current(now)
    assert (found.bitrate_bps, found.bytes_sent, found.pictures_sent) == (7, 111, 5)
    assert (found.pictures_dropped, found.sounds_sent, found.sounds_dropped) == (1, 2, 1)
    assert (found.position_ms, found.peer) == (90, "192.0.2.1:1935")
    assert tally.with_current(None).bitrate_bps == 0
