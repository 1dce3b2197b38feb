from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamer.egress.webrtc.lines import Line, Lines
from transport.plane.interface import COUNTERS

CLEAR = Line(loss=0.0, video_bps=2_500_000, estimate_bps=4_000_000, queues=False)
NARROW = Line(loss=0.6, video_bps=2_500_000, estimate_bps=1_100_000, queues=True)


def counted(**peers: dict[str, Any]) -> npt.NDArray[np.void]:
    """A snapshot; names end in the peers' ids."""
    rows = np.zeros(len(peers), COUNTERS)
    for row, (name, counters) in zip(rows, peers.items(), strict=True):
        row["peer_id"] = int(name[1:])
        for counter, value in counters.items():
            row[counter] = value
    return rows


@pytest.mark.parametrize(
    ("line", "is_full", "is_clear"),
    [
        (CLEAR, False, True),
        (NARROW, True, False),
        # Radio: what is lost is not for want of room.
        (Line(0.12, 2_500_000, 4_000_000, queues=False), False, True),
        # It carries what is sent by now, and its browser's estimate still has to rise.
        (Line(0.0, 2_500_000, 1_100_000, queues=False), False, True),
        (Line(0.2, 2_500_000, 1_100_000, queues=False), True, False),
        # A deep queue loses nothing.
        (Line(0.0, 2_500_000, 1_100_000, queues=True), True, False),
        (Line(0.0, 2_500_000, 4_000_000, queues=True), False, False),
        # A player that estimates nothing.
        (Line(0.2, 2_500_000, 0, queues=True), False, False),
        (Line(0.4, 2_500_000, 0, queues=False), True, False),
        (Line(0.0, 2_500_000, 0, queues=False), False, True),
    ],
)
def test_what_a_line_is(line: Line, is_full: bool, is_clear: bool) -> None:
    assert (line.is_full(), line.is_clear) == (is_full, is_clear)


def test_what_is_usual_on_a_line_does_not_speak_against_it() -> None:
    line = Line(0.15, 2_500_000, 1_100_000, queues=False)
    assert line.is_full()
    assert not line.is_full(usual_loss=0.12)


class TestLooks:
    def test_rates_are_of_the_interval(self) -> None:
        lines = Lines()
        before = {"packets_sent": 1000, "video_bytes": 1_000_000, "nacks": 10, "rtt_ms": 40}
        after = {
            **before,
            "packets_sent": 1400,
            "video_bytes": 1_400_000,
            "nacks": 110,
            "packets_dropped": 20,
            "remb_bps": 1_000_000,
        }
        assert lines.look(counted(p7=before), 10.0) == []
        assert lines.look(counted(p7=after), 12.0) == [7]
        line = lines.line(7)
        assert line == Line(loss=0.3, video_bps=1_600_000, estimate_bps=1_000_000, queues=False)

    def test_a_queue_is_a_round_trip_that_grew(self) -> None:
        lines = Lines()
        for second, rtt_ms in enumerate((0, 60, 40, 130, 150)):
            row = {"packets_sent": 300 * second, "video_bytes": 300_000 * second, "rtt_ms": rtt_ms}
            lines.look(counted(p1={**row, "remb_bps": 1_000_000}), float(second))
            line = lines.line(1)
            assert (line is not None and line.queues) == (rtt_ms == 150)

    def test_who_has_just_come_is_not_judged(self) -> None:
        lines = Lines()
        busy = {"packets_sent": 5000, "video_bytes": 5_000_000, "nacks": 4000, "remb_bps": 1}
        lines.look(counted(p1={}), 0.0)
        assert lines.look(counted(p1={}, p2=busy), 1.0) == []
        assert lines.line(2) is None
        assert lines.line(3) is None

    def test_who_is_sent_next_to_nothing_is_not_found_wanting(self) -> None:
        lines = Lines()
        lines.look(counted(p1={}, p2={}), 0.0)
        assert lines.look(counted(p1={"packets_sent": 19, "nacks": 19}, p2={}), 1.0) == []
        # But it is judged: stills without sound are no more than that, or nothing.
        assert lines.line(1) == Line(0.95, 0.0, 0.0, queues=False)
        nothing = lines.line(2)
        assert nothing == Line(0.0, 0.0, 0.0, queues=False)
        assert nothing.is_clear

    def test_peers_are_told_apart_whatever_their_order(self) -> None:
        lines = Lines()
        bad = {"packets_sent": 100, "nacks": 90, "video_bytes": 100_000}
        good = {"packets_sent": 100, "video_bytes": 100_000}
        lines.look(counted(p5={}, p3={}, p9={}), 0.0)
        assert lines.look(counted(p9=good, p5=bad, p3=good), 1.0) == [5]
        # One goes and another comes: the others' counters go on.
        worse = {"packets_sent": 200, "nacks": 90, "video_bytes": 200_000}
        assert lines.look(counted(p4=bad, p5=worse, p9={**worse, "nacks": 80}), 2.0) == [9]
        assert lines.line(4) is None
        assert lines.line(5) == Line(0.0, 800_000, 0.0, queues=False)
        assert lines.look(counted(), 3.0) == []
