from __future__ import annotations

from tests.ops.commands.rig import Commands


def test_joining_and_leaving(streamer: Commands) -> None:
    streamer("group", "add", "crew")
    streamer("user", "add", "berta")
    streamer("user", "add", "anna")
    for name in ("berta", "anna"):
        streamer("group", "join", "crew", name)
    (line,) = streamer("group", "list")
    assert line.split(maxsplit=1) == ["crew", "anna, berta"]
    streamer("group", "leave", "crew", "berta")
    (line,) = streamer("group", "list")
    assert line.split(maxsplit=1) == ["crew", "anna"]
    assert [entry["details"]["member"] for entry in streamer.audited("group.leave")] == ["berta"]


def test_what_cannot_be(streamer: Commands) -> None:
    streamer("group", "add", "crew")
    streamer("user", "add", "anna")
    assert "cannot be in itself" in streamer.refused("group", "join", "crew", "crew")
    assert "expected a group" in streamer.refused("group", "join", "anna", "crew")
    assert "no account" in streamer.refused("group", "leave", "crew", "anna")


def test_a_second_factor_and_removing(streamer: Commands) -> None:
    streamer("group", "add", "crew")
    streamer("group", "factor", "crew")
    assert streamer("group", "list") == ["crew    second factor"]
    streamer("group", "factor", "crew", "--not-required")
    assert streamer("group", "list") == ["crew"]
    streamer("group", "delete", "crew")
    assert streamer("group", "list") == []
