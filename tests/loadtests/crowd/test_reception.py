from __future__ import annotations

import pytest

from loadtests.crowd import sdp
from loadtests.crowd.line import Line
from loadtests.crowd.reception import Reception
from transport.rtp.header import serialize_header
from transport.rtp.rtcp import SenderReport

_RTX = 109
_VIDEO, _REPEATS = 0x1234, 0x5678


class EveryFourth(Line):
    """Loses every fourth packet."""

    packets = 0

    def loses(self) -> bool:
        self.packets += 1
        return self.packets % 4 == 0


def media(seq: int) -> bytes:
    return serialize_header(sdp.VIDEO_TYPE, False, seq, 0, _VIDEO, b"") + b"picture"


def repeat(seq: int) -> bytes:
    return serialize_header(_RTX, False, 1, 0, _REPEATS, b"") + seq.to_bytes(2, "big") + b"picture"


@pytest.fixture
def reception() -> Reception:
    reception = Reception(EveryFourth(rtt_ms=100, jitter_ms=2))
    reception.rtx_types = frozenset({_RTX})
    return reception


def test_what_the_line_lost_is_counted_told_and_asked_for(reception: Reception):
    got = [reception.take(media(seq), 1.0) for seq in range(10)]
    assert got == [True, True, True, True, False, True, True, True, False, True]
    assert (reception.counts.received, reception.counts.lost, reception.counts.sent) == (8, 2, 10)
    assert reception.wanted(1.0) == (4, 8)
    assert reception.counts.nacked == 2
    (block,) = reception.blocks(1.0)
    assert (block.ssrc, block.cumulative_lost, block.jitter, block.lsr) == (_VIDEO, 2, 180, 0)
    assert block.fraction_lost == pytest.approx(0.2)
    assert reception.counts.told_lost == 2


def test_a_retransmission_repairs_and_is_not_received_twice(reception: Reception):
    for seq in range(6):
        reception.take(media(seq), 1.0)
    assert reception.wanted(1.0) == (4,)
    assert not reception.take(repeat(4), 1.05)
    assert reception.wanted(2.0) == ()
    assert (reception.counts.retransmitted, reception.counts.lost) == (1, 1)


def test_the_line_is_as_long_as_it_should_be(reception: Reception):
    reception.take_report(SenderReport(_VIDEO, 5 << 32, 0, 1, 1), 1.0)
    reception.take(media(0), 1.0)
    (block,) = reception.blocks(1.5)
    assert block.lsr == 5 << 16
    assert block.dlsr == pytest.approx(0.4 * 65536, abs=1)
