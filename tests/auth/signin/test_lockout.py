from __future__ import annotations

import pytest

from auth.errors import LockedOut
from auth.signin.lockout import Lockout, LockoutPolicy, Slope, network

ATTACKER = "203.0.113.5"
HOME = "198.51.100.7"


def guess(lockout: Lockout, account: str, address: str, now: float) -> bool:
    """A wrong password; whether it was looked at."""
    try:
        lockout.attempt(account, address, now)
    except LockedOut:
        return False
    return True


class TestAThousandWrongPasswords:
    def test_they_lock_one_account_and_slow_one_address_and_nobody_else(self) -> None:
        lockout = Lockout()
        looked_at = sum(guess(lockout, "jane", ATTACKER, now=number * 0.1) for number in range(1000))
        now = 100.0
        assert looked_at <= 12
        with pytest.raises(LockedOut) as locked:
            lockout.attempt("jane", HOME, now)
        assert locked.value.retry_after_s > 20
        lockout.attempt("joan", HOME, now).succeeded()
        # The address was slowed by twelve failures only; thirty are free.
        lockout.attempt("joan", ATTACKER, now).succeeded()

    def test_at_the_same_moment_they_get_no_more_tries(self) -> None:
        lockout = Lockout()
        assert sum(guess(lockout, "jane", ATTACKER, now=5.0) for _ in range(1000)) == 6

    def test_on_a_thousand_accounts_they_slow_the_address(self) -> None:
        lockout = Lockout()
        looked_at = sum(guess(lockout, f"user{n}", ATTACKER, now=n * 0.1) for n in range(1000))
        assert 30 < looked_at < 40
        with pytest.raises(LockedOut) as locked:
            lockout.attempt("joan", ATTACKER, 100.0)
        assert locked.value.retry_after_s <= 30
        lockout.attempt("joan", HOME, 100.0)
        lockout.attempt("user1", HOME, 100.0)

    def test_a_day_of_them_on_one_account(self) -> None:
        lockout = Lockout()
        looked_at = sum(
            guess(lockout, "jane", ATTACKER, now=float(second)) for second in range(0, 86_400, 10)
        )
        assert looked_at < 120


class TestGrowing:
    def test_the_delay_doubles_to_its_limit(self) -> None:
        slope = Slope(free=2, first_s=1, longest_s=10, forget_s=60)
        delays = [slope.delay_s(failures) for failures in (0, 1, 2, 3, 4, 5, 6, 7, 5000)]
        assert delays == [0, 0, 0, 1, 2, 4, 8, 10, 10]

    def test_what_is_refused_does_not_count(self) -> None:
        lockout = Lockout(LockoutPolicy(account=Slope(free=0, first_s=10, longest_s=1000, forget_s=3600)))
        assert guess(lockout, "jane", ATTACKER, 0)
        assert not any(guess(lockout, "jane", ATTACKER, second) for second in range(1, 10))
        assert lockout.delayed("jane", 9) == 1
        assert guess(lockout, "jane", ATTACKER, 10)
        assert lockout.delayed("jane", 10) == 20

    def test_time_forgets(self) -> None:
        lockout = Lockout(LockoutPolicy(account=Slope(free=3, first_s=1, longest_s=60, forget_s=100)))
        for _ in range(3):
            lockout.attempt("jane", ATTACKER, 0)
        lockout.attempt("jane", ATTACKER, 250)  # two halvings later
        assert lockout.delayed("jane", 250) == 0


class TestOutcome:
    def test_success_starts_the_account_over(self) -> None:
        lockout = Lockout()
        for _ in range(3):
            for _ in range(5):
                lockout.attempt("jane", HOME, 0)
            lockout.attempt("jane", HOME, 0).succeeded()
        assert lockout.delayed("jane", 0) == 0

    def test_success_does_not_start_the_address_over(self) -> None:
        lockout = Lockout(LockoutPolicy(address=Slope(free=3, first_s=1, longest_s=60, forget_s=100)))
        for number in range(4):
            lockout.attempt(f"victim{number}", ATTACKER, number * 0.001)
            if number < 3:
                lockout.attempt("own", ATTACKER, number * 0.001).succeeded()
        with pytest.raises(LockedOut):
            lockout.attempt("own", ATTACKER, 0.5)

    def test_a_first_step_counts_neither_way(self) -> None:
        lockout = Lockout(LockoutPolicy(account=Slope(free=3, first_s=10, longest_s=60, forget_s=100)))
        for _ in range(50):
            lockout.attempt("jane", ATTACKER, 0).withdrawn()
        # Codes are guessed between right passwords.
        for _ in range(4):
            lockout.attempt("jane", ATTACKER, 0).withdrawn()
            lockout.attempt("jane", ATTACKER, 0)
        with pytest.raises(LockedOut):
            lockout.attempt("jane", ATTACKER, 0)

    def test_an_administrator_may_forgive(self) -> None:
        lockout = Lockout()
        while guess(lockout, "jane", ATTACKER, 0):
            pass
        assert lockout.delayed("jane", 0) > 0
        lockout.forgive("jane")
        lockout.attempt("jane", HOME, 0)


class TestAddresses:
    @pytest.mark.parametrize(
        ("address", "counted_as"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            ("not an address", "not an address"),
        ],
    )
    def test_what_counts_as_one(self, address: str, counted_as: str) -> None:
        assert network(address) == counted_as

    def test_a_line_does_not_get_more_tries_by_ipv6(self) -> None:
        lockout = Lockout()
        looked_at = sum(guess(lockout, f"user{n}", f"2001:db8::{n:x}", 0) for n in range(1000))
        assert looked_at == 31
        assert guess(lockout, "joan", "2001:db8:0:1::1", 0)


class TestMemory:
    def test_it_is_bounded_and_keeps_who_is_delayed(self) -> None:
        lockout = Lockout(LockoutPolicy(max_entries=100))
        while guess(lockout, "jane", ATTACKER, 0):
            pass
        for number in range(10_000):
            guess(lockout, f"made up {number}", f"10.{number >> 8}.{number & 255}.1", 0)
        assert lockout.delayed("jane", 0) > 0
        assert lockout.entries <= 200

    def test_also_when_all_are_delayed(self) -> None:
        always = Slope(free=0, first_s=10, longest_s=60, forget_s=100)
        lockout = Lockout(LockoutPolicy(account=always, address=always, max_entries=100))
        for number in range(1000):
            assert guess(lockout, f"user{number}", f"10.{number >> 8}.{number & 255}.1", 0)
        assert lockout.entries == 200
        assert lockout.delayed("user999", 0) == 10
