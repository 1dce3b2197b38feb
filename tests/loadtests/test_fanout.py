from __future__ import annotations

import math
import os
from dataclasses import replace

import pytest

from loadtests.crowd.driver import Joins, Moment
from loadtests.crowd.tally import Counts
from loadtests.fanout import Course, Load, Snapshot, arithmetic, percentile, remarks, run, subject_for, table
from loadtests.peers.ours import ours
from loadtests.peers.subject import Subject, Usage

SUBJECT = Subject("Streamer", "http://127.0.0.1/whep/cam", plane="python", cipher="libsrtp")
LOAD = Load(viewers=40, mbps=2.5, seconds=10)
JOINS = Joins(40, {}, 2.0, [float(ms) for ms in range(1, 41)], {"AEAD_AES_256_GCM": 40})


def snapshot(at: float, cpu_s: float, rss_bytes: int, counts: Counts, sent: int) -> Snapshot:
    return Snapshot(
        Moment(at, at / 10, 40, counts, [5.0, 7.0]), Usage(cpu_s, rss_bytes, 4, 20), sent, at / 40
    )


LIVE = snapshot(0, 0.8, 50 << 20, Counts(), 0)
BEFORE = snapshot(4, 1.0, 50 << 20, Counts(), 0)
JOINED = snapshot(6, 1.65, 54 << 20, Counts(50, 50, dropped_by_filter=950, checked=2), 1000)
START = snapshot(10, 2.0, 54 << 20, Counts(100, 100, dropped_by_filter=1900, checked=2), 2000)
END = snapshot(
    20,
    4.0,
    58 << 20,
    Counts(4990, 5000, received_bytes=6_250_000, dropped_by_filter=97010, checked=2),
    102_000,
)
COURSE = Course(LIVE, BEFORE, JOINED, START, END)


def test_the_arithmetic():
    result = arithmetic(SUBJECT, LOAD, JOINS, COURSE)
    assert (result.delivered, result.sent, result.window_s) == (100_000, 100_000, 10)
    assert result.delivered_per_s == 10_000
    assert result.cpu_us_per_packet == pytest.approx(20.0)
    assert result.server_cores == pytest.approx(0.2)
    assert result.idle_cores == pytest.approx(0.05)
    # 650 ms for 40 joins, less 2 s of idling and 1000 packets at (2 s - 10 s of idling) / 100,000.
    assert result.cpu_ms_per_join == pytest.approx((650 - 100 - 15) / 40)
    assert result.rss_kb_per_viewer == pytest.approx(8 * 1024 / 40)
    assert result.loss == pytest.approx(10 / 4900)
    assert result.mbps_per_viewer == pytest.approx(2.5)
    assert (result.joins_per_s, result.join_p50_ms, result.join_p99_ms) == (20, 20, 40)
    assert result.profile == "AEAD_AES_256_GCM"
    assert result.stolen_share == pytest.approx(0.025 / (os.cpu_count() or 1))


def test_a_server_elsewhere_has_no_cost():
    gone = [replace(each, usage=None, sent=-1) for each in (LIVE, BEFORE, JOINED, START, END)]
    result = arithmetic(SUBJECT, LOAD, JOINS, Course(*gone))
    assert math.isnan(result.cpu_us_per_packet) and math.isnan(result.rss_kb_per_viewer)
    assert result.delivered == 100_000 and result.sent == -1
    assert "does not say what it sent" in remarks(result)


def test_the_table_and_the_remarks():
    result = arithmetic(SUBJECT, LOAD, replace(JOINS, joined=39, failed={"503": 1}), COURSE)
    head, rule, row = table([result]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "| Streamer | python, libsrtp, AEAD_AES_256_GCM | 39/40 |" in row
    assert "| 0.204% | **20.00** | 0.20 | 195 |" in row
    assert "1 viewers failed: 503" in remarks(result)
    assert f"host took {0.025 / (os.cpu_count() or 1):.1%} for others" in remarks(result)


def test_percentiles():
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([3.0], 0.99)) == (50, 99, 3)
    assert math.isnan(percentile([], 0.5))


def test_an_unknown_peer_is_named():
    with pytest.raises(ValueError, match="not 'nginx'"):
        subject_for("nginx", 2.5)


def test_four_viewers_of_a_real_server():
    load = Load(viewers=4, mbps=1.0, seconds=2.0, rate=0, check_every=2, settle_s=0.5)
    with ours(load.mbps) as subject:
        result = run(subject, load)
        assert subject.packets_sent is not None and subject.packets_sent() >= result.sent
    assert (result.joined, result.failed, result.undecipherable) == (4, {}, 0)
    assert result.delivered > 100 and result.sent > 100 and result.loss < 0.5
    assert result.plane in ("python", "native") and result.profile == "AEAD_AES_256_GCM"
    assert result.cpu_us_per_packet > 0 and result.mbps_per_viewer > 0.1
    assert result.join_p99_ms > 0 and result.first_packet_p99_ms > 0
