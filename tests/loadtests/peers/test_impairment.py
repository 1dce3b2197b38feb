from __future__ import annotations

from itertools import groupby

import pytest

from loadtests.peers.impairment import Bottleneck, Fate, Impairment


@pytest.mark.parametrize(
    ("impairment", "arguments"),
    [
        (Impairment(), "limit 20000 delay 0ms loss random 0%"),
        (Impairment(0.05, rtt_ms=60), "limit 20000 delay 30ms loss random 5%"),
        (Impairment(0.01, rtt_ms=25), "limit 20000 delay 12.5ms loss random 1%"),
        # 4 packets in a row, on average: a quarter leaves the bad state; 1/36 comes into it.
        (Impairment(0.1, 4, 150), "limit 20000 delay 75ms loss gemodel 2.778% 25%"),
        (Impairment(0.0, 4, 20), "limit 20000 delay 10ms loss random 0%"),
        # A queue of 200 ms and 20 ms on the way, 1200 bytes each.
        (Impairment(rtt_ms=40, kbps=1200), "limit 28 delay 20ms rate 1200kbit loss random 0%"),
    ],
)
def test_the_command_line_of_netem(impairment: Impairment, arguments: str):
    assert " ".join(impairment.netem()) == arguments


@pytest.mark.parametrize("burst", [1.0, 4.0])
@pytest.mark.parametrize("loss", [0.0, 0.01, 0.1])
def test_as_much_is_lost_as_was_said_and_in_bursts_as_long(loss: float, burst: float):
    fate = Fate(Impairment(loss, burst), seed=1)
    lost = [fate.loses() for _ in range(200_000)]
    assert sum(lost) / len(lost) == pytest.approx(loss, rel=0.1)
    bursts = [len(list(run)) for is_lost, run in groupby(lost) if is_lost]
    if loss:
        expected = burst if burst > 1 else 1 / (1 - loss)
        assert sum(bursts) / len(bursts) == pytest.approx(expected, rel=0.1)


def test_the_same_seed_loses_the_same_packets():
    def lost(seed: int) -> list[bool]:
        fate = Fate(Impairment(0.1, 4), seed)
        return [fate.loses() for _ in range(1000)]

    assert lost(1) == lost(1) != lost(2)


@pytest.mark.parametrize(
    "values", [{"loss": 1.0}, {"loss": -0.1}, {"burst": 0.5}, {"rtt_ms": -1}, {"kbps": -1}, {"queue_ms": 0}]
)
def test_what_cannot_be_is_refused(values: dict[str, float]):
    with pytest.raises(ValueError, match=f"{next(iter(values))}: .*expected"):
        Impairment(**values)


def test_what_does_not_fit_waits_and_then_is_lost():
    # 1,000 bytes take 10 ms, and ten of them wait.
    bottleneck = Bottleneck(Impairment(kbps=800, queue_ms=100))
    passed = [bottleneck.passes(1000, 5.0) for _ in range(13)]
    assert passed[:11] == pytest.approx([5.01 + 0.01 * number for number in range(11)])
    assert passed[11:] == [None, None]
    assert bottleneck.passes(1000, 5.05) == pytest.approx(5.12)
    assert bottleneck.passes(1000, 9.0) == pytest.approx(9.01)


def test_without_a_limit_nothing_waits():
    bottleneck = Bottleneck(Impairment())
    assert [bottleneck.passes(1500, 1.0) for _ in range(1000)] == [1.0] * 1000
