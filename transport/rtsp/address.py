"""Addresses of cameras: what may be opened, and how to write them where others read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from transport.errors import LinkError

#: A password may also hide in the query: many cameras take `?user=…&password=…`.
_HIDDEN = "***"


#: What ends the authority (RFC 3986 section 3.2), also where it was meant to be part of a password.
_AUTHORITY = re.compile(r"//(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
#: What to tell whose address is.
AMBIGUOUS = (
    "user and password cannot be told from the host; expected / ? # and @ in them as %2F %3F %23 and %40, "
    "and %40 for an @ in the path"
)


def is_ambiguous(url: str) -> bool:
    """Whether what looks like host and port may be user and part of a password, as in `u:1/x@host`."""
    found = _AUTHORITY.search(url)
    if found is None or "@" in found["authority"]:
        return False
    return ":" in found["authority"].rpartition("]")[2] and "@" in found["rest"]


def redact_url(url: str) -> str:
    """The address without user, password and query, for logs, errors and the API."""
    if is_ambiguous(url):
        return f"{url.partition(':')[0]}://{_HIDDEN}"
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
    if is_ambiguous(url):
        raise LinkError("unsupported", AMBIGUOUS)
    if not usable:
        raise LinkError("unsupported", f"not an rtsp:// or rtsps:// address: {redact_url(url)}")
