from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from loadtests.rig.process import wait_until
from loadtests.rig.server import Server

#: What a process does before it is gone takes a while, as that of a large one on a busy machine.
_SLOW_END = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.usleep, ctypes.c_void_p(300_000), None)
"""
_SERVE = f"{_SLOW_END}\nfrom ops.__main__ import main\nmain()"


def test_a_server_that_stops_while_a_camera_is_silent_ends_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source = f'source = "rtsp://127.0.0.1:{mute.getsockname()[1]}/cam"'
        cameras = "\n".join(f"[streams.cam{number}]\n{source}" for number in range(10))
        with Server(cameras, inside=lambda command: [sys.executable, "-c", _SERVE, *command[3:]]) as server:
            wait_until(lambda: server.stream("cam9")["ingest"]["state"] == "connecting", 10, "the pull")
            server.signal(signal.SIGTERM)
            assert server.wait(10) == 0


_PROGRAM = """
import atexit, threading
from ops.process.leaving import leave
atexit.register(print, "ended")
threading.Thread(target=threading.Event().wait, args=({seconds},), daemon={daemon}).start()
print("said")
leave(3)
"""


@pytest.mark.parametrize(("daemon", "code", "said"), [(True, 3, "said\n"), (False, 0, "said\nended\n")])
def test_what_was_said_is_written_whoever_is_left_behind(daemon: bool, code: int, said: str) -> None:
    program = _PROGRAM.format(seconds=60 if daemon else 0.1, daemon=daemon)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, said, "")
