"""How long units take through the plane: counts by bucket, and what they say.

A unit counts once for each thread that has viewers of it, when the thread has handed it to the kernel for all
of them. Of units that were taken together the first one written counts. What pacing holds back on purpose, of
pictures of more than a few packets, is not waited for.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

#: Bucket n counts delays of at most UNIT_S * 2 ** (n / 8), the last one whatever is longer.
BUCKETS = 112
UNIT_S = 0.000_05

Counts = npt.NDArray[np.uint64]


def bucket(seconds: float) -> int:
    """Where a delay counts."""
    if seconds <= UNIT_S:
        return 0
    return min(math.ceil(8 * math.log2(seconds / UNIT_S)), BUCKETS - 1)


def edge_s(number: int) -> float:
    """The longest delay that counts in a bucket, seconds; the last one has no end."""
    return math.inf if number >= BUCKETS - 1 else float(UNIT_S * 2 ** (number / 8))


def percentile_s(counts: Counts, share: float) -> float:
    """The delay that this share of the units did not exceed, to within a twelfth; NaN without units."""
    total = int(counts.sum())
    if not total:
        return math.nan
    return edge_s(int(np.searchsorted(np.cumsum(counts), math.ceil(share * total))))
