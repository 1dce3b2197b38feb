from __future__ import annotations

import threading

import pytest

from streamer.hub.demand import Demand
from tests.fakes.wait import wait_until


def test_nobody_wants_it_at_first() -> None:
    demand = Demand()
    assert not demand.wait(0)
    wait_until(lambda: demand.idle_s > 0)


def test_it_counts() -> None:
    demand = Demand()
    demand.acquire()
    demand.acquire()
    demand.release()
    assert demand.wait(0)
    assert demand.idle_s == 0
    demand.release()
    assert not demand.wait(0)


def test_idle_begins_when_the_last_one_leaves() -> None:
    demand = Demand()
    demand.acquire()
    before = demand.idle_s
    demand.release()
    assert before == 0
    assert demand.idle_s == pytest.approx(0, abs=5)
    wait_until(lambda: demand.idle_s > 0)


def test_a_waiting_thread_is_woken() -> None:
    demand = Demand()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(demand.wait(60.0)))
    thread.start()
    demand.acquire()
    thread.join(20)
    assert answers == [True]


def test_wake_lets_a_waiting_thread_look_around() -> None:
    demand = Demand()
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(demand.wait(60.0)))
    thread.start()

    def woken() -> bool:
        demand.wake()
        return bool(answers)

    wait_until(woken)
    thread.join()
    assert answers == [False]


def test_many_at_once_leave_nothing_behind() -> None:
    demand = Demand()

    def come_and_go() -> None:
        for _ in range(500):
            demand.acquire()
            demand.release()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not demand.wait(0)


def test_the_first_to_want_it_is_told_of_and_nobody_after_him() -> None:
    demand, told = Demand(), list[float]()
    demand.on_wanted.append(lambda: told.append(demand.idle_s))
    demand.acquire()
    demand.acquire()
    assert told == [0.0]
    demand.release()
    demand.release()
    demand.acquire()
    assert told == [0.0, 0.0]
