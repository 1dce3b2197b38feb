from __future__ import annotations

import pytest

from auth.access.rates import API, LOGIN, WHEP, Rate, RateLimiter, Rates, bucket_of
from auth.errors import RateLimited
from tests.auth.ground import Clock


def test_a_burst_and_then_the_rate() -> None:
    clock = Clock(0)
    limiter = RateLimiter(Rate(per_s=2, burst=3), clock=clock)
    for _ in range(3):
        limiter.check("192.0.2.1")
    with pytest.raises(RateLimited, match="try again in 1 s") as refusal:
        limiter.check("192.0.2.1")
    assert refusal.value.retry_after_s == pytest.approx(0.5)
    limiter.check("192.0.2.2")
    clock.now += 0.5
    limiter.check("192.0.2.1")
    with pytest.raises(RateLimited):
        limiter.check("192.0.2.1")
    clock.now += 1000
    for _ in range(3):
        limiter.check("192.0.2.1")
    assert limiter.refused == 2


def test_who_is_refused_is_not_punished_for_asking() -> None:
    clock = Clock(0)
    limiter = RateLimiter(Rate(per_s=1, burst=1), clock=clock)
    limiter.check("192.0.2.1")
    for _ in range(100):
        with pytest.raises(RateLimited):
            limiter.check("192.0.2.1")
    clock.now += 1
    limiter.check("192.0.2.1")


def test_memory_is_bounded() -> None:
    limiter = RateLimiter(Rate(per_s=1, burst=1), max_addresses=100, clock=Clock(0))
    for number in range(10_000):
        limiter.check(f"10.0.{number // 256}.{number % 256}")
    assert len(limiter) == 100


def test_buckets() -> None:
    assert bucket_of("2001:db8:1:2::1") == bucket_of("2001:db8:1:2:ffff::1")
    assert bucket_of("2001:db8:1:2::1") != bucket_of("2001:db8:1:3::1")
    assert bucket_of("::ffff:192.0.2.1") == bucket_of("192.0.2.1") != bucket_of("192.0.2.2")
    assert bucket_of("a socket") == bucket_of("") == ""


@pytest.mark.parametrize("rate", [(0, 1), (1, 0), (float("nan"), 1)])
def test_rates_that_are_none(rate: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="expected more than 0"):
        Rate(*rate)


class TestDefaults:
    def test_a_thousand_viewers_behind_one_address_join_within_five_seconds(self) -> None:
        clock = Clock(0)
        rates = Rates(*(RateLimiter(rate, clock=clock) for rate in (LOGIN, WHEP, API)))
        for number in range(1000):
            clock.now = number / 200
            rates.login.check("192.0.2.1")
            # WHEP: the offer, candidates, and the end of it.
            for _ in range(4):
                rates.whep.check("192.0.2.1")
            for _ in range(10):
                rates.api.check("192.0.2.1")

    def test_two_hundred_joins_a_second_for_minutes(self) -> None:
        clock = Clock(0)
        limiter = RateLimiter(WHEP, clock=clock)
        for number in range(30_000):
            clock.now = number / 200
            limiter.check("192.0.2.1")

    def test_a_thousand_open_pages(self) -> None:
        clock = Clock(0)
        limiter = RateLimiter(API, clock=clock)
        for number in range(20_000):
            clock.now = number / 1000
            limiter.check("192.0.2.1", cost=2)

    def test_a_program_that_guesses_is_slowed(self) -> None:
        clock = Clock(0)
        rates = Rates.of()
        assert (rates.login.rate, rates.whep.rate, rates.api.rate) == (LOGIN, WHEP, API)
        limiter = RateLimiter(LOGIN, clock=clock)
        refused = 0
        for number in range(10_000):
            clock.now = number / 1000
            try:
                limiter.check("192.0.2.1")
            except RateLimited:
                refused += 1
        assert refused > 8000
