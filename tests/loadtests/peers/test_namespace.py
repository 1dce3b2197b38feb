from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.peers.namespace import Namespace, namespace, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
SPACE = Namespace("peer-1", "198.18.0.1", "198.18.0.2", ("pn1", "pf1"))


def test_a_command_inside():
    assert SPACE.command(["janus", "-v"]) == ["ip", "netns", "exec", "peer-1", "janus", "-v"]


def test_a_command_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"ls /nowhere: .*nowhere"):
        run("ls", "/nowhere")


@needs_root
def test_a_program_inside_and_a_way_there(tmp_path: Path):
    with namespace() as outer, namespace(outer) as inner:
        assert len({outer.near, outer.far, inner.near, inner.far}) == 4
        program = inner.program(tmp_path, sys.executable)
        code = f"import socket; socket.create_server(({inner.far!r}, 0)); print('here')"
        done = subprocess.run([program, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout == "here\n", done.stderr
        assert inner.near in run(*outer.command(["ip", "-br", "address"]))
