from __future__ import annotations

from typing import Any

import pytest

from auth.errors import TokenInvalid
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.limits import NO_LIMITS, Limits
from auth.tokens.outside import ALGORITHMS, ClaimMap, OutsideIssuer

WATCH = frozenset({Action.WATCH, Action.LISTEN})


@pytest.mark.parametrize(
    ("claims", "payload", "actions", "streams"),
    [
        (ClaimMap(), {"act": ["watch"], "str": ["cam"]}, WATCH, ("cam",)),
        (ClaimMap(), {"act": "watch other:thing", "str": "cam a-*"}, WATCH, ("cam", "a-*")),
        (ClaimMap(), {}, frozenset(), ()),
        (ClaimMap(), {"act": ["WATCH"], "str": ["cam"]}, frozenset(), ("cam",)),
        (ClaimMap(actions="a.b", streams="s"), {"a": {"b": ["watch"]}, "s": ["cam"]}, WATCH, ("cam",)),
        (ClaimMap(actions="a.b"), {"a.b": ["watch"], "str": ["cam"]}, WATCH, ("cam",)),
        (ClaimMap(actions="a.b"), {"a": 7, "str": ["cam"]}, frozenset(), ("cam",)),
        (ClaimMap(actions="https://x.example/act"), {"https://x.example/act": "watch"}, WATCH, ()),
        (
            ClaimMap(roles="realm_access.roles", role_names={"crew": Role.PUBLISHER}, default_streams=("*",)),
            {"realm_access": {"roles": ["crew", "staff"]}},
            actions_of(Role.PUBLISHER),
            ("*",),
        ),
        (ClaimMap(default_actions=WATCH, default_streams=("cam",)), {}, WATCH, ("cam",)),
        # What is there is taken, be it nothing.
        (ClaimMap(default_streams=("*",)), {"act": "watch", "str": []}, WATCH, ()),
        (ClaimMap(default_streams=("*",)), {"act": "watch", "str": {"cam": 1}}, WATCH, ()),
        (ClaimMap(default_actions=WATCH), {"act": "other"}, frozenset(), ()),
    ],
)
def test_claims(
    claims: ClaimMap, payload: dict[str, Any], actions: frozenset[Action], streams: tuple[str, ...]
) -> None:
    allowed = claims.read(payload)
    assert allowed.actions == actions
    assert allowed.streams == streams


def test_limits_and_name() -> None:
    claims = ClaimMap(limits="lim", name="profile.name")
    allowed = claims.read({"lim": {"viewers": 3}, "profile": {"name": "Ann"}})
    assert allowed.limits == Limits(viewers=3)
    assert allowed.name == "Ann"
    assert ClaimMap().read({"lim": {"viewers": 3}, "name": 7}).limits == NO_LIMITS


@pytest.mark.parametrize("payload", [{"str": ["a*b"]}, {"lim": {"new": 1}}, {"lim": 7}])
def test_what_is_not_understood_is_not_ignored(payload: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid, match="not known here"):
        ClaimMap(limits="lim").read(payload)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": ""}, "needs its `issuer`"),
        ({"audience": ()}, "at least one `audience`"),
        ({"audience": ("",)}, "at least one `audience`"),
        ({"algorithms": ()}, "expected some of"),
        ({"algorithms": ("RS256", "HS256")}, "algorithms HS256: expected some of"),
        ({"algorithms": ("none",)}, "algorithms none: expected some of"),
        ({"jwks_url": "http://idp.example/keys"}, "expected https"),
        ({"jwks_url": "file:///etc/passwd"}, "expected https"),
        ({"jwks_url": ""}, "expected https"),
    ],
)
def test_insecure_issuers_are_refused(changes: dict[str, Any], expected: str) -> None:
    good: dict[str, Any] = {"issuer": "i", "audience": ("a",), "jwks_url": "https://idp.example/keys"}
    OutsideIssuer(**good)
    OutsideIssuer(**good | {"jwks_url": "http://127.0.0.1:8000/keys"})
    with pytest.raises(ValueError, match=expected):
        OutsideIssuer(**good | changes)


def test_no_symmetric_algorithm_is_among_them() -> None:
    assert not [name for name in ALGORITHMS if name.startswith("HS") or name == "none"]
