"""The configuration: one typed model, read from TOML and the environment.

`load(path)` reads the file, lets `STREAMER_SECTION__KEY` variables override it and returns a frozen `Config`,
or raises `ConfigError` with every finding: the key, the value and what was expected. Unknown keys are
refused. Values that are secrets never appear in a finding. Its tables are in `streamer.sections`.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from streamer.errors import ConfigError, Finding
from streamer.sections.audit import AuditConfig
from streamer.sections.auth import AuthConfig
from streamer.sections.clashes import find_clashes, find_lacks
from streamer.sections.cluster import ClusterConfig
from streamer.sections.engagement import EngagementConfig
from streamer.sections.hls import HlsConfig
from streamer.sections.http import HttpConfig
from streamer.sections.ldap import LdapConfig
from streamer.sections.oidc import OidcConfig
from streamer.sections.platforms import PlatformsConfig
from streamer.sections.recording import RecordingConfig
from streamer.sections.redis import RedisConfig
from streamer.sections.relay import shown_url
from streamer.sections.rtmp import RtmpConfig
from streamer.sections.rtsp import RtspConfig
from streamer.sections.srt import SrtConfig
from streamer.sections.state import DatabaseConfig, LogConfig, StateConfig
from streamer.sections.stream import StreamConfig
from streamer.sections.vault import VaultConfig
from streamer.sections.webhook import WebhookConfig
from streamer.sections.webrtc import WebRtcConfig

_SECRETS = ("passphrase", "publish_key", "read_passphrase")
# How a secret's key is misspelt, or called elsewhere; a key that is known is never taken for one.
_LIKE_A_SECRET = re.compile(r"pass|phrase|key|secret|token|pw|credential|auth", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENV_PREFIX = "STREAMER_"
# Python neither reads nor writes more in decimal, as that takes long.
_MAX_DIGITS = 4300
# What pydantic says of these is about Python.
_TABLES = ("dict_type", "model_type", "model_attributes_type")
_LIST = 'expected a list, for example ["one", "two"]'


class Config(BaseSettings):
    """Everything an operator can set. Frozen; a reload makes another one."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=_ENV_PREFIX, env_nested_delimiter="__"
    )

    http: HttpConfig = HttpConfig()
    auth: AuthConfig = AuthConfig()
    oidc: OidcConfig = OidcConfig()
    ldap: LdapConfig = LdapConfig()
    audit: AuditConfig = AuditConfig()
    state: StateConfig = StateConfig()
    database: DatabaseConfig = DatabaseConfig()
    vault: VaultConfig = VaultConfig()
    srt: SrtConfig = SrtConfig()
    rtmp: RtmpConfig = RtmpConfig()
    rtsp: RtspConfig = RtspConfig()
    webrtc: WebRtcConfig = WebRtcConfig()
    hls: HlsConfig = HlsConfig()
    recording: RecordingConfig = RecordingConfig()
    platforms: PlatformsConfig = PlatformsConfig()
    log: LogConfig = LogConfig()
    engagement: EngagementConfig = EngagementConfig()
    redis: RedisConfig = RedisConfig()
    cluster: ClusterConfig = ClusterConfig()
    webhooks: tuple[WebhookConfig, ...] = ()
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
        # Some editors put a mark in front that says it is UTF-8.
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            str(path), [Finding("(file)", str(path), f"expected a readable file: {error.strerror}")]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [Finding("(file)", str(path), f"expected TOML: {error}")]) from None
    except ValueError:
        finding = Finding("(file)", str(path), f"expected numbers of at most {_MAX_DIGITS} digits")
        raise ConfigError(str(path), [finding]) from None
    except RecursionError:
        finding = Finding("(file)", str(path), "expected lists and tables that are nested less deeply")
        raise ConfigError(str(path), [finding]) from None
    return parse(document, source=str(path))


def parse(document: dict[str, Any], *, source: str = "configuration") -> Config:
    """Check a configuration that is already a table; `source` is where errors say it came from.

    Raises:
        ConfigError: an unknown key or a value that cannot be used.
    """
    findings = _unknown_variables()
    try:
        config = Config(**document)
        findings += find_clashes(config.http, config.srt, config.rtmp, config.rtsp, config.webrtc)
        findings += find_lacks(config.cluster, config.redis, config.srt)
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
    if details["type"] in _TABLES:
        message = "expected a table, as under a heading [" + key + "]"
    elif details["type"] == "tuple_type":
        # Where tables are expected they were written as one, with single brackets around their heading.
        as_table = isinstance(details["input"], dict)
        message = f"expected a list of tables, each under a heading [[{key}]]" if as_table else _LIST
    return Finding(key, _shown(key, details["input"]), message[0].lower() + message[1:])


def _suggestion(loc: tuple[int | str, ...]) -> str:
    """The keys that would have been right at this place."""
    inside: object = Config
    for part in loc[:-1]:
        if (model := _model(inside)) is not None:
            field = model.model_fields.get(str(part))
            inside = field.annotation if field is not None else None
        else:
            # A stream's name, or a number in a list of tables.
            inside = next((each for each in get_args(inside) if _model(each) is not None), None)
    model = _model(inside)
    return f"; expected one of {', '.join(model.model_fields)}" if model is not None else ""


def _model(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _shown(key: str, value: object) -> str:
    last = key.rpartition(".")[2]
    known = last in StreamConfig.model_fields and last not in _SECRETS
    if isinstance(value, SecretStr) or (not known and _LIKE_A_SECRET.search(last)):
        return "***"
    if isinstance(value, int) and value >= 10**_MAX_DIGITS:
        return hex(value)
    if last == "url" and "//" not in str(value):
        return "***"
    if last == "url" and ".relays." in key:
        return repr(shown_url(str(value), has_key=False))
    if isinstance(value, dict | list | BaseModel):
        return "{…}" if not isinstance(value, list) else "[…]"
    if isinstance(value, str):
        # Addresses carry credentials before the last @ and in their parameters; this one may be malformed.
        value = re.sub(r"//.*@", "//***@", value)
        return repr(re.sub(r"(?<=\?).*", "***", value) if "//" in value else value)
    return repr(value)
