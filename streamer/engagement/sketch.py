"""Distributions that can be added up: counts in buckets that grow by 1 %, quantiles right to half of it.

A sketch of a year is the sum of its days' sketches; one of a few sessions takes a few bytes. Bucket 0 holds
zero and whatever is below 0.001; every other bucket holds the values up to its edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_GROWTH = 1.01
_LEAST = 0.001
#: Up to a month, in seconds, and more; what is above is counted in the last.
_BUCKETS = 2400
_ENTRY = np.dtype([("bucket", "<u2"), ("count", "<u4")])
#: Seconds of watching that are asked about; see `retention.py`.
STEPS_S = (
    *(0, 10, 20, 30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10_800),
    *(14_400, 21_600, 28_800, 43_200, 86_400),
)


def _middles(edges: Values) -> Values:
    return np.concatenate(([0.0], np.sqrt(edges[1:] * np.maximum(edges[:-1], _LEAST / _GROWTH))))


_EDGES: Values = np.concatenate(([0.0], _LEAST * _GROWTH ** np.arange(1, _BUCKETS)))
_EDGES_WITH_STEPS: Values = np.unique(np.concatenate((_EDGES, STEPS_S)))


class Sketch:
    """Counts by bucket.

    Args:
        counts: of every bucket; None for an empty one.

    Attributes:
        EDGES: the largest value of each bucket.
        MIDDLES: what the values of each bucket are taken for.
    """

    EDGES: ClassVar[Values] = _EDGES
    MIDDLES: ClassVar[Values] = _middles(_EDGES)

    def __init__(self, counts: Counts | None = None) -> None:
        self.counts: Counts = np.zeros(self.EDGES.size, np.int64) if counts is None else counts

    @classmethod
    def of(cls, values: Iterable[float] | Values) -> Self:
        """Count values; what is no number is left out."""
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64)
        array = np.maximum(array[np.isfinite(array)], 0.0)
        buckets = np.minimum(np.searchsorted(cls.EDGES, array), cls.EDGES.size - 1)
        return cls(np.bincount(buckets, minlength=cls.EDGES.size).astype(np.int64))

    @classmethod
    def parse(cls, data: bytes | None) -> Self:
        """What `serialize` made; nothing for None."""
        sketch = cls()
        sketch.add(data)
        return sketch

    def add(self, other: Sketch | bytes | None) -> None:
        """Count what another one of the same kind counted; of bytes also what several did, joined."""
        if isinstance(other, Sketch):
            self.counts += other.counts
        elif other:
            entries = np.frombuffer(other, _ENTRY)
            # Several of them joined name a bucket more than once.
            np.add.at(self.counts, entries["bucket"], entries["count"].astype(np.int64))

    def take_off(self, other: bytes) -> None:
        """Count no more what another one of the same kind counted; what is not here stays at nothing."""
        self.counts = np.maximum(self.counts - self.parse(other).counts, 0)

    def serialize(self) -> bytes:
        """Buckets that are not empty, 6 bytes each."""
        used = np.flatnonzero(self.counts)
        entries = np.empty(used.size, _ENTRY)
        entries["bucket"] = used
        entries["count"] = np.minimum(self.counts[used], 0xFFFFFFFF)
        return entries.tobytes()

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def quantile(self, share: float) -> float | None:
        """The value that this share of all values does not exceed; None without values."""
        total = self.total
        if total == 0:
            return None
        rank = max(1, math.ceil(share * total))
        return float(self.MIDDLES[int(np.searchsorted(np.cumsum(self.counts), rank))])

    def mean(self) -> float | None:
        """The mean; None without values."""
        total = self.total
        return float((self.counts * self.MIDDLES).sum() / total) if total else None

    def between(self, low: float, high: float) -> int:
        """How many values are above `low` and not above `high`; zeros count to a `low` of 0."""
        inside = (self.EDGES > low) & (self.EDGES <= high)
        inside[0] = low == 0
        return int(self.counts[inside].sum())


class Durations(Sketch):
    """The same with an edge at each of `STEPS_S`, where it is exact."""

    EDGES = _EDGES_WITH_STEPS
    MIDDLES = _middles(_EDGES_WITH_STEPS)


class Scores(Sketch):
    """The same for values of 0 to 100, in steps of a tenth, at which it is exact."""

    EDGES = np.arange(1001) / 10
    MIDDLES = np.arange(1001) / 10

    @classmethod
    def of(cls, values: Iterable[float] | Values) -> Self:
        """Count values, rounded."""
        return super().of(np.rint(np.asarray(list(values)) * 10) / 10)

    @classmethod
    def means(cls, sketches: Sequence[bytes], groups: Sequence[int], count: int) -> list[float | None]:
        """The means of many sketches at once.

        Args:
            sketches: serialized.
            groups: which mean each of them belongs to.
            count: of the means; None where no value was counted.
        """
        entries = np.frombuffer(b"".join(sketches), _ENTRY)
        sizes = [len(each) // _ENTRY.itemsize for each in sketches]
        owners = np.repeat(np.asarray(groups, np.int64), sizes)
        weights = entries["count"].astype(np.float64)
        totals = np.bincount(owners, weights, count)
        sums = np.bincount(owners, weights * cls.MIDDLES[entries["bucket"]], count)
        return [
            value / total if total else None
            for value, total in zip(sums.tolist(), totals.tolist(), strict=True)
        ]
