from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from loadtests.peers.subject import Usage, stolen_s


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


def test_what_the_host_took_is_the_eighth_figure_of_all_processors_together(tmp_path: Path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  1652080 327538 364663 4663273 9517 0 194481 38659 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
    assert stolen_s(stat) == 38659 / os.sysconf("SC_CLK_TCK")
    assert stolen_s() >= 0
