"""Addresses of cameras: what may be opened, and how to write them where others read."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from transport.errors import LinkError

#: A password may also hide in the query: many cameras take `?user=…&password=…`.
_HIDDEN = "***"


def redact_url(url: str) -> str:
    """The address without user, password and query, for logs, errors and the API."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _HIDDEN
    _, at, host = parts.netloc.rpartition("@")
    query = _HIDDEN if parts.query else ""
    return urlunsplit((parts.scheme, f"{_HIDDEN}@{host}" if at else host, parts.path, query, ""))


def check_url(url: str) -> None:
    """Refuse what is not the address of a camera; libav would open files and web pages too.

    Raises:
        LinkError: reason `unsupported`.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("rtsp", "rtsps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise LinkError("unsupported", f"not an rtsp:// or rtsps:// address: {redact_url(url)}")
