from __future__ import annotations

import json
import sqlite3

from tests.ops.commands.rig import Commands


def test_the_log_is_exported_and_checked(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    streamer("group", "add", "crew")
    assert streamer("audit", "verify") == ["whole: 2 entries"]
    entries = [json.loads(line) for line in streamer("audit", "export")]
    assert [entry["what"] for entry in entries] == ["user.add", "group.add", "audit.export"]
    assert streamer("audit", "export", "--until", "2020-01-01") == []
    since = [json.loads(line)["what"] for line in streamer("audit", "export", "--since", "2020-01-01")]
    assert len(since) == 5


def test_an_entry_that_was_changed(streamer: Commands) -> None:
    streamer("user", "add", "anna")
    with sqlite3.connect(streamer.path.parent / "state" / "streamer.db") as database:
        database.execute("UPDATE auth_audit SET who = 'somebody else'")
    database.close()
    result = streamer.run("audit", "verify")
    assert result.exit_code == 1
    assert "broken at entry 1: it was changed" in result.stderr


def test_what_a_terminal_would_obey_is_spelt_out(streamer: Commands) -> None:
    what = "login.refused"
    streamer.look(lambda identity: identity.record(what, "", agent="\x9b2J\u202e\x7f"))
    (line,) = streamer("audit", "export", "--what", what)
    assert line.isprintable()
    assert json.loads(line)["details"]["agent"] == "\x9b2J\u202e\x7f"


def test_errors_quote_nothing_that_a_terminal_would_obey(streamer: Commands) -> None:
    assert "\x1b" not in streamer.refused("relay", "start", "\x1b[2J")
