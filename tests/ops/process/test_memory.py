from __future__ import annotations

import time

from ops.process.memory import Trimmer, heap_trim


class Heap:
    def __init__(self) -> None:
        self.released = 0
        self.trims = 0

    def trim(self) -> None:
        self.trims += 1


async def test_many_releases_are_trimmed_once() -> None:
    heap = Heap()
    trimmer = Trimmer(lambda: heap.released, heap.trim)
    now = time.monotonic()
    await trimmer.look(now)
    assert heap.trims == 0
    heap.released = 64
    await trimmer.look(now)
    await trimmer.look(now)
    assert heap.trims == 1


async def test_a_few_wait() -> None:
    heap = Heap()
    trimmer = Trimmer(lambda: heap.released, heap.trim)
    heap.released = 1
    now = time.monotonic()
    await trimmer.look(now)
    assert heap.trims == 0
    await trimmer.look(now + 60)
    assert heap.trims == 1


async def test_nothing_happens_where_the_library_cannot() -> None:
    heap = Heap()
    trimmer = Trimmer(lambda: heap.released, None)
    heap.released = 1000
    await trimmer.look(time.monotonic() + 60)
    assert heap.trims == 0


def test_this_machine_can() -> None:
    trim = heap_trim()
    assert trim is not None and trim() in (0, 1)
