"""How many different viewers: exact up to a few hundred, then HyperLogLog within 1 %.

The estimate is the improved raw one of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
(2017), which needs no tables and no switch between regimes. A viewer is a 64-bit number out of a keyed hash,
see `privacy.py`.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_EXACT = 512
_BITS = 14
_REGISTERS = 1 << _BITS
_RANKS = 64 - _BITS
_IS_EXACT, _IS_SKETCH = b"\0", b"\1"


class Uniques:
    """A set of viewers that can be counted and united with others."""

    def __init__(self) -> None:
        self._exact: Hashes | None = np.empty(0, np.uint64)
        self._registers: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    @classmethod
    def parse(cls, data: bytes | None) -> Uniques:
        """What `serialize` made; nobody for None."""
        uniques = cls()
        uniques.unite(data)
        return uniques

    def add(self, hashes: Hashes) -> None:
        """Take viewers in."""
        if self._exact is None:
            self._register(hashes)
            return
        exact = np.unique(np.concatenate((self._exact, hashes)))
        if exact.size <= _EXACT:
            self._exact = exact
        else:
            self._exact, self._registers = None, np.zeros(_REGISTERS, np.uint8)
            self._register(exact)

    def unite(self, other: Uniques | bytes | None) -> None:
        """Take in whom another one has."""
        if other is None or other == b"":
            return
        if isinstance(other, bytes):
            kind, body = other[:1], other[1:]
            if kind == _IS_EXACT:
                self.add(np.frombuffer(body, "<u8").astype(np.uint64))
                return
            registers = np.frombuffer(zlib.decompress(body), np.uint8)
        elif other._exact is not None:
            self.add(other._exact)
            return
        else:
            registers = other._registers
        if self._exact is not None:
            exact, self._exact = self._exact, None
            self._registers = np.zeros(_REGISTERS, np.uint8)
            self._register(exact)
        self._registers = np.maximum(self._registers, registers)

    def serialize(self) -> bytes:
        """At most 4 KiB while exact, some 10 KiB afterwards."""
        if self._exact is not None:
            return _IS_EXACT + self._exact.astype("<u8").tobytes()
        return _IS_SKETCH + zlib.compress(self._registers.tobytes(), 1)

    def __len__(self) -> int:
        """How many there are."""
        if self._exact is not None:
            return int(self._exact.size)
        return round(_estimate(np.bincount(self._registers, minlength=_RANKS + 2)))

    def _register(self, hashes: Hashes) -> None:
        places = (hashes >> np.uint64(_RANKS)).astype(np.int64)
        rest = hashes & np.uint64((1 << _RANKS) - 1)
        # The rank is the place of the highest bit that is set; floats of 53 bits hold 50 of them exactly.
        ranks = _RANKS - np.frexp(rest.astype(np.float64))[1] + 1
        np.maximum.at(self._registers, places, ranks.astype(np.uint8))


def _estimate(counts: npt.NDArray[np.int64]) -> float:
    z = _REGISTERS * _tau(1 - counts[_RANKS + 1] / _REGISTERS)
    for rank in range(_RANKS, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    return float(_REGISTERS * _REGISTERS / (2 * math.log(2) * z))


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
