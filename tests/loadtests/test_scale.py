from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import fields

import pytest

from loadtests.fanout import Result
from loadtests.scale import _ticks, svg, table


def cell(packets_per_s: float, cores: float) -> Result:
    values: dict[str, object] = {field.name: 0.0 for field in fields(Result)}
    return Result(**{**values, "delivered_per_s": packets_per_s, "server_cores": cores})  # type: ignore[arg-type]


CELLS = {(1.0, 100): cell(14_000, 0.1), (1.0, 500): cell(70_000, 0.4), (2.5, 100): cell(33_000, 0.2)}


def test_the_picture_has_a_line_for_each_bitrate_and_a_point_for_each_cell() -> None:
    root = ElementTree.fromstring(svg(CELLS))
    space = "{http://www.w3.org/2000/svg}"
    lines = [path for path in root.iter(f"{space}path") if path.get("fill") == "none"]
    assert len(lines) == 2
    points = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in root.iter(f"{space}circle")]
    assert len(points) == 3
    assert points[0][0] < points[2][0] < points[1][0] and points[0][1] > points[1][1]
    assert {"1 Mb/s each", "2.5 Mb/s each"} <= {text.text for text in root.iter(f"{space}text")}


def test_the_table_has_a_row_for_each_cell() -> None:
    assert len(table(CELLS).splitlines()) == 2 + len(CELLS)


@pytest.mark.parametrize("highest", [0.03, 0.4, 1.0, 7.0, 525.0])
def test_ticks_reach_the_highest_value_and_not_far_beyond(highest: float) -> None:
    ticks = _ticks(highest)
    assert ticks[0] == 0 and highest <= ticks[-1] <= 2.5 * highest
