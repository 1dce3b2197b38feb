"""An entry of the list of addresses that an operator advertises: address or name, perhaps a port."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advertised:
    """One entry of the `advertise` list.

    Attributes:
        host: an IP address or a host name.
        port: None for the port that is listened on.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Advertised:
        """Read `host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`.

        Raises:
            ValueError: none of these.
        """
        text = entry.strip()
        if text.startswith("["):
            host, closed, rest = text[1:].partition("]")
            ipaddress.IPv6Address(host)
            if not closed or (rest and not rest.startswith(":")):
                raise ValueError(f"{entry!r} is not [address]:port")
            return cls(host, _port(entry, rest[1:]) if rest else None)
        if text.count(":") > 1:
            return cls(str(ipaddress.IPv6Address(text)))
        host, colon, port = text.partition(":")
        if not host or any(character.isspace() for character in host):
            raise ValueError(f"{entry!r} is not an address or host name")
        return cls(host, _port(entry, port) if colon else None)


def _port(entry: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{entry!r}: a port is a number from 1 to 65535")
    return int(text)
