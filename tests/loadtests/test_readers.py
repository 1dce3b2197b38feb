from __future__ import annotations

from loadtests.readers import Cost, table


def test_a_row_for_each_number_of_readers() -> None:
    head, _, first, second = table([Cost(1, 20.04, 61.6, 0), Cost(40, 5.0, 15.0, 3)]).splitlines()
    assert head.count("|") == first.count("|") == second.count("|")
    assert first == "| 1 | 20.0 | 61.6 | 0 |"
    assert second == "| 40 | 5.0 | 15.0 | 3 |"
