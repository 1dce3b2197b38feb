"""`[[auth.issuers]]`: identity providers whose tokens count here, and what their claims mean."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from auth.permissions.actions import Action, Role
from auth.tokens.outside import ClaimMap, OutsideIssuer
from auth.tokens.provider_keys import ALGORITHMS
from streamer.sections.base import Section


def _list(value: object) -> object:
    """One text where a list is meant."""
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]


class IssuerConfig(Section):
    """One issuer of tokens, by the keys that it publishes (RFC 7517)."""

    issuer: str
    audience: Texts
    jwks_url: str
    algorithms: tuple[str, ...] = ALGORITHMS
    actions_claim: str = "act"
    streams_claim: str = "str"
    roles_claim: str = ""
    roles: dict[str, Role] = Field(default_factory=dict)
    name_claim: str = "name"
    limits_claim: str = ""
    default_actions: tuple[Action, ...] = ()
    default_streams: Texts = ()

    @model_validator(mode="after")
    def _usable(self) -> IssuerConfig:
        if self.roles and not self.roles_claim:
            raise ValueError("roles are looked for in a claim; expected roles_claim")
        self.trusted()
        return self

    def trusted(self) -> OutsideIssuer:
        """As `auth` wants it.

        Raises:
            ValueError: it would be insecure.
        """
        claims = ClaimMap(
            actions=self.actions_claim,
            streams=self.streams_claim,
            roles=self.roles_claim,
            role_names=self.roles,
            name=self.name_claim,
            limits=self.limits_claim,
            default_actions=frozenset(self.default_actions),
            default_streams=self.default_streams,
        )
        return OutsideIssuer(self.issuer, self.audience, self.jwks_url, self.algorithms, claims)
