from __future__ import annotations

import ipaddress

import pytest

from transport.errors import LinkError
from transport.webrtc.candidates import (
    MAX_ADDRESSES,
    interface_addresses,
    local_candidates,
    reachable,
)
from transport.webrtc.wire import Candidate


class TestLocalCandidates:
    async def test_advertised_first_then_ours_udp_before_tcp(self):
        found = await local_candidates(("192.0.2.2", 8189), ["203.0.113.7:443", "2001:db8::7"])
        assert found == (
            Candidate("203.0.113.7", 443),
            Candidate("2001:db8::7", 8189),
            Candidate("192.0.2.2", 8189),
            Candidate("203.0.113.7", 443, "tcp"),
            Candidate("2001:db8::7", 8189, "tcp"),
            Candidate("192.0.2.2", 8189, "tcp"),
        )

    async def test_loopback_if_that_is_what_is_listened_on(self):
        assert await local_candidates(("127.0.0.1", 8189), tcp=False) == (Candidate("127.0.0.1", 8189),)

    async def test_a_name_may_be_listened_on(self):
        found = await local_candidates(("localhost", 8189), tcp=False)
        assert found and all(ipaddress.ip_address(candidate.ip).is_loopback for candidate in found)

    async def test_names_are_resolved_and_nothing_is_told_twice(self):
        found = await local_candidates(("127.0.0.1", 8189), ["localhost", "127.0.0.1"], tcp=False)
        assert Candidate("127.0.0.1", 8189) in found and len(set(found)) == len(found)
        assert all(ipaddress.ip_address(candidate.ip).is_loopback for candidate in found)

    async def test_a_name_that_does_not_resolve(self):
        with pytest.raises(LinkError, match=r"'no\.such\.host\.invalid' does not resolve") as caught:
            await local_candidates(("127.0.0.1", 8189), ["no.such.host.invalid"])
        assert caught.value.reason == "not_found"

    @pytest.mark.parametrize("wildcard", ["", "0.0.0.0", "::"])
    async def test_a_wildcard_stands_for_the_interfaces(self, wildcard):
        found = await local_candidates((wildcard, 8189), tcp=False)
        assert [item.ip for item in found] == interface_addresses(wildcard or "0.0.0.0")[:MAX_ADDRESSES]

    async def test_not_more_than_a_viewer_should_try(self):
        found = await local_candidates(("127.0.0.1", 1), [f"203.0.113.{n}" for n in range(20)])
        assert len(found) == 2 * MAX_ADDRESSES and found[0].ip == "203.0.113.0"


class TestReachable:
    FOUND = tuple(
        map(
            ipaddress.ip_address,
            ["::1", "fe80::1", "2001:db8::2", "127.0.0.1", "169.254.3.4", "192.0.2.2", "ff02::1", "0.0.0.0"],
        )
    )

    def test_what_others_can_reach_ipv4_first(self):
        assert reachable(self.FOUND, with_ipv6=True) == ["192.0.2.2", "2001:db8::2"]
        assert reachable(self.FOUND, with_ipv6=False) == ["192.0.2.2"]

    def test_loopback_only_on_a_machine_that_has_nothing_else(self):
        alone = [ip for ip in self.FOUND if ip.is_loopback or ip.is_link_local]
        assert reachable(alone, with_ipv6=True) == ["127.0.0.1", "::1"]
        assert reachable([], with_ipv6=True) == []
