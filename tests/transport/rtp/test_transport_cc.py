from __future__ import annotations

import math
import random

import pytest

from tests.transport.rtp.told import told
from transport.rtp.rtcp import TransportFeedback, serialize_compound
from transport.rtp.transport_cc import ArrivalLog

TICKS_PER_S = 4000


def of(*arrivals: int | None, base_seq: int = 100, number: int = 0) -> TransportFeedback:
    return TransportFeedback(1, 2, base_seq, number, arrivals)


def wire(feedback: TransportFeedback) -> bytes:
    return serialize_compound([feedback])


def seen(log: ArrivalLog, now: float) -> dict[int, float]:
    """Sequence number and time of what a sender learns, in seconds."""
    packets = log.feedback(1, 2, now)
    return {
        (packet.base_seq + n) & 0xFFFF: at / TICKS_PER_S
        for packet in told(serialize_compound(packets))
        for n, at in enumerate(packet.arrivals)
        if at is not None
    }


def test_as_the_draft_lays_it_out() -> None:
    # Reference 3 (192 ms), deltas of 1 ms, 0, then 100 ms (large), with one missing: a vector of 7 symbols.
    feedback = of(768 + 4, 768 + 4, None, 768 + 404, number=9)
    body = bytes.fromhex("0064 0004 000003 09") + bytes.fromhex("d480") + bytes.fromhex("04 00 0190")
    assert wire(feedback) == bytes.fromhex("8fcd0006 00000001 00000002") + body + bytes(2)


@pytest.mark.parametrize(
    ("arrivals", "chunks"),
    [
        ((1,), "2001"),
        ((1,) * 20, "2014"),
        ((1, *[None] * 9000, 1), "a000 1fff 031c 2001"),
        ((1, None) * 7, "aaaa"),
        ((1, 1, None), "b000"),
    ],
)
def test_chunks_are_few(arrivals: tuple[int | None, ...], chunks: str) -> None:
    expected = bytes.fromhex(chunks)
    assert wire(of(*arrivals))[20 : 20 + len(expected)] == expected
    assert told(wire(of(*arrivals))) == [of(*arrivals)]


def test_whatever_came_survives_the_wire() -> None:
    rng = random.Random(1)
    for _ in range(500):
        at, arrivals = rng.randrange(1 << 30), []
        for _ in range(rng.randrange(1, 200)):
            at = max(0, at + rng.choice((0, 1, 20, 255, 256, 5000, -1, -300, 32767, -32768)))
            is_lost = rng.random() < rng.choice((0.0, 0.1, 0.9))
            arrivals.append(None if is_lost else at)
            at = (
                at
                if not is_lost
                else (arrivals and next((a for a in reversed(arrivals) if a is not None), at))
            )
        if any(at is not None for at in arrivals):
            assert told(wire(of(*arrivals)))[0].arrivals == tuple(wrapped(arrivals))


def wrapped(arrivals: list[int | None]) -> list[int | None]:
    """The reference has 24 bits, with a sign."""
    first = next(at for at in arrivals if at is not None)
    reference = first >> 8
    lap = (((reference + (1 << 23)) & 0xFFFFFF) - (1 << 23) - reference) << 8
    return [None if at is None else at + lap for at in arrivals]


def test_what_cannot_be_said_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing arrived"):
        wire(of(None, None))
    with pytest.raises(ValueError, match="apart"):
        wire(of(0, 40_000))


def test_nothing_is_due_before_something_came() -> None:
    log = ArrivalLog()
    assert log.deadline() == math.inf
    assert log.feedback(1, 2, 10.0) == []


def test_arrivals_are_told_ten_times_a_second() -> None:
    log = ArrivalLog()
    log.note(7, 1.0)
    assert log.deadline() == pytest.approx(1.05)
    assert seen(log, 1.0) == {7: 1.0}
    assert log.deadline() == math.inf
    log.note(8, 1.01)
    log.note(9, 1.02)
    assert log.deadline() == pytest.approx(1.15)  # and before, if something comes
    assert seen(log, 1.05) == {}
    assert seen(log, 1.1) == {8: 1.01, 9: 1.02}


def test_what_is_missing_is_told_and_what_came_after_all() -> None:
    log = ArrivalLog()
    for seq in (0xFFFE, 0xFFFF, 2):
        log.note(seq, 1.0)
    (feedback,) = log.feedback(1, 2, 1.0)
    assert (feedback.base_seq, [at is not None for at in feedback.arrivals]) == (
        0xFFFE,
        [True, True, False, False, True],
    )
    log.note(1, 1.05)
    log.note(3, 1.06)
    log.note(0xFFFF, 1.07)  # once more
    assert seen(log, 1.2) == {1: 1.05, 2: 1.0, 3: 1.06}


def test_feedbacks_are_numbered() -> None:
    log = ArrivalLog()
    numbers = []
    for seq in range(300):
        log.note(seq, float(seq))
        numbers += [feedback.number for feedback in log.feedback(1, 2, float(seq))]
    assert numbers == [n & 0xFF for n in range(300)]


def test_much_goes_into_several_that_each_fit_a_datagram() -> None:
    log = ArrivalLog()
    log.note(0, 0.0)
    log.feedback(1, 2, 0.0)
    sent = {seq: 0.001 * seq + (0.07 if seq % 2 else 0.0) for seq in range(1, 1000)}
    for seq, at in sent.items():
        log.note(seq, at)
    packets = log.feedback(1, 2, 1.0)
    assert all(len(wire(packet)) < 1100 for packet in packets)
    known = {p.base_seq + n: at for p in packets for n, at in enumerate(p.arrivals) if at is not None}
    assert known == {seq: round(at * TICKS_PER_S) for seq, at in sent.items()}


def test_after_a_long_silence_and_a_leap_the_next_arrivals_are_told() -> None:
    log = ArrivalLog()
    log.note(1, 1.0)
    log.note(2, 100.0)
    log.note(30_000, 100.0)
    assert seen(log, 100.0) == {1: 1.0, 2: 100.0, 30_000: 100.0}
    log.note(100, 101.0)  # far behind: not told
    assert log.deadline() == math.inf


def test_arrivals_are_forgotten() -> None:
    log = ArrivalLog()
    for seq in range(70_000):
        log.note(seq & 0xFFFF, 0.001 * seq)
        log.feedback(1, 2, 0.001 * seq)
        assert len(log) < 2200
