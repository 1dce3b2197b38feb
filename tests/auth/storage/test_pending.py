from __future__ import annotations

from auth.storage.pending import Pending
from tests.auth.rig import Clock


def test_it_is_waited_for_once() -> None:
    pending: Pending[str] = Pending(60, monotonic=Clock())
    key = pending.add("a")
    assert pending.see(key) == "a"
    assert pending.take(key) == "a"
    assert pending.take(key) is None
    assert pending.see(key) is None
    assert pending.take("never") is None


def test_not_for_ever() -> None:
    clock = Clock()
    pending: Pending[str] = Pending(60, monotonic=clock)
    early = pending.add("early")
    clock.advance(59)
    late = pending.add("late")
    clock.advance(1)
    assert pending.see(early) is None
    assert pending.take(early) is None
    assert pending.take(late) == "late"


def test_it_is_bounded_and_sweeps_itself() -> None:
    clock = Clock()
    pending: Pending[int] = Pending(60, max_entries=3, monotonic=clock)
    keys = [pending.add(number) for number in range(5)]
    assert [pending.take(key) for key in keys] == [None, None, 2, 3, 4]
    pending.add(5)
    clock.advance(60)
    pending.add(6)
    assert len(pending) == 1


def test_keys_cannot_be_guessed() -> None:
    pending: Pending[int] = Pending(60, monotonic=Clock())
    keys = {pending.add(0) for _ in range(100)}
    assert len(keys) == 100
    assert min(map(len, keys)) >= 32
