"""The configuration: one typed model, read from TOML and the environment.

`load(path)` reads the file, lets `STREAMER_SECTION__KEY` variables override it and returns a frozen `Config`,
or raises `ConfigError` with every finding: the key, the value and what was expected. Unknown keys are
refused. Values that are secrets never appear in a finding.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from streamer.encryption import Floor, check_camera, check_published, check_source
from streamer.errors import ConfigError, Finding
from transport.errors import WireError
from transport.srt.options import PASSPHRASE_BYTES, SrtOptions
from transport.srt.wire import parse_srt_url
from transport.webrtc.candidates import Advertised

_SECRETS = ("passphrase", "publish_key")
_MAX_KEY_CHARACTERS = 256
# How a secret's key is misspelt, or called elsewhere; a key that is known is never taken for one.
_LIKE_A_SECRET = re.compile(r"pass|phrase|key|secret|token|pw|credential|auth", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,62}"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENV_PREFIX = "STREAMER_"


def split_address(text: str) -> tuple[str, int]:
    """Parse `host:port` or `[v6]:port`.

    Raises:
        ValueError: not an address with a port of 0-65535.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("expected host:port, for example 127.0.0.1:8080 or [::]:8080")
    if host and host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError("expected an IP address before the port, for example 0.0.0.0:8080") from None
    return host or "0.0.0.0", int(port)


def _address(text: str) -> str:
    split_address(text)
    return text


def _advertised(text: str) -> str:
    try:
        Advertised.parse(text)
    except ValueError:
        raise ValueError("expected an address or host name, with or without a port") from None
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("expected an address or a network, for example 10.0.0.0/8 or 192.0.2.7") from None
    return text


ListenAddress = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
AdvertisedAddress = Annotated[str, AfterValidator(_advertised)]


class Section(BaseModel):
    """What every table of the file has in common: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpConfig(Section):
    """Pages, API and WHEP; over TLS when there is a certificate, from files or by ACME (RFC 8555)."""

    listen: ListenAddress = "127.0.0.1:8080"
    cors_origins: tuple[str, ...] = ("*",)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    redirect_from: ListenAddress | None = None
    trusted_proxies: tuple[Network, ...] = ("127.0.0.0/8", "::1/128")
    acme_domain: str = ""
    acme_email: str = ""
    acme_directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    acme_ca_file: Path | None = None

    @field_validator("acme_domain")
    @classmethod
    def _domain(cls, domain: str) -> str:
        if domain and not _DOMAIN.fullmatch(domain):
            raise ValueError("expected a host name with a dot, for example live.example.com")
        return domain.lower()

    @field_validator("acme_directory")
    @classmethod
    def _directory(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError("expected the https:// address of an ACME directory")
        return url

    @model_validator(mode="after")
    def _one_certificate(self) -> HttpConfig:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("expected tls_cert and tls_key together")
        if self.acme_domain and self.tls_cert is not None:
            raise ValueError("expected either tls_cert and tls_key or acme_domain")
        if self.acme_domain and self.redirect_from is None:
            raise ValueError(
                "acme_domain is proved over plain HTTP; expected redirect_from, "
                'for example "0.0.0.0:80", where the certificate authority finds port 80'
            )
        if self.redirect_from is not None and not self.has_tls:
            raise ValueError("redirect_from needs TLS; expected tls_cert and tls_key, or acme_domain")
        return self

    @property
    def has_tls(self) -> bool:
        """Whether `listen` speaks TLS."""
        return self.tls_cert is not None or bool(self.acme_domain)


class StateConfig(Section):
    """Where everything that must survive a restart is kept."""

    dir: Path = Path("state")


class DatabaseConfig(Section):
    """Accounts, grants and everything else that is looked up; a file in the state directory unless said."""

    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.port is None or parts.scheme == "postgresql"
        except ValueError:
            usable = False
        in_file = usable and parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1
        # A PostgreSQL without a host is the one behind the local socket.
        if not in_file and not (usable and parts.scheme == "postgresql" and "://" in url.get_secret_value()):
            raise ValueError(
                'expected "sqlite:///path/to/file" or "postgresql://user:password@host:port/name"'
            )
        return url


class SrtConfig(Section):
    """The SRT listener, and the defaults of SRT pulls.

    The buffers hold what a link of 250 ms round trip and 50 Mb/s has under way at four round trips of
    latency.
    """

    listen: ListenAddress = "127.0.0.1:8890"
    latency_ms: int = Field(120, ge=20, le=8000)
    tlpktdrop: bool = True
    receive_buffer_bytes: int = Field(24_117_248, ge=200_000, le=1_000_000_000)
    flow_control_packets: int = Field(25_600, ge=32, le=1_000_000)
    idle_timeout_ms: int = Field(5000, ge=500, le=60_000)


class WebRtcConfig(Section):
    """Browsers: one port for every viewer, UDP and TCP."""

    listen: ListenAddress = "127.0.0.1:8189"
    advertise: tuple[AdvertisedAddress, ...] = ()
    threads: int = Field(0, ge=0, le=256)
    cipher: Literal["auto", "openssl"] = "auto"
    max_viewers: int = Field(10_000, ge=1)
    playout_delay_min_ms: int = Field(0, ge=0, le=40_950)
    playout_delay_max_ms: int = Field(1000, ge=0, le=40_950)

    @model_validator(mode="after")
    def _ordered(self) -> WebRtcConfig:
        if self.playout_delay_min_ms > self.playout_delay_max_ms:
            raise ValueError("expected playout_delay_min_ms not above playout_delay_max_ms")
        return self


class LogConfig(Section):
    """What is logged and how; `auto` is console on a terminal and JSON elsewhere."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class StreamConfig(Section):
    """One stream: where it comes from, who may publish and watch it."""

    source: str = "publish"
    title: str = Field("", max_length=200)
    publish_key: SecretStr | None = None
    passphrase: SecretStr | None = None
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

    @field_validator("source")
    @classmethod
    def _known_source(cls, source: str) -> str:
        if source == "publish":
            return source
        expected = (
            'expected "publish", "rtsp://host/path", "rtsps://host/path" or "srt://host:port?mode=caller"'
        )
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

    @field_validator("passphrase")
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

    def allows_in_place(self, wanted: StreamConfig) -> bool:
        """Whether a running stream can take `wanted` without anybody having to leave.

        What its pages say and how long it waits can change at any time, and it may be opened to everybody.
        Anything that decides where it comes from, who may do what or how it is encrypted starts it over.
        """
        harmless = {"title", "grace_s", "on_demand_idle_s"}
        if wanted.public:
            harmless.add("public")
        return self.model_dump(exclude=harmless) == wanted.model_dump(exclude=harmless)

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


class Config(BaseSettings):
    """Everything an operator can set. Frozen; a reload makes another one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_ENV_PREFIX, env_nested_delimiter="__"
    )

    http: HttpConfig = HttpConfig()
    state: StateConfig = StateConfig()
    database: DatabaseConfig = DatabaseConfig()
    srt: SrtConfig = SrtConfig()
    webrtc: WebRtcConfig = WebRtcConfig()
    log: LogConfig = LogConfig()
    streams: dict[str, StreamConfig] = Field(default_factory=dict)

    @field_validator("streams")
    @classmethod
    def _named(cls, streams: dict[str, StreamConfig]) -> dict[str, StreamConfig]:
        for name in streams:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r}: expected a name of letters, digits, '.', '_' and '-', at most 64, "
                    "beginning with a letter or digit"
                )
        return streams

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; nothing else is read."""
        assert isinstance(init_settings, InitSettingsSource)
        return env_settings, init_settings


def load(path: Path) -> Config:
    """Read and check a configuration file, with the environment's overrides.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds a value that cannot be used.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            str(path), [Finding("(file)", str(path), f"expected a readable file: {error.strerror}")]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [Finding("(file)", str(path), f"expected TOML: {error}")]) from None
    return parse(document, source=str(path))


def parse(document: dict[str, Any], *, source: str = "configuration") -> Config:
    """Check a configuration that is already a table; `source` is where errors say it came from.

    Raises:
        ConfigError: an unknown key or a value that cannot be used.
    """
    findings = _unknown_variables()
    try:
        config = Config(**document)
    except ValidationError as error:
        findings += [_finding(details) for details in error.errors()]
    except SettingsError as error:
        # Its text quotes nothing of the value, but its cause does.
        findings.append(Finding(f"{_ENV_PREFIX}<SECTION>", "***", f"expected a table as JSON: {error}"))
    if findings:
        raise ConfigError(source, findings)
    return config


def _unknown_variables() -> list[Finding]:
    """A misspelt section in the environment would otherwise be ignored in silence."""
    sections = set(Config.model_fields)
    return [
        Finding(
            name, "***", f"unknown variable; expected {_ENV_PREFIX}<SECTION>__<KEY>, sections: "
            + ", ".join(sorted(sections))
        )
        for name in os.environ
        if name.startswith(_ENV_PREFIX) and name[len(_ENV_PREFIX) :].split("__")[0].lower() not in sections
    ]  # fmt: skip


def _finding(details: ErrorDetails) -> Finding:
    key = ".".join(str(part) for part in details["loc"]) or "(file)"
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "extra_forbidden":
        return Finding(key, _shown(key, details["input"]), "unknown key" + _suggestion(details["loc"]))
    return Finding(key, _shown(key, details["input"]), message[0].lower() + message[1:])


def _suggestion(loc: tuple[int | str, ...]) -> str:
    """The keys that would have been right at this place."""
    model: type[BaseModel] | None = Config
    for part in loc[:-1]:
        if model is Config and part == "streams":
            model = None
            continue
        if model is None:
            model = StreamConfig
            continue
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return f"; expected one of {', '.join(model.model_fields)}" if model is not None else ""


def _shown(key: str, value: object) -> str:
    last = key.rpartition(".")[2]
    known = last in StreamConfig.model_fields and last not in _SECRETS
    if isinstance(value, SecretStr) or (not known and _LIKE_A_SECRET.search(last)):
        return "***"
    if last == "url" and "//" not in str(value):
        return "***"
    if isinstance(value, dict | list | BaseModel):
        return "{…}" if not isinstance(value, list) else "[…]"
    if isinstance(value, str):
        # Addresses carry credentials before the last @ and in their parameters; this one may be malformed.
        value = re.sub(r"//.*@", "//***@", value)
        return repr(re.sub(r"(?<=\?).*", "***", value) if "//" in value else value)
    return repr(value)
