from __future__ import annotations

import argparse

import pytest

from loadtests.outputs import Cost, chosen, table


def test_a_row_for_each_server_with_how_many_times_ours_it_costs() -> None:
    costs = [
        Cost("rtsp", 20, "Streamer", 28.0, 0.5, 2.75),
        Cost("rtsp", 20, "MediaMTX", 40.04, 2.3, 2.75),
        Cost("srt", 1, "Streamer", 28.0, 0.0, 2.75),
    ]
    head, _, ours, other, free = table(costs).splitlines()
    assert head.count("|") == ours.count("|") == free.count("|")
    assert ours == "| rtsp | 20 | Streamer | 28.0 | **0.50** | 2000 | 2.75 | 1.0 |"
    assert other == "| rtsp | 20 | MediaMTX | 40.0 | **2.30** | 435 | 2.75 | 4.6 |"
    assert free == "| srt | 1 | Streamer | 28.0 | **0.00** | inf | 2.75 | nan |"


def test_names_are_those_that_there_are() -> None:
    assert chosen("a,,b", ["a", "b", "c"]) == ["a", "b"]
    with pytest.raises(argparse.ArgumentTypeError, match="'d', expected some of a, b"):
        chosen("a,d", ["a", "b"])
