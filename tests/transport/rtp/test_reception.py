import pytest

from transport.rtp.reception import Reception
from transport.rtp.rtcp import ReportBlock, ntp_time


def receive(reception: Reception, *seqs: int) -> None:
    for seq in seqs:
        reception.packet(seq, 0, 0.0)


def test_loss_as_in_appendix_a3() -> None:
    reception = Reception(7, 90_000, 100)
    receive(reception, *(seq for seq in range(100, 200) if seq % 10 != 5))
    block = reception.block(1.0)
    # 100 expected, 90 received; 25/256 on the wire.
    assert (block.cumulative_lost, block.fraction_lost, block.highest_seq) == (10, 0.1, 199)
    receive(reception, *range(200, 250))
    block = reception.block(2.0)
    assert (block.cumulative_lost, block.fraction_lost, block.highest_seq) == (10, 0.0, 249)


def test_packets_that_come_twice_make_loss_negative_but_no_fraction() -> None:
    reception = Reception(7, 90_000, 1)
    receive(reception, 1, 2, 2, 3, 3)
    block = reception.block(1.0)
    assert (block.cumulative_lost, block.fraction_lost) == (-2, 0.0)


def test_late_packets_repair_the_next_report() -> None:
    reception = Reception(7, 90_000, 1)
    receive(reception, 1, 2, 4)
    assert reception.block(1.0).fraction_lost == 0.25
    receive(reception, 3, 5)
    block = reception.block(2.0)
    assert (block.cumulative_lost, block.fraction_lost) == (0, 0.0)


def test_the_highest_sequence_number_counts_how_often_it_wrapped() -> None:
    reception = Reception(7, 90_000, 65_534)
    receive(reception, 65_534, 65_535, 65_536, 65_537)
    assert reception.block(1.0).highest_seq == 0x1_0001


def test_jitter_as_in_appendix_a8() -> None:
    reception = Reception(7, 1000, 1)
    # Sent every 20 ms. Arrivals 0, 20, 44, 60 ms: differences of transit 0, 4, -4 ticks.
    for seq, arrival in enumerate((0.0, 0.020, 0.044, 0.060), start=1):
        reception.packet(seq, 20 * (seq - 1) + 0xFFFFFFF0 & 0xFFFFFFFF, arrival)
    # 0 + (4 - 0) / 16 = 0.25; 0.25 + (4 - 0.25) / 16 = 0.484375
    assert reception.jitter_s == pytest.approx(0.484375e-3)
    reception.packet(2, 20, 5.0)  # sent again, says nothing
    assert reception.jitter_s == pytest.approx(0.484375e-3)


def test_jitter_is_reported_in_ticks() -> None:
    reception = Reception(7, 90_000, 1)
    reception.packet(1, 0, 0.0)
    reception.packet(2, 0, 0.016)  # 1440 ticks late: 1440 / 16
    assert reception.block(1.0).jitter == 90


def test_the_senders_report_is_told_back() -> None:
    reception = Reception(7, 90_000, 1)
    receive(reception, 1)
    assert reception.block(0.5) == ReportBlock(7, 0.0, 0, 1, 0, 0, 0)
    ntp = ntp_time(1_700_000_000.0)
    reception.sender_report(ntp, 10.0)
    block = reception.block(10.25)
    assert (block.lsr, block.dlsr) == (ntp >> 16 & 0xFFFFFFFF, 16_384)


def test_a_source_is_heard_until_it_is_silent_for_an_interval() -> None:
    reception = Reception(7, 90_000, 1)
    assert not reception.is_heard
    receive(reception, 1)
    assert reception.is_heard
    reception.block(1.0)
    assert not reception.is_heard
