"""What of a changed configuration waits for a restart is told as long as it does, and no longer."""

from __future__ import annotations

from loadtests.rig.process import wait_until
from loadtests.rig.server import Server

_WAITS = "[audit] changed; that takes effect at the next start"


def test_what_is_taken_back_needs_no_restart() -> None:
    with Server("[streams.cam]\n") as server:
        path = server.folder / "streamer.toml"
        begun = path.read_text()

        def applied(text: str, stream: str) -> int:
            """How often a restart was asked for by the time that a stream is there."""
            path.write_text(f"{text}\n[streams.{stream}]\n")

            def names() -> list[str]:
                return [each["name"] for each in server.request("GET", "/api/v1/streams")[1]["streams"]]

            wait_until(lambda: stream in names(), 10, stream)
            return server.output.count(_WAITS)

        changed = begun + "\n[audit]\nkeep_days = 7\n"
        assert applied(changed, "one") == 1
        assert applied(changed, "two") == 2
        assert applied(begun, "three") == 2
