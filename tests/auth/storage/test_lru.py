from __future__ import annotations

from auth.storage.lru import LruCache


def test_what_was_not_used_for_longest_goes() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.add("a", 1)
    cache.add("b", 2)
    assert cache.find("a") == 1
    cache.add("c", 3)
    assert cache.find("b") is None
    assert (cache.find("a"), cache.find("c")) == (1, 3)
    assert len(cache) == 2


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.add("a", 1)
    cache.add("a", 2)
    assert cache.find("a") == 2
    assert len(cache) == 1
    cache.remove("a")
    cache.remove("a")
    assert cache.find("a") is None
