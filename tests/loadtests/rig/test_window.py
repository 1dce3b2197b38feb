from __future__ import annotations

from typing import Any

import pytest

from loadtests.rig.window import window


def sample(
    at_s: float, shown: int, *, ssrc: int = 1, protocol: str = "udp", **counts: float
) -> dict[str, Any]:
    inbound = {"timestamp": 1000 * at_s, "ssrc": ssrc, **counts}
    return {"inbound": inbound, "shown": shown, "reconnects": 0, "protocol": protocol}


def test_two_samples_are_subtracted():
    before = sample(
        10, 90, framesDecoded=100, freezeCount=1, totalFreezesDuration=0.5, pliCount=1, nackCount=10,
        retransmittedPacketsReceived=8, packetsLost=9, jitterBufferDelay=5.0, jitterBufferEmittedCount=100,
    )  # fmt: skip
    after = sample(
        20, 375, framesDecoded=395, freezeCount=3, totalFreezesDuration=1.0, pliCount=1, nackCount=60,
        retransmittedPacketsReceived=50, packetsLost=59, jitterBufferDelay=35.0, jitterBufferEmittedCount=400,
    )  # fmt: skip
    between = window(before, after, 30)
    assert (between.seconds, between.sent, between.shown, between.decoded) == (10, 300, 285, 295)
    assert between.share == pytest.approx(0.95) and between.frozen == pytest.approx(0.05)
    assert (between.freezes, between.plis, between.nacks) == (2, 0, 50)
    assert (between.retransmitted, between.missing) == (42, 50)
    assert between.buffer_ms == pytest.approx(100)
    assert between.protocol == "udp"


def test_a_new_connection_counts_from_zero():
    between = window(
        sample(10, 90, framesDecoded=100, nackCount=30),
        {**sample(20, 40, ssrc=2, framesDecoded=45, nackCount=3), "reconnects": 1},
        30,
    )
    assert (between.shown, between.decoded, between.nacks, between.reconnects) == (40, 45, 3, 1)
    assert between.seconds == 10


def test_a_page_that_shows_nothing():
    nothing = {"inbound": None, "shown": 0, "reconnects": 0, "protocol": ""}
    between = window(nothing, nothing, 30)
    assert (between.share, between.frozen) == (0, 0)


def test_more_than_was_sent_is_everything():
    assert window(sample(0, 0), sample(10, 303), 30).share == 1
