from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from loadtests.peers.subject import Usage


def test_a_busy_process_is_seen():
    before = Usage.of(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = Usage.of(os.getpid())
    assert after.cpu_s - before.cpu_s >= 0.05
    assert after.threads >= threading.active_count()
    assert after.rss_bytes > 10 << 20 and after.descriptors >= 3


def test_a_name_with_brackets_and_spaces_confuses_nobody():
    script = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'a) R (b 7'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        usage = Usage.of(process.pid)
        process.stdin.close()
    assert usage.threads == 1 and usage.rss_bytes > 1 << 20
