"""`[state]`, `[database]` and `[log]`: what the server keeps and says."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from streamer.sections.base import Section


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
        if in_file and parts.query:
            raise ValueError("expected a file without options after the ?")
        # A PostgreSQL without a host is the one behind the local socket.
        if not in_file and not (usable and parts.scheme == "postgresql" and "://" in url.get_secret_value()):
            raise ValueError(
                'expected "sqlite:///path/to/file" or "postgresql://user:password@host:port/name"'
            )
        return url


class LogConfig(Section):
    """What is logged and how; `auto` is console on a terminal and JSON elsewhere."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
