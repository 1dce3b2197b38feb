import math
import random
from itertools import pairwise

import pytest

from transport.rtp.header import RtpPacket
from transport.rtp.reorder import Ordered, ReorderBuffer


def packet(seq: int, size: int = 1) -> RtpPacket:
    return RtpPacket(96, seq & 0xFFFF, 0, 1, bytes(size))


def push(buffer: ReorderBuffer, *seqs: int, now: float = 0.0) -> list[int]:
    return seqs_of([ordered for seq in seqs for ordered in buffer.push(seq, packet(seq), now)])


def seqs_of(ready: list[Ordered]) -> list[int]:
    return [found.seq for found, _, _ in ready]


def test_packets_in_order_never_wait() -> None:
    buffer = ReorderBuffer(0.4, 65_530)
    for seq in range(65_530, 65_550):
        assert push(buffer, seq) == [seq & 0xFFFF]
    assert buffer.deadline() == math.inf


def test_overtaken_packets_come_out_in_order_and_nothing_is_asked_for() -> None:
    buffer = ReorderBuffer(0.4, 1)
    assert push(buffer, 1, 3, 4, now=0.0) == [1]
    assert buffer.requests(0.005) == []
    assert push(buffer, 2, now=0.009) == [2, 3, 4]
    assert (buffer.requests(1.0), buffer.recovered, buffer.lost) == ([], 0, 0)
    assert buffer.deadline() == math.inf


def test_arrival_times_stay_with_their_packets() -> None:
    buffer = ReorderBuffer(0.4, 1)
    buffer.push(1, packet(1), 1.0)
    buffer.push(3, packet(3), 2.0)
    ready = buffer.push(2, packet(2), 3.0)
    assert [(found.seq, arrival, broken) for found, arrival, broken in ready] == [
        (2, 3.0, False),
        (3, 2.0, False),
    ]


def test_a_gap_is_asked_for_after_ten_milliseconds() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 4)
    assert buffer.deadline() == pytest.approx(0.010)
    assert buffer.requests(0.0099) == []
    assert buffer.requests(0.0101) == [2, 3]


def test_a_gap_is_asked_for_at_once_when_three_later_packets_came() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 3, 4)
    assert buffer.requests(0.0) == []
    push(buffer, 5)
    assert buffer.deadline() == 0.0
    assert buffer.requests(0.0) == [2]
    assert buffer.requests(0.0) == []


def test_a_gap_is_asked_for_again_until_it_is_given_up() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 3)
    asked = []
    now = 0.0
    while (now := buffer.deadline()) < 0.4:
        assert buffer.requests(now) == [2]
        asked.append(now)
    assert asked == pytest.approx([0.01 + 0.06 * n for n in range(7)])
    assert (now, buffer.lost) == (0.4, 0)
    ((found, _, broken),) = buffer.give_up(now)
    assert (found.seq, broken, buffer.lost) == (3, True, 1)
    assert buffer.deadline() == math.inf
    assert push(buffer, 2, now=0.5) == []
    assert buffer.duplicates == 1


def test_each_gap_has_its_own_time() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 3, now=0.0)
    push(buffer, 5, now=0.2)
    assert seqs_of(buffer.give_up(0.4)) == [3]
    assert buffer.give_up(0.5) == []
    assert seqs_of(buffer.give_up(0.61)) == [5]
    assert buffer.lost == 2


def test_a_packet_that_came_because_it_was_asked_for_is_recovered() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 3)
    assert buffer.requests(0.02) == [2]
    assert push(buffer, 2, now=0.05) == [2, 3]
    assert (buffer.recovered, buffer.lost) == (1, 0)


def test_no_second_request_before_the_answer_to_the_first_can_be_here() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 3)
    assert buffer.requests(0.010) == [2]
    push(buffer, 2, now=0.050)
    push(buffer, 5, now=1.0)
    buffer.requests(1.010)
    assert buffer.deadline() == pytest.approx(1.070)
    push(buffer, 4, now=1.020)

    slow = ReorderBuffer(0.4, 1)
    push(slow, 1, 3)
    assert slow.requests(0.010) == [2]
    push(slow, 2, now=0.060)
    push(slow, 5, now=1.0)
    assert slow.requests(1.010) == [4]
    assert slow.deadline() == pytest.approx(1.010 + 1.25 * 0.050)


def test_duplicates_come_out_once() -> None:
    buffer = ReorderBuffer(0.4, 1)
    assert push(buffer, 1, 1, 3, 3, 2, 2, 3) == [1, 2, 3]
    assert buffer.duplicates == 4


def test_of_many_missing_packets_128_are_asked_for_at_once() -> None:
    buffer = ReorderBuffer(0.4, 1)
    push(buffer, 1, 302)
    assert buffer.requests(0.02) == list(range(2, 130))
    assert buffer.deadline() <= 0.02
    assert buffer.requests(0.02) == list(range(130, 258))
    assert buffer.requests(0.02) == list(range(258, 302))
    assert buffer.requests(0.02) == []


def test_a_gap_that_is_too_long_is_not_waited_for() -> None:
    buffer = ReorderBuffer(0.4, 1)
    assert push(buffer, 1, 1500) == [1, 1500]
    assert buffer.lost == 1498
    assert buffer.deadline() == math.inf
    assert push(buffer, 1501) == [1501]


@pytest.mark.parametrize(("count", "size"), [(2_500, 1), (300, 60_000)])
def test_what_waits_is_bounded_in_number_and_in_bytes(count: int, size: int) -> None:
    buffer = ReorderBuffer(0.4, 1)
    buffer.push(1, packet(1), 0.0)
    ready: list[int] = []
    for seq in range(3, 3 + count):
        ready += seqs_of(buffer.push(seq, packet(seq, size), 0.0))
    assert buffer.lost == 1
    assert ready == list(range(3, 3 + count))
    assert buffer.deadline() == math.inf


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_network_does_packets_come_out_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    buffer = ReorderBuffer(0.4, 1)
    arrivals = [(seq / 500, seq) for seq in range(1, 2_000)]
    arrivals = [(at + rng.expovariate(100), seq) for at, seq in arrivals if rng.random() > 0.1]
    arrivals.append((0.0, 1))
    arrivals += rng.sample(arrivals, 200)
    arrivals += [(at + rng.random(), seq) for at, seq in rng.sample(arrivals, 200)]
    arrivals += [(5.0 + seq / 500, seq) for seq in range(2_000, 2_010)]
    out: list[tuple[int, bool]] = []
    for at, seq in sorted(arrivals):
        ready = buffer.push(seq, packet(seq), at) + buffer.give_up(at)
        out += [(found.seq, broken) for found, _, broken in ready]
        while buffer.deadline() <= at:
            asked = buffer.requests(at)
            assert all(number > out[-1][0] for number in asked)
            assert asked or buffer.deadline() > at
    out += [(found.seq, broken) for found, _, broken in buffer.give_up(99.0)]
    seqs = [seq for seq, _ in out]
    assert seqs == sorted(set(seqs))
    assert seqs[-1] == 2_009
    assert buffer.lost == 2_009 - len(seqs)
    gaps = [after != before + 1 for before, after in pairwise(seqs)]
    assert [broken for _, broken in out] == [False, *gaps]
