from __future__ import annotations

import pytest

from auth.permissions.limits import MAX_NETWORKS, NO_LIMITS, Limits, parse_address


@pytest.mark.parametrize(
    "limits",
    [
        NO_LIMITS,
        Limits.of(viewers=3),
        Limits.of(networks=["192.0.2.0/24", "2001:db8::/32"], once=True),
        Limits.of(viewers=1, networks=["192.0.2.7"], once=True),
    ],
)
def test_a_claim_says_the_same(limits: Limits) -> None:
    assert Limits.from_claim(limits.to_claim()) == limits


def test_no_limits_need_no_claim() -> None:
    assert NO_LIMITS.to_claim() is None


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ([], "an object"),
        ({"viewer": 3}, "not 'viewer'"),
        ({"viewers": 0}, "whole number from 1"),
        ({"viewers": True}, "whole number from 1"),
        ({"viewers": "3"}, "whole number from 1"),
        ({"once": 1}, "true or false"),
        ({"net": "192.0.2.0/24"}, "a list"),
        ({"net": 7}, "a list"),
        ({"net": [7]}, "texts"),
        ({"net": ["192.0.2.7/24"]}, "no address range"),
        ({"net": ["host.example"]}, "no address range"),
        ({"net": ["192.0.2.0/24"] * (MAX_NETWORKS + 1)}, "16 at most"),
    ],
)
def test_what_is_not_understood_is_not_ignored(claim: object, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Limits.from_claim(claim)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.3.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_address_ranges(address: str, admitted: bool) -> None:
    assert Limits.of(networks=["192.0.2.0/24", "2001:db8::/32"]).admits(address) is admitted
    assert NO_LIMITS.admits(address)


def test_addresses() -> None:
    assert str(parse_address("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(parse_address("fe80::1%eth0")) == "fe80::1"
    assert parse_address("192.0.2.1:80") is None
