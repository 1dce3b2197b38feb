from __future__ import annotations

import pytest

from loadtests.narrow import Cell, Second, parse, table

PLAYS, STANDS = Second(1.0, 0.0, 320), Second(0.1, 0.9, 720)
FULL = Second(0.9, 0.0, 720)


def cell(narrow: list[Second], wide: list[Second] | None = None) -> Cell:
    return Cell("Streamer", 1500, narrow, wide or [], 720)


def test_it_plays_when_it_does_for_three_seconds() -> None:
    assert cell([STANDS, PLAYS, PLAYS, STANDS, PLAYS, PLAYS, PLAYS]).plays_after_s == 4
    assert cell([PLAYS] * 3).plays_after_s == 0
    assert cell([STANDS] * 5).plays_after_s is None
    assert cell([PLAYS] * 2).plays_after_s is None


def test_it_is_back_with_all_its_lines() -> None:
    assert cell([PLAYS], [PLAYS, PLAYS, FULL, FULL, FULL]).full_after_s == 2
    assert cell([PLAYS], [PLAYS] * 9).full_after_s is None


def test_the_table() -> None:
    cells = [cell([STANDS, *[PLAYS] * 9], [PLAYS, *[FULL] * 3]), cell([STANDS] * 10)]
    head, _, *rows = table(cells).splitlines()
    assert rows == [
        "| Streamer | 1.5 Mb/s | **91.0%** | **9.0%** | 1 s | 320 | 1 s |",
        "| Streamer | 1.5 Mb/s | **10.0%** | **90.0%** | never |  | never |",
    ]
    assert {row.count("|") for row in (head, *rows)} == {head.count("|")}


def test_lists_are_separated_by_commas(capsys: pytest.CaptureFixture[str]) -> None:
    given = parse(["--peers", "ours,mediamtx", "--kbps", "1500,600"])
    assert (given.peers, given.kbps) == (["ours", "mediamtx"], [1500.0, 600.0])
    with pytest.raises(SystemExit):
        parse(["--peers", "theirs"])
    assert "expected some of" in capsys.readouterr().err
