"""What every table has in common, and the kinds of value that several of them take."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from transport.webrtc.advertised import Advertised


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
