"""Of `[auth]`: who else decides who may in, and how often anybody may ask."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from auth.access.rates import API, LOGIN, WHEP, Rate
from auth.access.webhook import WebhookConfig
from auth.addresses import is_safe
from streamer.sections.base import Section
from streamer.sections.issuers import IssuerConfig

_SHORTEST_SECRET = 16


class RatesConfig(Section):
    """`[auth.rates]`: what one address may ask for, per second and at once after a pause."""

    login_per_s: float = Field(LOGIN.per_s, gt=0)
    login_burst: int = Field(LOGIN.burst, ge=1)
    whep_per_s: float = Field(WHEP.per_s, gt=0)
    whep_burst: int = Field(WHEP.burst, ge=1)
    api_per_s: float = Field(API.per_s, gt=0)
    api_burst: int = Field(API.burst, ge=1)

    @property
    def login(self) -> Rate:
        """Of logging in."""
        return Rate(self.login_per_s, self.login_burst)

    @property
    def whep(self) -> Rate:
        """Of joining, and everything else that WHEP is asked."""
        return Rate(self.whep_per_s, self.whep_burst)

    @property
    def api(self) -> Rate:
        """Of everything else that the API is asked."""
        return Rate(self.api_per_s, self.api_burst)


class OthersConfig(Section):
    """Who else decides: a program of the operator's, and issuers of tokens."""

    webhook: str = ""
    webhook_secret: SecretStr | None = None
    webhook_timeout_s: float = Field(3.0, gt=0, le=5)
    webhook_cache_s: float = Field(10.0, ge=0, le=3600)
    webhook_unreachable: Literal["refuse", "decide_alone"] = "refuse"
    issuers: tuple[IssuerConfig, ...] = ()
    rates: RatesConfig = RatesConfig()

    @field_validator("webhook")
    @classmethod
    def _confidential(cls, url: str) -> str:
        if url and not is_safe(url):
            raise ValueError(
                "what people present is sent there; expected https://…, or http:// to this machine"
            )
        return url

    @model_validator(mode="after")
    def _others_consistent(self) -> OthersConfig:
        secret = self.webhook_secret
        if self.webhook and (secret is None or len(secret) < _SHORTEST_SECRET):
            raise ValueError(
                f"what is asked is signed; expected webhook_secret of {_SHORTEST_SECRET} characters or more"
            )
        names = [issuer.issuer for issuer in self.issuers]
        if len(set(names)) < len(names):
            raise ValueError("expected each issuer once")
        return self

    def asked(self) -> WebhookConfig | None:
        """Whom to ask, as `auth` wants it; None for nobody."""
        if not self.webhook or self.webhook_secret is None:
            return None
        return WebhookConfig(
            self.webhook,
            self.webhook_secret.get_secret_value(),
            self.webhook_timeout_s,
            self.webhook_cache_s,
            may_be_missed=self.webhook_unreachable == "decide_alone",
        )
