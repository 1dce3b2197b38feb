from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import replace

import pytest

from loadtests.compare import main, middle, peers_of, ratios, stolen
from loadtests.fanout import Result, arithmetic
from tests.loadtests.test_fanout import COURSE, JOINS, LOAD, SUBJECT

_ONE = arithmetic(SUBJECT, LOAD, JOINS, COURSE)


def round_of(**costs: float) -> list[Result]:
    """What a packet costs each; a processor serves that many fewer."""
    return [
        replace(_ONE, name=name, cpu_us_per_packet=cost, joined=100, server_cores=cost / 10)
        for name, cost in costs.items()
    ]


#: The machine is half as quick in the second one, and in the middle of the third one.
_ROUNDS = [
    round_of(slow=3.0, ours=2.0, peer=30.0),
    round_of(slow=6.0, ours=4.0, peer=64.0),
    round_of(slow=3.1, ours=2.1, peer=58.8),
]


def test_of_each_server_the_run_in_the_middle_is_shown():
    assert [each.cpu_us_per_packet for each in middle(_ROUNDS)] == [3.1, 2.1, 58.8]
    assert [each.cpu_us_per_packet for each in middle(_ROUNDS[:2])] == [3.0, 2.0, 30.0]


def test_ratios_are_taken_within_a_round():
    *_, slow, ours, peer = ratios(_ROUNDS).splitlines()
    assert slow == "| slow, libsrtp | 3.10 | 1.5 | 1.5, 1.5, 1.5 | 323 | 1.5 | 1.5, 1.5, 1.5 |"
    assert ours == "| ours, libsrtp | 2.10 | 1.0 | 1.0, 1.0, 1.0 | 476 | 1.0 | 1.0, 1.0, 1.0 |"
    assert peer == "| peer, libsrtp | 58.80 | 16.0 | 15.0, 16.0, 28.0 | 17 | 16.0 | 15.0, 16.0, 28.0 |"


def test_how_quiet_the_machine_was_is_said_of_every_run():
    quiet, disturbed = (replace(_ONE, stolen_share=share) for share in (0.001, 0.06))
    said = stolen([[quiet, disturbed], [quiet, quiet]])
    assert said == "The machine's host took for others, run by run: 0.1%, 6.0%; 0.1%, 0.1%."


def test_peers_come_with_a_number_of_viewers():
    assert peers_of("janus=90,aiortc=35") == {"janus": 90, "aiortc": 35}
    assert peers_of("") == {}


@pytest.mark.parametrize(
    ("text", "why"), [("janus", "such as janus=90"), ("=3", "such as janus=90"), ("nginx=3", "not 'nginx'")]
)
def test_what_is_no_peer_is_refused_before_anything_runs(text: str, why: str):
    with pytest.raises(ArgumentTypeError, match=why):
        peers_of(text)


def test_no_rounds_are_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--rounds", "0"])
    assert "--rounds is 0, expected at least 1" in capsys.readouterr().err
