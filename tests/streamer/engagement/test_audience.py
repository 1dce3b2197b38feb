from __future__ import annotations

import math

import pytest

from streamer.engagement.audience import ALL
from streamer.engagement.session import COLUMN, Report
from tests.streamer.engagement.rig import Crowd


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


class TestLive:
    def test_who_watches(self, crowd: Crowd) -> None:
        for name in "abc":
            crowd.come(name)
        crowd.come("d", "other")
        crowd.go("b")
        live = crowd.audience.live()
        assert (live["cam"].viewers, live["cam"].peak) == (2, 3)
        assert (live[ALL].viewers, live[ALL].peak) == (3, 4)
        assert math.isnan(live["cam"].quality)
        crowd.now += 10
        assert crowd.audience.live()["cam"].quality == 100

    def test_who_never_gets_media_does_not_watch(self, crowd: Crowd) -> None:
        crowd.come("a")
        crowd.audience.arrive(crowd.audience.arrivals[-1] or _arrival("b"), 99)
        assert len(crowd.audience) == 2
        assert crowd.audience.live()["cam"].viewers == 1

    def test_the_table_grows(self, crowd: Crowd) -> None:
        for index in range(1000):
            crowd.come(str(index))
        assert crowd.audience.live()["cam"].viewers == len(crowd.audience) == 1000


class TestCounters:
    def test_a_snapshot_is_laid_over_the_table(self, crowd: Crowd) -> None:
        for name in "abc":
            crowd.come(name)
        crowd.go("b")
        rows = crowd.rows(
            c={"bytes_sent": 30, "video_lost": 3, "rtt_ms": 20.0}, a={"bytes_sent": 10}, b={"bytes_sent": 20}
        )
        rows["peer_id"][2] = 12345  # a peer that is nobody's
        crowd.now += 1
        crowd.audience.measured(rows)
        used = crowd.audience.used()
        counted = crowd.audience.counted(used, crowd.now)
        assert counted[:, COLUMN["bytes"]].tolist() == [10, 0, 30]
        assert counted[:, COLUMN["lost"]].tolist() == [0, 0, 3]
        assert counted[:, COLUMN["rtt_ms_s"]].tolist() == [0, 0, pytest.approx(20)]

    def test_the_last_counters_come_with_the_end(self, crowd: Crowd) -> None:
        crowd.come("a")
        crowd.now += 3
        crowd.go("a", bytes_sent=777)
        crowd.now += 100
        (row,) = crowd.audience.counted(crowd.audience.used(), crowd.now)
        assert row[COLUMN["bytes"]] == 777
        assert row[COLUMN["watch_s"]] == pytest.approx(2.95)


class TestReports:
    def test_totals_only_grow_and_are_believed_within_reason(self, crowd: Crowd) -> None:
        crowd.come("a")
        crowd.now += 10
        crowd.audience.reported("node-a", Report(frozen_s=2, decoded=100, visible_s=9, first_frame_ms=321))
        crowd.audience.reported("node-a", Report(frozen_s=1, decoded=50, visible_s=9999, first_frame_ms=1))
        (row,) = crowd.audience.counted(crowd.audience.used(), crowd.now)
        assert (row[COLUMN["frozen_s"]], row[COLUMN["decoded"]], row[COLUMN["visible_s"]]) == (2, 100, 11)
        assert crowd.audience.start_ms(crowd.audience.used()).tolist() == [321]
        # A fifth of the time frozen, of the quarter that is unbearable.
        assert crowd.audience.live()["cam"].quality == pytest.approx(100 * (1 - 2 / 9.95 / 0.25))

    def test_who_makes_figures_up_is_believed_what_can_be(self, crowd: Crowd) -> None:
        crowd.come("a")
        crowd.now += 10
        crowd.audience.reported("node-a", Report(freezes=10**7, decoded=10**10, dropped=10**10))
        (row,) = crowd.audience.counted(crowd.audience.used(), crowd.now)
        assert [row[COLUMN[name]] for name in ("freezes", "decoded", "dropped")] == [77, 3300, 3300]

    def test_after_the_end_for_a_while(self, crowd: Crowd) -> None:
        crowd.come("a")
        crowd.now += 10
        crowd.go("a")
        assert crowd.audience.is_open("node-a")
        assert not crowd.cut(linger_s=2.0).sessions
        crowd.audience.reported("node-a", Report(freezes=3))
        crowd.now += 2
        (session,) = crowd.cut(linger_s=2.0).sessions
        assert (session["freezes"], session["reason"]) == (3, "the viewer left")
        assert not crowd.audience.is_open("node-a")
        assert not crowd.audience.used().size


def _arrival(name: str):  # type: ignore[no-untyped-def]
    from streamer.engagement.session import Arrival

    return Arrival(name, "cam", 0.0, "whep", viewer="0" * 32)
