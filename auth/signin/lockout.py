"""Slowing down who guesses: a delay that grows with every failure, per account and per address.

A pure state machine: times come in, a refusal comes out. An attempt counts as a failure from the moment it is
let in, until its outcome says otherwise, so that a thousand at the same time get no more tries than a
thousand one after the other. What is refused is not looked at and does not count. An account that is delayed
stays usable by who is logged in already; another account from another address never notices.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from auth.errors import LockedOut

# How many entries are looked at for one that may go when the table is full.
_SEARCHED = 64


@dataclass(frozen=True, slots=True)
class Slope:
    """How a delay grows.

    Attributes:
        free: failures without any.
        first_s: the delay after the next one; it doubles from there.
        longest_s: where it stops growing.
        forget_s: this long without a failure, and the count is halved.
    """

    free: int
    first_s: float
    longest_s: float
    forget_s: float

    def delay_s(self, failures: int) -> float:
        """How long to wait after so many failures."""
        if failures <= self.free:
            return 0.0
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - self.free - 1, 60))


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    """Defaults: an account waits up to 15 minutes, an address, behind which many may be, up to 30 seconds."""

    account: Slope = Slope(free=5, first_s=2.0, longest_s=900.0, forget_s=3600.0)
    address: Slope = Slope(free=30, first_s=0.5, longest_s=30.0, forget_s=300.0)
    max_entries: int = 50_000


def network(address: str) -> str:
    """What is counted as one address: all of IPv4, a /64 of IPv6, which is what one line has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(slots=True)
class _Entry:
    failures: int = 0
    last: float = 0.0
    blocked_until: float = float("-inf")


class Attempt:
    """One attempt that was let in. Until it is told otherwise it has failed."""

    def __init__(self, before: list[tuple[_Table, str, float]]) -> None:
        self._before = before

    def succeeded(self) -> None:
        """Whole: the account starts over; the address only gets back what this attempt counted.

        Otherwise one account of their own would let somebody start over as often as they like.
        """
        self.withdrawn()
        for table, key, _ in self._before[1:]:
            table.clear(key)

    def withdrawn(self) -> None:
        """Neither right nor wrong: a first step of two, or nobody was there to look at it."""
        for table, key, blocked_until in self._before:
            table.take_back(key, blocked_until)


class Lockout:
    """The failures of late. Per process and in memory: a restart forgives, and costs an attacker more."""

    def __init__(self, policy: LockoutPolicy | None = None) -> None:
        policy = policy or LockoutPolicy()
        self._accounts = _Table(policy.account, policy.max_entries)
        self._addresses = _Table(policy.address, policy.max_entries)

    def attempt(self, account: str | None, address: str, now: float) -> Attempt:
        """Let an attempt in, or refuse it.

        Args:
            account: the name tried, folded, whether anybody has it or not; None when none was given.
            address: where it comes from.
            now: seconds, of any clock that does not go back.

        Raises:
            LockedOut: too early; says how long to wait.
        """
        source = network(address)
        tried = [(self._addresses, source)]
        if account is not None:
            tried.append((self._accounts, account))
        wait_s = max(table.wait_s(key, now) for table, key in tried)
        if wait_s > 0:
            raise LockedOut(wait_s)
        return Attempt([(table, key, table.count(key, now)) for table, key in tried])

    @property
    def entries(self) -> int:
        """How much is remembered."""
        return len(self._accounts) + len(self._addresses)

    def forgive(self, account: str) -> None:
        """Start an account over, as an administrator may."""
        self._accounts.clear(account)

    def delayed(self, account: str, now: float) -> float:
        """How long an account is delayed yet, seconds."""
        return self._accounts.wait_s(account, now)


class _Table:
    """Entries by key, the least recently counted first. Full: one that is not delayed goes."""

    def __init__(self, slope: Slope, max_entries: int) -> None:
        self._slope = slope
        self._max_entries = max_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def wait_s(self, key: str, now: float) -> float:
        entry = self._entries.get(key)
        return max(0.0, entry.blocked_until - now) if entry is not None else 0.0

    def count(self, key: str, now: float) -> float:
        """Count a failure; returns until when the key was delayed before, for `take_back`."""
        entry = self._entries.get(key)
        if entry is None:
            self._make_room(now)
            entry = self._entries[key] = _Entry(last=now)
        self._entries.move_to_end(key)
        halvings = int((now - entry.last) / self._slope.forget_s)
        entry.failures = (entry.failures >> min(halvings, 63)) + 1
        entry.last = now
        before, entry.blocked_until = entry.blocked_until, now + self._slope.delay_s(entry.failures)
        return before

    def take_back(self, key: str, blocked_until: float) -> None:
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.failures -= 1
        entry.blocked_until = blocked_until
        if entry.failures <= 0:
            del self._entries[key]

    def clear(self, key: str) -> None:
        self._entries.pop(key, None)

    def _make_room(self, now: float) -> None:
        if len(self._entries) < self._max_entries:
            return
        oldest = next(iter(self._entries))
        for index, (key, entry) in enumerate(self._entries.items()):
            if entry.blocked_until <= now or index >= _SEARCHED:
                oldest = key if entry.blocked_until <= now else oldest
                break
        del self._entries[oldest]
