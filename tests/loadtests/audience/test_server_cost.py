from __future__ import annotations

import os
import threading
import time

from loadtests.audience.server_cost import cpu_s


def test_what_one_thread_used():
    used: list[float] = []

    def work() -> None:
        before = cpu_s(os.getpid(), threading.get_native_id())
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass
        used.append(cpu_s(os.getpid(), threading.get_native_id()) - before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert 0.05 < used[0] < 0.3
