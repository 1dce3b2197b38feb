from __future__ import annotations

import numpy as np
import pytest

from streamer.engagement.uniques import Hashes, Uniques


def hashes(count: int, seed: int = 1) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64 - 1, count, np.uint64)


@pytest.mark.parametrize("count", [0, 1, 512])
def test_few_are_counted_exactly(count: int) -> None:
    uniques = Uniques()
    uniques.add(hashes(count))
    uniques.add(hashes(count))
    assert len(Uniques.parse(uniques.serialize())) == count


@pytest.mark.parametrize("count", [600, 5000, 50_000, 400_000])
def test_many_within_two_percent(count: int) -> None:
    uniques = Uniques()
    for part in np.array_split(hashes(count), 7):
        uniques.add(part)
    assert len(Uniques.parse(uniques.serialize())) == pytest.approx(count, rel=0.02)


def test_unions() -> None:
    few, many, more = Uniques(), Uniques(), Uniques()
    few.add(hashes(100, 2))
    many.add(hashes(10_000, 3))
    more.add(hashes(10_000, 4))
    for order in ((few, many, more), (more, few, many), (many, more, few)):
        union = Uniques()
        for each in order:
            union.unite(each.serialize())
            union.unite(each)
        assert len(union) == pytest.approx(20_100, rel=0.02)
