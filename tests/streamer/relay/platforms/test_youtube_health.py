from __future__ import annotations

import pytest

from streamer.relay.platforms.broadcast import Health, HealthState
from streamer.relay.platforms.youtube_health import Asking, health_of
from tests.auth.ground import Clock

DAY_S = 86_400.0


def stream(status: str, *issues: dict[str, str]) -> dict[str, object]:
    return {"status": {"healthStatus": {"status": status, "configurationIssues": list(issues)}}}


def broadcast(life: str, **statistics: str) -> dict[str, object]:
    return {"status": {"lifeCycleStatus": life}, "statistics": statistics}


@pytest.mark.parametrize(
    ("life", "status", "state"),
    [
        ("live", "good", HealthState.GOOD),
        ("live", "ok", HealthState.POOR),
        ("live", "bad", HealthState.BAD),
        ("live", "noData", HealthState.BAD),
        ("ready", "noData", HealthState.WAITING),
        ("live", "unheardOf", HealthState.UNKNOWN),
        ("complete", "good", HealthState.ENDED),
        ("revoked", "good", HealthState.ENDED),
    ],
)
def test_states(life: str, status: str, state: HealthState) -> None:
    assert health_of(broadcast(life), stream(status), ()).state is state


def test_what_is_gone() -> None:
    assert health_of(None, None, ()).state is HealthState.ENDED
    assert health_of(broadcast("live"), None, ()).state is HealthState.UNKNOWN


def test_viewers_may_be_hidden() -> None:
    assert health_of(broadcast("live", concurrentViewers="12"), stream("good"), ()).viewers == 12
    assert health_of(broadcast("live"), stream("good"), ()).viewers is None


def test_issues_in_words_a_producer_can_use() -> None:
    known = {"type": "gopSizeLong", "severity": "error", "description": "Keyframe frequency …"}
    other = {"type": "unheardOf", "description": "Something in YouTube's words."}
    bare = {"type": "unheardOf"}
    issues = health_of(broadcast("live"), stream("bad", known, other, bare), ("remark",)).issues
    assert issues == (
        "keyframes are too far apart; set the encoder's keyframe interval to 2 s",
        "Something in YouTube's words.",
        "YouTube has found an issue",
        "remark",
    )


class TestAsking:
    def test_often_at_first_and_while_it_is_bad(self) -> None:
        clock = Clock()
        asking = Asking(clock)
        assert asking.again_s(9000, DAY_S / 2) == 10
        clock.now += 300
        assert asking.again_s(9000, DAY_S / 2) == 30
        asking.paced(Health(HealthState.BAD), 9000, DAY_S / 2, "")
        assert asking.again_s(9000, DAY_S / 2) == 10
        asking.begin()
        asking.paced(Health(HealthState.GOOD), 9000, DAY_S / 2, "")
        assert asking.again_s(9000, DAY_S / 2) == 10

    def test_the_units_last_for_the_day(self) -> None:
        asking = Asking(Clock())
        units, left_s, looks = 200, DAY_S, 0
        while left_s > 0:
            left_s -= asking.again_s(units, left_s)
            units -= 2
            looks += 1
        assert units >= 0
        assert looks > 50

    def test_without_units_not_before_there_are_new_ones(self) -> None:
        asking = Asking(Clock())
        assert asking.again_s(0, 1800) == 1800
        assert asking.again_s(-50, DAY_S) == 3600
