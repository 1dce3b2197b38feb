"""`[platforms.NAME]`: how this installation is registered with YouTube, Facebook and Twitch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from auth.addresses import is_safe
from streamer.sections.base import Section


class PlatformConfig(Section):
    """One registered application; without `client_id` nobody can connect to the platform.

    Attributes:
        base_url: of a stand-in such as `streamer sandbox`; all of the platform's addresses below it.
        ingest_ca_file: certificates to check with where media is pushed to, of a stand-in too.
    """

    client_id: str = Field("", max_length=256)
    client_secret: SecretStr = SecretStr("")
    base_url: str = ""
    ingest_ca_file: Path | None = None

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        if url and not is_safe(url):
            raise ValueError("expected https://host/path, or http:// on this machine")
        return url

    @field_validator("client_id")
    @classmethod
    def _plain(cls, client_id: str) -> str:
        if any(not letter.isprintable() or letter.isspace() for letter in client_id):
            raise ValueError("expected the application's id as the platform shows it, without spaces")
        return client_id

    @model_validator(mode="after")
    def _together(self) -> PlatformConfig:
        if bool(self.client_id) != bool(self.client_secret.get_secret_value()):
            raise ValueError("expected client_id and client_secret together")
        return self

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Everything in it that nobody may see."""
        return (self.client_secret,)


class YouTubeConfig(PlatformConfig):
    """YouTube; a device code needs an application of type "TVs and limited input devices" besides."""

    device_client_id: str = Field("", max_length=256)
    device_client_secret: SecretStr = SecretStr("")
    daily_units: int = Field(10_000, ge=100, le=1_000_000_000)

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Everything in it that nobody may see."""
        return (self.client_secret, self.device_client_secret)


class FacebookConfig(PlatformConfig):
    """Facebook; a device code needs the application's client token besides."""

    client_token: SecretStr = SecretStr("")

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """Everything in it that nobody may see."""
        return (self.client_secret, self.client_token)


class PlatformsConfig(Section):
    """The platforms."""

    youtube: YouTubeConfig = YouTubeConfig()
    facebook: FacebookConfig = FacebookConfig()
    twitch: PlatformConfig = PlatformConfig()
