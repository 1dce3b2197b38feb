"""RTMP addresses: where a server is, which application it has, and the key apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from transport.errors import WireError

_DEFAULT_PORTS = {"rtmp": 1935, "rtmps": 443}
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::(?P<port>[0-9]{1,5}))?")
# An AMF 0 string's limit is 65,535; no platform's address comes near this.
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class RtmpTarget:
    """Where to publish.

    Attributes:
        secure: over TLS.
        host: name or address, without brackets.
        port: 1 to 65535.
        app: application and instance with their query; may hold secrets in it.
        key: the stream's name and secret with its query.
    """

    secure: bool
    host: str
    port: int
    app: str = field(repr=False)
    key: str = field(repr=False)

    @property
    def tc_url(self) -> str:
        """The address without the key, as the command "connect" says it."""
        return f"{self._base}/{self.app}"

    def __str__(self) -> str:
        """For people and logs: without key and queries."""
        return f"{self._base}/{self.app.partition('?')[0]}"

    def redact(self, text: str) -> str:
        """What a server says, without the secrets it may repeat, in at most 200 printable characters."""
        _, _, query = self.app.partition("?")
        for secret in (self.key, self.key.partition("?")[0], query):
            if secret:
                text = text.replace(secret, "…")
        return "".join(character for character in text if character.isprintable())[:200]

    @property
    def _base(self) -> str:
        scheme = "rtmps" if self.secure else "rtmp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" + (f":{self.port}" if self.port != _DEFAULT_PORTS[scheme] else "")


def parse_rtmp_url(url: str, key: str = "") -> RtmpTarget:
    """Parse `rtmp://host[:port]/app[/instance][?query]`, or `rtmps://`.

    Args:
        url: the address. Without `key` its last part is the key, as in `rtmp://host/app/key?token=1`.
        key: as the platform gave it, query and all.

    Raises:
        WireError: says what was expected; never holds the key or a query.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise WireError("rtmp url: expected rtmp://host/app or rtmps://host/app")
    if len(url) + len(key) > _MAX_BYTES or not (url.strip() + key).isprintable():
        raise WireError(f"rtmp url: expected at most {_MAX_BYTES} printable characters")
    authority, _, path = rest.partition("/")
    if "@" in authority:
        raise WireError("rtmp url: a user and password in it are not supported, use the key")
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise WireError("rtmp url: expected host or host:port, an IPv6 address in [brackets]")
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 1 <= port <= 65535:
        raise WireError(f"rtmp url: port {port}, expected 1 to 65535")
    path, question, query = path.partition("?")
    path, key = path.strip("/"), key.strip()
    if not key:
        path, _, key = path.rpartition("/")
        key += question + query if key else ""
        question = query = ""
    if not path:
        raise WireError("rtmp url: no application, expected rtmp://host/app")
    if not key:
        raise WireError("rtmp url: no stream key")
    return RtmpTarget(scheme == "rtmps", match["v6"] or match["name"], port, path + question + query, key)
