"""Where a stream goes, and how: from the configuration or from the database, in one form.

There is one relay for each destination, and one stream for each destination: who may manage the stream may
manage both.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from streamer.encryption import Floor, check_relay
from streamer.relay.errors import RelayRefused
from streamer.relay.platforms.broadcast import Announcement, Latency, Privacy
from streamer.sections.relay import RELAY_NAME, RelayConfig, check_key, check_passphrase, check_url, shown_url
from streamer.sections.stream import StreamConfig
from transport.media import Codec

_MAX_KEY_CHARACTERS = 512


class Platform(StrEnum):
    """Who takes the broadcast."""

    CUSTOM = "custom"
    YOUTUBE = "youtube"
    FACEBOOK = "facebook"
    TWITCH = "twitch"


class When(StrEnum):
    """What starts a relay."""

    MANUAL = "manual"  #: somebody does
    PUBLISHING = "publishing"  #: the publisher does, and its leaving ends it
    SCHEDULED = "scheduled"  #: the clock does


class Settings(BaseModel):
    """What can be chosen for a destination, besides its secrets.

    Attributes:
        platform: `custom` needs a `url`, the others an `account`.
        account: connection to the platform.
        url: of a custom destination.
        title: of the broadcast; by default the stream's.
        description: of the broadcast.
        privacy: who may see it.
        latency: what the platform trades between delay and steadiness.
        category: of what it is, in the platform's words.
        page: Facebook: the page to publish as; "" for what was picked when connecting.
        made_for_kids: as YouTube demands to be told.
        when: what starts it.
        starts_at: of `scheduled`, seconds since 1970.
        ends_at: when to stop; None for never.
        pbkeylen: key length of an SRT destination with a passphrase.
        latency_ms: of SRT.
        h265: H.265 may be sent as it is.
        silence: send silence where there is no sound.
        slate_s: how long a still picture keeps the broadcast alive while the publisher is away.
        rotate_s: begin a new broadcast so often, 0 for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    platform: Platform = Platform.CUSTOM
    account: str = Field("", max_length=64)
    url: str = ""
    title: str = Field("", max_length=100)
    description: str = Field("", max_length=5000)
    privacy: Privacy = "public"
    latency: Latency = "normal"
    category: str = Field("", max_length=100)
    page: str = Field("", max_length=64)
    made_for_kids: bool = False
    when: When = When.MANUAL
    starts_at: float | None = Field(None, ge=0)
    ends_at: float | None = Field(None, ge=0)
    pbkeylen: Literal[16, 24, 32] = 32
    latency_ms: int = Field(250, ge=20, le=8000)
    h265: bool = False
    silence: bool = True
    slate_s: float = Field(300.0, ge=0, le=86_400)
    rotate_s: float = Field(0.0, ge=0, le=7 * 86_400)

    @field_validator("url")
    @classmethod
    def _pushable(cls, url: str) -> str:
        return check_url(url) if url else ""

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.platform is Platform.CUSTOM and not self.url:
            raise ValueError('a custom destination needs url, for example "rtmps://host/app"')
        if self.platform is not Platform.CUSTOM and self.url:
            raise ValueError(f"{self.platform} says itself where to push; expected account, and no url")
        if self.platform is not Platform.CUSTOM and not self.account:
            raise ValueError(f"{self.platform} needs account: the id of a connection to it")
        if self.when is When.SCHEDULED and self.starts_at is None:
            raise ValueError('when = "scheduled" needs starts_at, seconds since 1970')
        if self.ends_at is not None and self.starts_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("expected ends_at after starts_at")
        return self


class Destination(BaseModel):
    """One destination with everything that a relay to it needs.

    Attributes:
        id: short and unique; of a fixed relay `STREAM:NAME`.
        stream: which one goes there.
        name: for people, unique among the stream's.
        settings: what was chosen.
        key: stream key, or SRT's stream id; "" where there is none or the platform tells it.
        passphrase: of SRT.
        fixed: it stands in the configuration and is changed there.
        tls_ca_file: certificates to check the server with; None for the system's.
        slate_image: the still picture; None for a plain one.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    stream: str
    name: str
    settings: Settings
    key: SecretStr = SecretStr("")
    passphrase: SecretStr | None = None
    fixed: bool = False
    tls_ca_file: Path | None = None
    slate_image: Path | None = None

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not RELAY_NAME.fullmatch(name):
            raise ValueError("expected a name of letters, digits, '.', '_' and '-', at most 64")
        return name

    @field_validator("key")
    @classmethod
    def _key_length(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if len(text) > _MAX_KEY_CHARACTERS or any(not each.isprintable() or each.isspace() for each in text):
            raise ValueError(f"expected at most {_MAX_KEY_CHARACTERS} characters without spaces")
        return key

    @model_validator(mode="after")
    def _consistent(self) -> Destination:
        if self.settings.url:
            check_key(self.settings.url, self.key.get_secret_value())
        check_passphrase(self.settings.url, self.passphrase)
        return self

    @property
    def shown_url(self) -> str:
        """Its address for people, without anything secret."""
        url = self.settings.url
        return shown_url(url, has_key=bool(self.key.get_secret_value())) if url else ""

    def is_same_place(self, other: Destination) -> bool:
        """Whether a broadcast there can go on here."""
        mine, others = self.settings, other.settings
        return (mine.platform, mine.account, mine.page) == (others.platform, others.account, others.page)

    @property
    def codecs(self) -> frozenset[Codec]:
        """What it takes as it is."""
        h265 = {Codec.H265} if self.settings.h265 else set()
        return frozenset({Codec.H264, Codec.AAC} | h265)

    def announcement(self, stream: StreamConfig) -> Announcement:
        """What the platform is told of the broadcast."""
        settings = self.settings
        return Announcement(
            title=settings.title or stream.title or self.stream,
            description=settings.description,
            privacy=settings.privacy,
            latency=settings.latency,
            category=settings.category,
            page=settings.page,
            made_for_kids=settings.made_for_kids,
        )

    def check(self, stream: StreamConfig) -> None:
        """Hold it to what its stream demands.

        Raises:
            RelayRefused: it is less; says what was expected.
        """
        if stream.e2e and not stream.clear_relays:
            raise RelayRefused(
                "the stream is encrypted end to end, and a relay's destination gets it in the clear; "
                "expected clear_relays = true in the stream's configuration"
            )
        if self.settings.url:
            has_passphrase = self.passphrase is not None
            check_floor(stream.encryption, self.settings.url, has_passphrase, self.settings.pbkeylen)


def check_floor(floor: Floor, url: str, has_passphrase: bool, pbkeylen: int) -> None:
    """Hold an address to a stream's `encryption`.

    Raises:
        RelayRefused: it is less; says what was expected.
    """
    try:
        check_relay(floor, url, has_passphrase=has_passphrase, pbkeylen=pbkeylen)
    except ValueError as error:
        raise RelayRefused(str(error)) from None


def fixed_destinations(stream: str, config: StreamConfig) -> list[Destination]:
    """The relays that stand in a stream's configuration."""
    return [_fixed(stream, relay) for relay in config.relays]


def _fixed(stream: str, relay: RelayConfig) -> Destination:
    settings = Settings(
        url=relay.url,
        when=When(relay.when),
        pbkeylen=relay.pbkeylen,
        latency_ms=relay.latency_ms,
        h265=relay.h265,
        silence=relay.silence,
        slate_s=relay.slate_s,
        rotate_s=relay.rotate_s,
    )
    return Destination(
        id=f"{stream}:{relay.label}",
        stream=stream,
        name=relay.label,
        settings=settings,
        key=relay.key,
        passphrase=relay.passphrase,
        fixed=True,
        tls_ca_file=relay.tls_ca_file,
        slate_image=relay.slate_image,
    )
