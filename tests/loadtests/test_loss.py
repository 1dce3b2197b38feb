from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.loss import Cell, broken, parse, table
from loadtests.peers.impairment import Impairment
from loadtests.rig.window import Window

CLEAN = Window(20, 600, 600)
BAD = Window(20, 600, 588, 590, 0, 0.0, 0, 300, 280, 290, 310.0, 0, "udp")
CELL = Cell("Streamer", "random", Impairment(0.05, 1, 60), (0.051, 0.049), BAD, CLEAN)


def test_a_cell_that_keeps_the_promise():
    assert broken(CELL) == []


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (replace(CELL, bad=replace(BAD, shown=569)), "94.8% of the frames shown, 95 % promised"),
        (replace(CELL, bad=replace(BAD, freezes=1, frozen_s=0.3)), "frozen 1.5% of the time"),
        (replace(CELL, bad=None), "does not play"),
        (replace(CELL, impairment=Impairment(0.1, 1, 60), bad=replace(BAD, shown=200)), "does not play"),
        (replace(CELL, clean=replace(CLEAN, missing=2)), "the clean viewer: 2 lost, 0 freezes"),
        (replace(CELL, clean=replace(CLEAN, freezes=1)), "the clean viewer: 0 lost, 1 freezes"),
    ],
)
def test_a_broken_promise_is_named(cell: Cell, words: str):
    (problem,) = broken(cell)
    assert problem.startswith("Streamer, ") and words in problem


def test_elsewhere_only_playing_is_promised():
    poor = replace(BAD, shown=400, frozen_s=5.0)
    for impairment, pattern in ((Impairment(0.1, 1, 60), "random"), (Impairment(0.05, 4, 60), "bursty")):
        assert broken(replace(CELL, impairment=impairment, pattern=pattern, bad=poor)) == []


def test_the_table():
    mute = replace(CELL, name="Janus", bad=None)
    slow = replace(CELL, bad=replace(BAD, protocol="tcp"))
    head, _, *rows = table([CELL, mute, slow]).splitlines()
    assert rows[0] == (
        "| Streamer | 5 % random, 60 ms | 5.1% | 29.4 | **98.0%** | 0 | **0.0%** | 0 | 300 | 280 | 310 "
        "| 100.0% | 0 | 0 |"
    )
    assert "**0.0%** |  | **100.0%**" in rows[1]
    assert "5 % random, 60 ms, over TCP" in rows[2]
    assert {row.count("|") for row in (head, *rows)} == {head.count("|")}


def test_lists_are_separated_by_commas(capsys: pytest.CaptureFixture[str]):
    given = parse(["--peers", "ours", "--loss", "1,2.5", "--rtt", "60"])
    assert (given.peers, given.loss, given.rtt, given.patterns) == (
        ["ours"],
        [1.0, 2.5],
        [60.0],
        ["random", "bursty"],
    )
    with pytest.raises(SystemExit):
        parse(["--patterns", "random,often"])
    assert "expected some of random,bursty" in capsys.readouterr().err
