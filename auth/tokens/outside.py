"""Whose outside tokens are believed, and what their claims mean here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auth.addresses import is_safe
from auth.errors import BadGrant, TokenInvalid
from auth.permissions.actions import Action, Role, actions_of, with_sound
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.patterns import check_pattern
from auth.tokens.provider_keys import ALGORITHMS

_MAX_VALUES = 256


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a token's claims allow here."""

    actions: frozenset[Action]
    streams: tuple[str, ...]
    limits: Limits
    name: str


@dataclass(frozen=True, slots=True)
class ClaimMap:
    """Which claims say what. A claim's name may be a path (`realm_access.roles`) or contain dots itself.

    Attributes:
        actions: lists our actions; words that are none of them are other programs' affair.
        streams: lists stream patterns.
        roles: lists what `role_names` translates to our roles.
        name: who it is, for people.
        limits: as in our own tokens' `lim`; "" for none.
        default_actions: where the token has neither actions nor roles.
        default_streams: where the token has no streams.
    """

    actions: str = "act"
    streams: str = "str"
    roles: str = ""
    role_names: Mapping[str, Role] = field(default_factory=dict)
    name: str = "name"
    limits: str = ""
    default_actions: frozenset[Action] = frozenset()
    default_streams: tuple[str, ...] = ()

    def read(self, payload: Mapping[str, Any]) -> Allowed:
        """What a verified token allows; nothing at all is an answer too.

        Raises:
            TokenInvalid: a stream pattern or limit that means nothing here. Taking it for absent could allow
                more than its issuer meant.
        """
        words = _words(_claim(payload, self.actions))
        actions = frozenset(Action(word) for word in words if word in _ACTIONS)
        for word in _words(_claim(payload, self.roles)):
            if word in self.role_names:
                actions |= actions_of(self.role_names[word])
        if not words and not actions:
            actions = self.default_actions
        claimed = _claim(payload, self.streams)
        try:
            streams = tuple(check_pattern(word) for word in _words(claimed))
            limits = Limits.from_claim(_claim(payload, self.limits)) if self.limits else NO_LIMITS
        except (BadGrant, ValueError):
            raise TokenInvalid("its streams or limits are of a form that is not known here") from None
        name = _claim(payload, self.name)
        return Allowed(
            actions=with_sound(actions),
            streams=streams if claimed is not None else self.default_streams,
            limits=limits,
            name=name[:128] if isinstance(name, str) else "",
        )


@dataclass(frozen=True, slots=True)
class OutsideIssuer:
    """One issuer whose tokens count.

    Attributes:
        issuer: exactly as in `iss`.
        audience: one of which must be in `aud`.
        jwks_url: https, or http to this machine.
        algorithms: which count at all; a key counts only for its own.
        leeway_s: how far the issuer's clock may be ahead of ours. When a token ends is exact.
        refresh_s: between fetches of the keys.
        min_refresh_s: between fetches at least, whatever unknown keys are presented.
        max_stale_s: how long known keys count while fetching fails.
    """

    issuer: str
    audience: tuple[str, ...]
    jwks_url: str
    algorithms: tuple[str, ...] = ALGORITHMS
    claims: ClaimMap = ClaimMap()
    leeway_s: float = 5.0
    refresh_s: float = 600.0
    min_refresh_s: float = 30.0
    max_stale_s: float = 86_400.0
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what would be insecure.

        Raises:
            ValueError: says what was expected.
        """
        if not self.issuer or not self.audience or not all(self.audience):
            raise ValueError("an outside issuer needs its `issuer` and at least one `audience`")
        wrong = sorted(set(self.algorithms) - set(ALGORITHMS))
        if wrong or not self.algorithms:
            raise ValueError(f"algorithms {', '.join(wrong)}: expected some of {', '.join(ALGORITHMS)}")
        if not is_safe(self.jwks_url):
            raise ValueError("jwks_url: expected https://…, as whoever can change the keys can sign anything")


_ACTIONS = frozenset(Action)


def _claim(payload: Mapping[str, Any], name: str) -> object:
    """A claim by its own name, which may look like a path, or by path; None when it is not there."""
    if not name:
        return None
    if name in payload:
        return payload[name]
    value: object = payload
    for step in name.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return value


def _words(claim: object) -> list[str]:
    """A list of texts, or one text with spaces as in OAuth's `scope`."""
    if isinstance(claim, str):
        return claim.split()[:_MAX_VALUES]
    if isinstance(claim, list):
        return [word for word in claim if isinstance(word, str)][:_MAX_VALUES]
    return []
