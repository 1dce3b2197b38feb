from __future__ import annotations

from loadtests.audience.visits import plan
from loadtests.crowd.tally import Counts


def test_a_plan_is_the_same_each_time_and_everybody_is_gone_in_time():
    visits = plan(100, 60)
    assert visits == plan(100, 60)
    assert len(visits) == 110
    assert len({visit.person for visit in visits}) == 100
    assert max(visit.arrives_s + visit.watches_s for visit in visits) < 70
    assert {visit.line.loss for visit in visits} == {0, 0.02, 0.05, 0.10}
    assert len({(visit.headers["X-Forwarded-For"], visit.headers["User-Agent"]) for visit in visits}) == 100


def test_small_audiences_have_few_kinds_of_devices():
    devices = [visit.agent[1] for visit in plan(12, 10) if visit.said or visit.plis]
    assert set(devices) == {"desktop", "phone"}


def test_what_had_come_by_a_second():
    (visit, *_) = plan(10, 10)
    visit.began_at, visit.ended_at = 100.5, 102.5
    visit.samples = {101: Counts(received=3), 102: Counts(received=7)}
    visit.counts = Counts(received=9)
    assert [visit.sent_until(second).received for second in (100, 101, 102, 103)] == [0, 3, 7, 9]
