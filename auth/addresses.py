"""Which addresses may be used: where secrets are sent, and where browsers are sent."""

from __future__ import annotations

from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_safe(url: str) -> bool:
    """Secrets pass there: encrypted, or not over any network."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def local_path(path: str) -> str:
    """A place on this site, or "/" for everything else that was asked for: no open redirects."""
    # Browsers take a backslash for a slash, and leave out tabs and line breaks.
    plain = path.isprintable() and "\\" not in path and " " not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
