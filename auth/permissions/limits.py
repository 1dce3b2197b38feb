"""What a token may be limited to: viewers at once, address ranges, one use.

`Limits` is what is written in a token; `auth.access.seats` counts and enforces it. An address range can be
checked from the token alone, and `Authority` does so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network

#: More ranges than anybody lists by hand; a token must stay short enough for an SRT stream ID.
MAX_NETWORKS = 16
MAX_VIEWERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a token reaches.

    Attributes:
        viewers: sessions at once; None for any number.
        networks: where they may come from; empty for anywhere.
        once: whether the token opens one session and no other after it.
    """

    viewers: int | None = None
    networks: tuple[Network, ...] = ()
    once: bool = False

    @classmethod
    def of(cls, viewers: int | None = None, networks: Iterable[str] = (), once: bool = False) -> Limits:
        """From what people and programs write.

        Raises:
            ValueError: says what was expected.
        """
        if viewers is not None and (type(viewers) is not int or not 1 <= viewers <= MAX_VIEWERS):
            raise ValueError(f"viewers at once: expected a whole number from 1 to {MAX_VIEWERS}")
        if type(once) is not bool:
            raise ValueError("one use: expected true or false")
        if isinstance(networks, str) or not isinstance(networks, Iterable):
            raise ValueError("address ranges: expected a list such as ['192.0.2.0/24', '2001:db8::/32']")
        parsed = []
        for text in networks:
            if not isinstance(text, str):
                raise ValueError("address ranges: expected texts such as '192.0.2.0/24'")
            try:
                parsed.append(_network(text))
            except ValueError:
                raise ValueError(
                    f"{text[:64]!r} is no address range; expected one such as 192.0.2.0/24 or 2001:db8::1"
                ) from None
        if len(parsed) > MAX_NETWORKS:
            raise ValueError(f"address ranges: expected {MAX_NETWORKS} at most")
        return cls(viewers, tuple(parsed), once)

    @classmethod
    def from_claim(cls, claim: object) -> Limits:
        """From a token's `lim` claim or a webhook's answer; a limit that is not understood is an error.

        Raises:
            ValueError: as `of`, or an unknown limit.
        """
        if claim is None:
            return NO_LIMITS
        if not isinstance(claim, Mapping):
            raise ValueError("limits: expected an object")
        unknown = sorted(str(name) for name in claim if name not in ("viewers", "net", "once"))
        if unknown:
            raise ValueError(f"limits: expected viewers, net or once, not {unknown[0][:32]!r}")
        viewers, networks, once = claim.get("viewers"), claim.get("net", ()), claim.get("once", False)
        try:
            return _known(viewers, tuple(networks) if type(networks) is list else networks, once)
        except TypeError:  # something in it that cannot be remembered, which cannot be right either
            return cls.of(viewers, networks, once)

    def to_claim(self) -> dict[str, Any] | None:
        """For a token; None when there is nothing to say."""
        claim: dict[str, Any] = {}
        if self.viewers is not None:
            claim["viewers"] = self.viewers
        if self.networks:
            claim["net"] = [str(network) for network in self.networks]
        if self.once:
            claim["once"] = True
        return claim or None

    def admits(self, address: str) -> bool:
        """Whether somebody may come from this address; what is no address comes from nowhere."""
        if not self.networks:
            return True
        parsed = parse_address(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self.networks
        )


NO_LIMITS = Limits()


@lru_cache(1024, typed=True)
def _known(viewers: Any, networks: Any, once: Any) -> Limits:
    """Many tokens say the same."""
    return Limits.of(viewers, networks, once)


@lru_cache(1024)
def _network(text: str) -> Network:
    """Parsing one takes longer than checking a signature, and the same ones come again and again."""
    return ip_network(text)


@lru_cache(4096)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address without port; one that a dual-stack socket shows as ::ffff:192.0.2.1 is 192.0.2.1."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
