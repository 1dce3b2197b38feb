"""`[[webhooks]]`: who is told of what happens to streams and their audiences."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from streamer.sections.base import Section

Kind = Literal["stream.start", "stream.end", "viewers.peak", "quality.drop"]


class WebhookConfig(Section):
    """An address that is told.

    Attributes:
        secret: signs what is sent, at least 16 characters.
        events: which; all unless said otherwise.
        streams: of which; of all when empty.
        viewers: with this many at once, and at every doubling, a peak is told of.
        quality_below: a mean quality under this is told of.
    """

    url: str
    secret: SecretStr
    events: tuple[Kind, ...] = ("stream.start", "stream.end", "viewers.peak", "quality.drop")
    streams: tuple[str, ...] = ()
    viewers: int = Field(100, ge=1)
    quality_below: float = Field(70.0, ge=1, le=100)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("expected an https:// or http:// address, without a password")
        return url

    @field_validator("secret")
    @classmethod
    def _long(cls, secret: SecretStr) -> SecretStr:
        if len(secret) < 16:
            raise ValueError(f"expected at least 16 characters, these are {len(secret)}")
        return secret
