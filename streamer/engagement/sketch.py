"""Distributions that can be added up: counts in buckets that grow by 1 %, quantiles right to half of it.

A sketch of a year is the sum of its days' sketches; one of a few sessions takes a few bytes. Bucket 0 holds
zero and whatever is below 0.001; every other bucket holds the values up to its edge, `edge(bucket)`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

_GROWTH = 1.01
_LOG = math.log(_GROWTH)
_LEAST = 0.001
#: A month, in seconds, and more; what is above is counted here.
_MOST_BUCKETS = 2400
_ENTRY = np.dtype([("bucket", "<u2"), ("count", "<u4")])

Counts = npt.NDArray[np.int64]


def edge(bucket: int) -> float:
    """The largest value of a bucket."""
    return 0.0 if bucket == 0 else float(_LEAST * _GROWTH**bucket)


def middle(bucket: int) -> float:
    """What a bucket's values are taken for."""
    return 0.0 if bucket == 0 else float(_LEAST * _GROWTH ** (bucket - 0.5))


EDGES: npt.NDArray[np.float64] = np.array([edge(bucket) for bucket in range(_MOST_BUCKETS)])
_MIDDLES: npt.NDArray[np.float64] = np.array([middle(bucket) for bucket in range(_MOST_BUCKETS)])


class Sketch:
    """Counts by bucket.

    Args:
        counts: of every bucket; None for an empty one.

    Attributes:
        MIDDLES: what the values of each bucket are taken for.
    """

    MIDDLES: ClassVar[npt.NDArray[np.float64]] = _MIDDLES

    @staticmethod
    def buckets(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Where values are counted."""
        # A value just above an edge by rounding alone belongs below it: 60 s are 60 s.
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.ceil(np.log(values / _LEAST) / _LOG - 1e-9)
        found[~(values > _LEAST)] = 0
        return np.clip(found, 0, _MOST_BUCKETS - 1).astype(np.int64)

    def __init__(self, counts: Counts | None = None) -> None:
        self.counts: Counts = np.zeros(_MOST_BUCKETS, np.int64) if counts is None else counts

    @classmethod
    def of(cls, values: Iterable[float] | npt.NDArray[np.float64]) -> Self:
        """Count values; what is no number is left out."""
        array = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64)
        array = array[np.isfinite(array)]
        return cls(np.bincount(cls.buckets(array), minlength=_MOST_BUCKETS).astype(np.int64))

    @classmethod
    def parse(cls, data: bytes | None) -> Self:
        """What `serialize` made; nothing for None."""
        sketch = cls()
        sketch.add(data)
        return sketch

    def add(self, other: Sketch | bytes | None) -> None:
        """Count what another one counted."""
        if isinstance(other, Sketch):
            self.counts += other.counts
        elif other:
            entries = np.frombuffer(other, _ENTRY)
            self.counts[entries["bucket"]] += entries["count"]

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

    def between(self, low: float, high: float) -> int:
        """How many values are above `low` and not above `high`; zeros count to a `low` of 0."""
        inside = (self.MIDDLES > low) & (self.MIDDLES <= high)
        inside[0] = low == 0
        return int(self.counts[inside].sum())

    def mean(self) -> float | None:
        """The mean; None without values."""
        total = self.total
        return float((self.counts * self.MIDDLES).sum() / total) if total else None


class Scores(Sketch):
    """The same for values of 0 to 100, in steps of a tenth."""

    MIDDLES = np.minimum(np.arange(_MOST_BUCKETS) / 10, 100.0)

    @staticmethod
    def buckets(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Where values are counted."""
        return np.clip(np.rint(values * 10), 0, 1000).astype(np.int64)
