"""`[streams.NAME]`: one stream, its source and its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from streamer.encryption import Floor, check_camera, check_published, check_source
from streamer.sections.base import Section
from streamer.sections.relay import RelayConfig
from transport.errors import WireError
from transport.rtsp.address import AMBIGUOUS, is_ambiguous
from transport.srt.options import PASSPHRASE_BYTES, SrtOptions
from transport.srt.wire import parse_srt_url

_MAX_KEY_CHARACTERS = 256


class StreamConfig(Section):
    """One stream: where it comes from, who may publish and watch it."""

    source: str = "publish"
    title: str = Field("", max_length=200)
    publish_key: SecretStr | None = None
    passphrase: SecretStr | None = None
    read_passphrase: SecretStr | None = None
    pbkeylen: Literal[16, 24, 32] = 32
    encryption: Floor = Floor.NONE
    public: bool = False
    on_demand: bool = False
    on_demand_idle_s: float = Field(10.0, ge=0.5, le=3600)
    renditions: Literal["auto", "off"] = "auto"
    grace_s: float = Field(30.0, ge=0, le=3600)
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    tls_verify: bool = True
    tls_ca_file: Path | None = None
    e2e: bool = False
    e2e_key_bytes: Literal[16, 32] = 32
    e2e_rotate_s: float = Field(3600.0, ge=10, le=86_400)
    analytics: bool = True
    clear_relays: bool = False
    record: bool = False
    record_encrypted: bool = False
    relays: tuple[RelayConfig, ...] = ()

    @field_validator("source")
    @classmethod
    def _known_source(cls, source: str) -> str:
        if source == "publish":
            return source
        expected = (
            'expected "publish", "rtsp://host/path", "rtsps://host/path" or "srt://host:port?mode=caller"'
        )
        if not source.lower().startswith("srt:") and is_ambiguous(source):
            raise ValueError(AMBIGUOUS)
        try:
            url = urlsplit(source)
            port = url.port
        except ValueError:
            raise ValueError(expected) from None
        if url.scheme not in ("rtsp", "rtsps", "srt") or not url.hostname:
            raise ValueError(expected)
        if url.scheme == "srt":
            if port is None:
                raise ValueError("expected a port, as in srt://host:port?mode=caller")
            _check_srt(source)
        # urlsplit takes the scheme in any case; from here on it is lower.
        return url.scheme + source[len(url.scheme) :]

    @field_validator("publish_key")
    @classmethod
    def _key_length(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not 1 <= len(key) <= _MAX_KEY_CHARACTERS:
            raise ValueError(f"expected 1-{_MAX_KEY_CHARACTERS} characters, these are {len(key)}")
        return key

    @field_validator("passphrase", "read_passphrase")
    @classmethod
    def _passphrase_length(cls, passphrase: SecretStr | None) -> SecretStr | None:
        """What libsrt accepts; it counts bytes."""
        size = len(passphrase.get_secret_value().encode()) if passphrase is not None else None
        if size is not None and size not in PASSPHRASE_BYTES:
            shortest, longest = PASSPHRASE_BYTES[0], PASSPHRASE_BYTES[-1]
            raise ValueError(f"expected {shortest}-{longest} bytes, these are {size}")
        return passphrase

    @model_validator(mode="after")
    def _consistent(self) -> StreamConfig:
        if self.on_demand and self.source == "publish":
            raise ValueError('on_demand needs a source to pull; expected source = "rtsp://…" or "srt://…"')
        self._check_floor()
        self._check_relays()
        self._check_recording()
        return self

    def _check_floor(self) -> None:
        if self.e2e and self.e2e_key_bytes < self.encryption.key_bytes:
            raise ValueError(f'e2e_key_bytes {self.e2e_key_bytes} is below "{self.encryption}"; expected 32')
        if self.is_published:
            has_passphrase = self.passphrase is not None
            check_published(self.encryption, has_passphrase=has_passphrase, pbkeylen=self.pbkeylen)
            return
        passphrase = self.passphrase.get_secret_value() if self.passphrase is not None else None
        defaults = SrtOptions(passphrase=passphrase, pbkeylen=self.pbkeylen)
        check_source(self.encryption, self.source, defaults)
        if self.source.startswith("rtsps:"):
            check_camera(self.encryption, transport=self.rtsp_transport, verify=self.tls_verify)

    def _check_relays(self) -> None:
        if self.relays and self.e2e and not self.clear_relays:
            raise ValueError(
                "e2e = true keeps the picture from everybody in between, and a relay's destination gets it "
                "in the clear; expected clear_relays = true beside the relays, or none"
            )
        labels = [relay.label for relay in self.relays]
        for position, relay in enumerate(self.relays):
            if relay.label in labels[:position]:
                raise ValueError(f"two relays are called {relay.label!r}; expected a name for one of them")
            relay.check_floor(self.encryption)

    def _check_recording(self) -> None:
        if not self.record:
            return
        if self.e2e and not self.clear_relays:
            raise ValueError(
                "e2e = true keeps the picture from everybody in between, and who downloads files gets it; "
                "expected clear_relays = true beside record = true, or no recording"
            )
        if self.on_demand:
            raise ValueError(
                "on_demand = true pulls a source while somebody watches, and record = true all the time; "
                "expected one of both"
            )

    def allows_in_place(self, wanted: StreamConfig) -> bool:
        """Whether a running stream can take `wanted` without anybody having to leave.

        What its pages say, how long it waits, where it is relayed to and whether it is recorded can change at
        any time, and it may be opened to everybody.
        Anything that decides where it comes from, who may do what or how it is encrypted starts it over.
        """
        harmless = {"title", "grace_s", "on_demand_idle_s", "relays", "analytics", "record"}
        if wanted.public:
            harmless.add("public")
        return self.model_dump(exclude=harmless) == wanted.model_dump(exclude=harmless)

    @property
    def seals_recordings(self) -> bool:
        """Whether its recordings are encrypted: where that is said, or its media are everywhere else."""
        return self.record_encrypted or self.e2e or self.encryption is not Floor.NONE

    @property
    def reading_passphrase(self) -> str | None:
        """What SRT callers that read encrypt with: one of their own, or that of the encoders."""
        passphrase = self.read_passphrase or (self.passphrase if self.is_published else None)
        return passphrase.get_secret_value() if passphrase is not None else None

    @property
    def is_published(self) -> bool:
        """True when an encoder pushes it, False when the server pulls it."""
        return self.source == "publish"


def _check_srt(source: str) -> None:
    try:
        target = parse_srt_url(source)
    except WireError as error:
        raise ValueError(str(error)) from None
    if target.mode == "listener":
        raise ValueError(
            'expected mode=caller or mode=rendezvous; encoders that call us are source = "publish"'
        )
