from __future__ import annotations

import ctypes
import random
from pathlib import Path

import pytest

from transport.plane import native

_LINE_BYTES, _MAX_BYTES = 64, 16384
_HUGE_PAGE_BYTES = 2 << 20


@pytest.fixture(scope="module")
def slab() -> ctypes.CDLL:
    library = ctypes.CDLL(native.__file__)
    library.slab_take.restype = ctypes.c_void_p
    library.slab_take.argtypes = [ctypes.c_size_t]
    library.slab_give.restype = None
    library.slab_give.argtypes = [ctypes.c_void_p]
    return library


def mapped_bytes() -> int:
    sizes = [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines()]
    return sum(int(end, 16) - int(start, 16) for start, end in (each.split("-") for each in sizes))


def test_pieces_are_zeros_on_lines_of_their_own_whatever_was_there_before(slab: ctypes.CDLL) -> None:
    rng = random.Random(7)
    held: dict[int, tuple[int, int]] = {}
    for _ in range(20_000):
        if held and rng.random() < 0.48:
            address, (size, mark) = held.popitem() if rng.random() < 0.5 else _any(held, rng)
            assert ctypes.string_at(address, size) == bytes([mark]) * size
            slab.slab_give(address)
            continue
        size, mark = rng.choice((1, 64, 65, 400, 2112, 5000, _MAX_BYTES)), rng.randrange(1, 256)
        address = slab.slab_take(size)
        assert address % _LINE_BYTES == 0
        assert address not in held
        assert ctypes.string_at(address, size) == bytes(size)
        ctypes.memset(address, mark, size)
        held[address] = (size, mark)
    for address, (size, mark) in held.items():
        assert ctypes.string_at(address, size) == bytes([mark]) * size
        slab.slab_give(address)


def _any(held: dict[int, tuple[int, int]], rng: random.Random) -> tuple[int, tuple[int, int]]:
    address = rng.choice(list(held))
    return address, held.pop(address)


def test_what_is_given_back_goes_back_to_the_system(slab: ctypes.CDLL) -> None:
    slab.slab_give(slab.slab_take(4800))
    before = mapped_bytes()
    held = [slab.slab_take(size) for _ in range(2000) for size in (4800, 900, 300)]
    taken = mapped_bytes() - before
    assert taken > 2000 * 6000 > 5 * _HUGE_PAGE_BYTES
    random.Random(3).shuffle(held)
    for address in held:
        slab.slab_give(address)
    # One may be kept for the next; Python's own memory moves a little.
    assert mapped_bytes() - before <= 2 * _HUGE_PAGE_BYTES


def test_neither_nothing_nor_more_than_the_largest_piece(slab: ctypes.CDLL) -> None:
    for size in (0, _MAX_BYTES + 1, 2**64 - 1):
        assert slab.slab_take(size) is None
    slab.slab_give(None)
