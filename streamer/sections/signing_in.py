"""What `[auth]` says about people who sign in: passwords, sessions, proofs."""

from __future__ import annotations

from pydantic import Field, model_validator

from streamer.sections.base import Section

_DAY_S = 86_400.0


class SignInConfig(Section):
    """How long a password must be, and how long somebody stays signed in."""

    password_min_characters: int = Field(12, ge=8, le=128)
    session_idle_s: float = Field(12 * 3600.0, ge=60, le=90 * _DAY_S)
    session_max_s: float = Field(7 * _DAY_S, ge=60, le=365 * _DAY_S)
    confirm_after_s: float = Field(600.0, ge=30, le=_DAY_S)

    @model_validator(mode="after")
    def _ordered(self) -> SignInConfig:
        if self.session_idle_s > self.session_max_s:
            raise ValueError("session_idle_s: expected at most session_max_s")
        return self
