from __future__ import annotations

import math

from loadtests.sources import Cost, table


def test_a_row_for_each_number_of_publishers_beside_the_first() -> None:
    costs = [Cost(1, 40.0, 24.0, 10.0, 500.0, 0.0), Cost(8, 20.0, 10.0, 8.0, 150.0, 0.00123)]
    head, _, first, second = table(costs).splitlines()
    assert head.count("|") == first.count("|") == second.count("|")
    assert first == "| 1 | 40.0 | 24.0 | 10.0 | 500 | 1.00 | 0 % |"
    assert second == "| 8 | 20.0 | 10.0 | 8.0 | 150 | 0.50 | 0.12 % |"


def test_whose_the_network_is_says_the_protocol() -> None:
    costs = [Cost(1, 40.0, 24.0, 10.0, 500.0, math.nan)]
    assert "| libsrt |" in table(costs) and "| media plane |" in table(costs, "whip")
    assert table(costs, "whip").endswith("| nan % |\n")
