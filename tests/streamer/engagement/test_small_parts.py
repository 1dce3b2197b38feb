"""Parts that need little: user agents, spans, retention, spool, happenings, beacons."""

from __future__ import annotations

import errno
import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streamer.engagement.agents import Agent, recognise
from streamer.engagement.audience import Live
from streamer.engagement.beacons import Beacons, NoSuchSession, TooOften
from streamer.engagement.happenings import Happenings
from streamer.engagement.retention import curve
from streamer.engagement.session import Report
from streamer.engagement.sketch import Durations
from streamer.engagement.span import Piece, pieces, step_for
from streamer.engagement.spool import Spool
from streamer.engagement.store import KEPT
from streamer.engagement.tables import DAY, HOUR, MINUTE
from tests.streamer.engagement.rig import MIDNIGHT, Crowd

MOZILLA = "Mozilla/5.0 "
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (f"(Windows NT 10.0; Win64; x64) {KHTML} Chrome/140 Safari/537.36", ("desktop", "Chrome")),
        (f"(Windows NT 10.0) {KHTML} Chrome/140 Safari/537.36 Edg/140", ("desktop", "Edge")),
        (f"(Macintosh; Intel Mac OS X 10_15_7) {KHTML} Version/18 Safari/605", ("desktop", "Safari")),
        (f"(iPhone; CPU iPhone OS 18_0 like Mac OS X) {KHTML} CriOS/140 Mobile", ("phone", "Chrome")),
        (f"(Linux; Android 15) {KHTML} Chrome/140 Mobile Safari/537.36", ("phone", "Chrome")),
        (f"(Linux; Android 15) {KHTML} SamsungBrowser/25 Chrome/140", ("tablet", "Samsung Internet")),
        (f"(SMART-TV; Linux; Tizen 8.0) {KHTML} Chrome/108 TV Safari/537.36", ("tv", "Chrome")),
        ("(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ("desktop", "Firefox")),
        ("", ("other", "other")),
    ],
)  # fmt: skip
def test_user_agents(text: str, agent: tuple[str, str]) -> None:
    assert recognise(MOZILLA + text) == Agent(*agent)


def test_user_agents_of_programs() -> None:
    assert recognise("GStreamer souphttpsrc 1.26") == Agent("program", "GStreamer")
    assert recognise("crowd") == Agent("program", "program")
    assert recognise("") == Agent("other", "other")


class TestSpans:
    def test_days_in_the_middle_hours_and_minutes_beside_them(self) -> None:
        start, now = MIDNIGHT - 7200 - 90, MIDNIGHT + 2 * 86_400 + 3600 + 61
        assert pieces(start, now, now, KEPT) == [
            Piece(MINUTE, int(MIDNIGHT) - 7320, int(MIDNIGHT) - 7200),
            Piece(HOUR, int(MIDNIGHT) - 7200, int(MIDNIGHT)),
            Piece(DAY, int(MIDNIGHT), int(MIDNIGHT) + 2 * 86_400),
            Piece(HOUR, int(MIDNIGHT) + 2 * 86_400, int(MIDNIGHT) + 2 * 86_400 + 3600),
            Piece(MINUTE, int(MIDNIGHT) + 2 * 86_400 + 3600, int(MIDNIGHT) + 2 * 86_400 + 3720),
        ]

    def test_no_row_twice_and_none_left_out(self) -> None:
        now = MIDNIGHT + 12_345
        for length_s in (1, 59, 3600, 86_400 * 3.3, 86_400 * 20, 86_400 * 399.5, 86_400 * 900):
            found = pieces(now - length_s, now, now, KEPT)
            for before, after in pairwise(found):
                assert before.end == after.start
            assert found[0].start <= now - length_s
            assert found[-1].end >= now

    def test_what_is_old_is_drawn_in_coarser_steps(self) -> None:
        now = MIDNIGHT
        assert step_for(now - 3600, now, now, KEPT) == MINUTE
        assert step_for(now - 86_400 * 5, now, now, KEPT) == HOUR
        assert step_for(now - 86_400 * 365, now, now, KEPT) == DAY
        assert step_for(now - 86_400 * 30, now - 86_400 * 29.9, now, KEPT) == HOUR


class TestRetention:
    def test_who_still_watches_says_nothing_about_later(self) -> None:
        # Of four, one left after 20 s; one has watched for 15 s so far, and two for 100 s.
        points = {
            point.seconds: point.share
            for point in curve(Durations.of([20.0]), np.array([15.0, 100.0, 100.0]))
        }
        assert points[10] == 1
        assert points[20] == points[60] == pytest.approx(2 / 3)
        assert max(points) == 120

    def test_of_nobody(self) -> None:
        assert curve(Durations(), np.empty(0)) == []


class TestSpool:
    def test_in_order_and_after_a_restart(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "spool", 1000)
        for number in range(3):
            spool.put(f"node.{number}", b"%d" % number)
        spool.remove({"node.1"})
        again = Spool(tmp_path / "spool", 1000)
        again.put("node.9", b"9")
        assert again.oldest(10) == [("node.0", b"0"), ("node.2", b"2"), ("node.9", b"9")]
        assert (len(again), again.size) == (3, 3)
        assert oct((tmp_path / "spool").stat().st_mode)[-3:] == "700"

    def test_full(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path, 100)
        for number in range(10):
            spool.put(f"n.{number}", bytes(30))
        assert [id for id, _ in spool.oldest(10)] == ["n.7", "n.8", "n.9"]
        assert (spool.dropped, spool.size) == (7, 90)

    def test_a_disk_without_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "spool"
        spool = Spool(folder, 1000)
        spool.put("n.0", b"zero")

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as broken:
            broken.setattr(os, "open", full)
            for number in (1, 2, 3):
                spool.put(f"n.{number}", b"%d" % number)
            assert [data for _, data in spool.oldest(10)] == [b"zero", b"1", b"2", b"3"]
            spool.rewrite("n.2", b"two")
            spool.remove({"n.1"})
        assert [path.name for path in folder.iterdir()] == ["000000000001-n.0.batch"]
        assert (len(spool), spool.size) == (3, 8)
        spool.put("n.4", b"4")
        assert Spool(folder, 1000).oldest(10) == [
            ("n.0", b"zero"),
            ("n.2", b"two"),
            ("n.3", b"3"),
            ("n.4", b"4"),
        ]
        assert spool.oldest(10) == Spool(folder, 1000).oldest(10)


class TestHappenings:
    def test_what_is_told(self) -> None:
        happenings = Happenings(viewers=10, quality_below=70)

        def look(now: float, viewers: int, quality: float = math.nan, *, live: bool = True) -> list[str]:
            found = happenings.look([("cam", live)], {"cam": Live(viewers, viewers, quality)}, now)
            return [each.event for each in found]

        assert look(0, 0) == ["stream.start"]
        assert look(1, 9, 90) == []
        assert look(2, 25, 90) == ["viewers.peak"]
        assert look(3, 39, 60) == []
        assert look(4, 40, 60) == ["viewers.peak"]
        assert look(13, 40, 60) == ["quality.drop"]
        assert look(30, 40, 72) == []
        assert look(60, 40, 60) == look(90, 40, 60) == []
        assert look(91, 40, 80) == look(92, 40, 60) == []
        assert look(103, 40, 60) == ["quality.drop"]
        assert look(110, 0, live=False) == ["stream.end"]
        assert look(111, 10) == ["stream.start", "viewers.peak"]

    def test_the_end_tells_the_peak_of_this_broadcast(self) -> None:
        happenings = Happenings(viewers=100, quality_below=70)

        def peak(*audiences: Live) -> int:
            """Of a broadcast with these audiences, the last one when it is over."""
            for place, audience in enumerate(audiences):
                told = happenings.look([("cam", place < len(audiences) - 1)], {"cam": audience}, float(place))
            return int(told[0].data["peak_viewers"])

        assert peak(Live(0, 0, 90.0), Live(7, 9, 90.0), Live(0, 9, math.nan)) == 9
        assert peak(Live(0, 9, math.nan), Live(1, 9, 90.0), Live(0, 9, math.nan)) == 1
        assert peak(Live(2, 9, 90.0), Live(10, 12, 90.0), Live(0, 12, math.nan)) == 12

    def test_of_viewers_elsewhere_the_machine_tells_that_has_the_publisher(self) -> None:
        happenings = Happenings(viewers=10, quality_below=70)
        audience = {"cam": Live(25, 25, 50.0)}
        assert [happenings.look([("cam", False)], audience, now) for now in (0.0, 20.0)] == [[], []]


class TestBeacons:
    def test_from_who_knows_the_key_and_not_too_often(self) -> None:
        crowd = Crowd()
        beacons = Beacons(crowd.audience)
        crowd.come("a")
        beacons.expect("the-key", "node-a")
        beacons.take("the-key", Report(decoded=1), last=False)
        with pytest.raises(TooOften):
            beacons.take("the-key", Report(decoded=2), last=False)
        with pytest.raises(NoSuchSession):
            beacons.take("node-a", Report(decoded=2), last=False)
        beacons.take("the-key", Report(decoded=3), last=True)
        with pytest.raises(NoSuchSession):
            beacons.take("the-key", Report(decoded=4), last=True)
        assert (beacons.taken, beacons.refused) == (2, 3)
        crowd.now += 5
        crowd.go("a")
        (session,) = crowd.cut().sessions
        assert session["decoded"] == 3

    def test_a_clock_that_is_set_back_refuses_nobody(self) -> None:
        crowd = Crowd()
        beacons = Beacons(crowd.audience)
        crowd.come("a")
        beacons.expect("the-key", "node-a")
        beacons.take("the-key", Report(decoded=1), last=False)
        crowd.now += 10
        crowd.set_clock(-3600)
        beacons.take("the-key", Report(decoded=2), last=False)
        assert beacons.taken == 2

    def test_who_left_without_a_word_is_forgotten_as_others_come(self) -> None:
        crowd = Crowd()
        beacons = Beacons(crowd.audience)
        crowd.come("stays")
        beacons.expect("stays", "node-stays")
        for number in range(1000):
            name = f"v{number}"
            crowd.come(name)
            beacons.expect(name, f"node-{name}")
            crowd.now += 1
            crowd.go(name)
            crowd.cut()
            assert len(beacons) <= 4
        beacons.take("stays", Report(decoded=1), last=False)
        assert beacons.taken == 1

    @pytest.mark.parametrize(("viewers", "pause_s"), [(1, 10), (50, 10), (1000, 200), (5000, 600)])
    def test_one_of_thousands_reports_less_often(self, viewers: int, pause_s: int) -> None:
        crowd = Crowd()
        for number in range(viewers):
            crowd.come(str(number))
        assert Beacons(crowd.audience).pause_s == pause_s
