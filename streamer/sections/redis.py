"""`[redis]`: what several machines share."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from streamer.sections.base import Section


class RedisConfig(Section):
    """A Redis, or Valkey, that all machines of a cluster reach; none for a single machine."""

    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
            usable = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable and not url.get_secret_value().startswith("unix://"):
            raise ValueError('expected "redis://host:6379/0", "rediss://…" or "unix:///path/to/socket"')
        return url
