"""How often one address may ask: a token bucket for each, in bounded memory.

The defaults are far above what viewers do. A thousand of them may sit behind one address, join within five
seconds, and ask the API twice a second each; an office may log in at once in the morning. What they stop is
a program that hammers. Guessing passwords is stopped earlier, by the lock-out of accounts and addresses.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from auth.errors import RateLimited
from auth.permissions.limits import parse_address

#: What providers give one customer; its addresses are all his.
_IPV6_PREFIX_BITS = 64
#: About 10 MB.
_MAX_ADDRESSES = 65_536


@dataclass(frozen=True, slots=True)
class Rate:
    """A steady rate, and how much may come at once after a pause.

    Attributes:
        per_s: requests per second.
        burst: requests at once.
    """

    per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not (self.per_s > 0 and self.burst >= 1):
            raise ValueError("a rate: expected more than 0 per second, and a burst of 1 or more")


LOGIN = Rate(per_s=20, burst=1000)
WHEP = Rate(per_s=400, burst=4000)
API = Rate(per_s=4000, burst=8000)


class RateLimiter:
    """Limits how often each address may do one thing. Thread-safe.

    Args:
        rate: for each address.
        max_addresses: remembered; beyond, the one that was quiet for longest is forgotten.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        rate: Rate,
        max_addresses: int = _MAX_ADDRESSES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self.refused = 0
        self._max_addresses = max_addresses
        self._clock = clock
        self._lock = threading.Lock()
        # Tokens left, and when that was. An address that is not here has a full bucket.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def check(self, address: str, cost: float = 1.0) -> None:
        """Count a request.

        Raises:
            RateLimited: too many came from there; this one does not count.
        """
        key = bucket_of(address)
        now = self._clock()
        with self._lock:
            left, at = self._buckets.get(key, (float(self.rate.burst), now))
            left = min(self.rate.burst, left + (now - at) * self.rate.per_s)
            enough = left >= cost
            self._buckets[key] = (left - cost if enough else left, now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._max_addresses:
                self._buckets.popitem(last=False)
            if not enough:
                self.refused += 1
        if not enough:
            raise RateLimited((cost - left) / self.rate.per_s)


@dataclass(frozen=True, slots=True)
class Rates:
    """The limiters of a server."""

    login: RateLimiter
    whep: RateLimiter
    api: RateLimiter

    @classmethod
    def of(cls, login: Rate = LOGIN, whep: Rate = WHEP, api: Rate = API) -> Rates:
        """With these rates."""
        return cls(RateLimiter(login), RateLimiter(whep), RateLimiter(api))

    def change(self, login: Rate, whep: Rate, api: Rate) -> None:
        """Limit by other rates from now on."""
        self.login.rate, self.whep.rate, self.api.rate = login, whep, api


def bucket_of(address: str) -> str:
    """Who shares a bucket: one IPv4 address, one IPv6 network of a customer; all that is no address."""
    parsed = parse_address(address)
    if parsed is None:
        return ""
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> (128 - _IPV6_PREFIX_BITS):x}"
    return str(parsed)
