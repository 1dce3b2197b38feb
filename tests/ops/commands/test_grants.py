from __future__ import annotations

from tests.ops.commands.rig import Commands


def test_from_giving_to_taking_back(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("group", "add", "crew")
    (viewer,) = streamer(
        "grant", "add", "anna", "viewer", "--stream", "studio-*", "--for", "7d", "--reason", "she asked"
    )
    (publish,) = streamer("grant", "add", "crew", "publish", "--stream", "cam")
    first, second = streamer("grant", "list")
    assert first.split()[:4] == [viewer, "anna", "viewer", "studio-*"]
    assert first.endswith("she asked")
    assert second.split() == [publish, "crew", "publish", "cam", "-"]
    assert streamer("grant", "list", "crew") == [" ".join(second.split()).replace(" ", "  ")]
    streamer("grant", "remove", viewer)
    assert len(streamer("grant", "list")) == 1
    assert [entry["target"] for entry in streamer.audited("grant.remove")] == [viewer]


def test_what_cannot_be(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    give = ("grant", "add", "anna")
    assert "expected a role or an action" in streamer.refused(*give, "boss", "--stream", "cam")
    assert "no stream pattern" in streamer.refused(*give, "viewer", "--stream", "")
    assert "needs an end" in streamer.refused(*give, "viewer", "--stream", "cam", "--support")
    assert "no account" in streamer.refused("grant", "add", "berta", "viewer", "--stream", "cam")
    assert "no grant" in streamer.refused("grant", "remove", "none")
    (last,) = streamer(*give, "administrator", "--stream", "*")
    assert "the last that puts anybody in charge" in streamer.refused("grant", "remove", last)


def test_a_stream_that_is_not_there_is_told_of(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    token = ("token", "--action", "watch", "--for", "1h")
    for give in (("grant", "add", "anna", "viewer"), token):
        for known in ("cam", "c*", "*"):
            assert streamer.run(*give, "--stream", known).stderr == ""
        result = streamer.run(*give, "--stream", "camm")
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 1
        assert "has no stream 'camm' now" in result.stderr


def test_another_end(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    (grant,) = streamer("grant", "add", "anna", "viewer", "--stream", "cam", "--for", "1h")
    before = streamer("grant", "list")[0].split()[4]
    streamer("grant", "extend", grant, "--for", "7d")
    assert streamer("grant", "list")[0].split()[4] > before
    streamer("grant", "extend", grant)
    assert streamer("grant", "list")[0].split()[4] == "-"
