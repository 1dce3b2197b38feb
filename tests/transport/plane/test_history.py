import random

from transport.plane.history import History, memory_of


def write(history: History, count: int, *, every: int, start: float = 0.0, size: int = 10) -> None:
    """Units 0.1 s and 9000 ticks apart, with a keyframe as the first and every so many."""
    for n in range(count):
        index = history.next_index
        history.append([bytes(size)] * (1 + index % 3), index * 9000, n % every == 0, start + n * 0.1)


def test_packets_are_found_by_their_number() -> None:
    history = History(keep_s=100, max_bytes=1 << 20)
    rng = random.Random(1)
    expected = []
    for index in range(200):
        payloads = [rng.randbytes(4) for _ in range(rng.randrange(1, 9))]
        expected += [(index, place) for place in range(len(payloads))]
        history.append(payloads, index, index % 10 == 0, 0.0)
    for number, (index, place) in enumerate(expected):
        held = history.packet(number)
        assert held is not None
        assert (held[0].index, held[1]) == (index, place)
    assert history.packet(len(expected)) is None and history.packet(-1) is None


def test_the_current_gop_stays_however_long_it_is() -> None:
    history = History(keep_s=1.5, max_bytes=1 << 20)
    write(history, 300, every=1000)
    keyframe = history.keyframe()
    assert keyframe is not None and keyframe.index == 0
    assert history.unit(0) is not None and not history.is_gone(0)


def test_an_old_gop_goes_when_the_next_one_has_lasted_long_enough() -> None:
    history = History(keep_s=1.5, max_bytes=1 << 20)
    write(history, 36, every=20)  # the second keyframe at 2.0 s, now is 3.5 s
    assert not history.is_gone(0)
    history.append([b"x"], 0, False, 3.6)
    assert history.is_gone(19) and not history.is_gone(20)
    newest = history.newest()
    assert newest is not None and newest.index == 36


def test_the_byte_limit_goes_before_everything() -> None:
    history = History(keep_s=1.5, max_bytes=5000)
    write(history, 200, every=1000, size=10)
    assert history.size_bytes <= 5000
    assert history.keyframe() is None  # nobody can start in the middle
    assert history.is_gone(0) and history.packet(0) is None
    history.append([bytes(5000)], 0, True, 100.0)
    keyframe = history.keyframe()
    assert keyframe is not None and keyframe.index == 200
    assert history.size_bytes == memory_of([bytes(5000)]) > 5000  # one unit is always kept


def test_bytes_are_accounted_for() -> None:
    history = History(keep_s=1.0, max_bytes=1 << 20)
    write(history, 500, every=7)
    held = [history.unit(index) for index in range(500)]
    assert history.size_bytes == sum(memory_of(unit.payloads) for unit in held if unit)
    history.clear()
    assert history.size_bytes == 0 and history.newest() is None and history.is_gone(499)


def test_intervals_are_those_between_units() -> None:
    history = History(keep_s=1.0, max_bytes=1 << 20)
    write(history, 3, every=7)
    assert [unit.interval for n in range(3) if (unit := history.unit(n))] == [0, 9000, 9000]
