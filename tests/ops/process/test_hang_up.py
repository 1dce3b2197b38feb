from __future__ import annotations

import sys

from loadtests.rig.process import wait_until
from loadtests.rig.server import Server

#: Somebody changes the configuration and says so, while a server loads what it is made of.
_MEANWHILE = """
import os, runpy, signal, sys

class Somebody:
    def find_spec(self, name, path=None, target=None):
        if name == "ops.server":
            with open(sys.argv[sys.argv.index("--config") + 1], "a") as file:
                file.write("[streams.two]")
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Somebody())
runpy.run_module("ops", run_name="__main__", alter_sys=True)
"""


def test_sighup_does_not_end_a_server_that_starts_and_what_has_changed_counts() -> None:
    with Server(
        "[streams.one]\n", inside=lambda command: [sys.executable, "-c", _MEANWHILE, *command[3:]]
    ) as server:

        def names() -> list[str]:
            return [stream["name"] for stream in server.request("GET", "/api/v1/streams")[1]["streams"]]

        wait_until(lambda: names() == ["one", "two"], 10, "what has changed")
