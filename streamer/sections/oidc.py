"""`[oidc]`: signing in with an account of an OpenID Connect provider."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator, model_validator

from auth.addresses import is_safe
from streamer.sections.base import Section

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class OidcConfig(Section):
    """A provider; without `issuer` there is none."""

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr | None = None
    name: str = "sso"
    label: str = "Single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups: dict[str, str] = Field(default_factory=dict)
    creates: bool = True

    @field_validator("issuer")
    @classmethod
    def _confidential(cls, url: str) -> str:
        if url and not is_safe(url):
            raise ValueError(
                "expected the provider's https://… as it calls itself, or http:// on this machine"
            )
        return url

    @field_validator("name")
    @classmethod
    def _lasting(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError("expected lower-case letters, digits and '-'; accounts are tied to it for good")
        return name

    @field_validator("scopes")
    @classmethod
    def _openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError('expected "openid" among the scopes')
        return scopes

    @model_validator(mode="after")
    def _complete(self) -> OidcConfig:
        if self.issuer and not self.client_id:
            raise ValueError("expected client_id, as the provider knows this server")
        return self
