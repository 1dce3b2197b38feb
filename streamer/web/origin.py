"""Where a request comes from, and how: through proxies that are trusted, with or without TLS.

A proxy tells the client's address in X-Forwarded-For and its scheme in X-Forwarded-Proto. Anybody can write
these headers, so they count only where the connection itself comes from an address in
`[http] trusted_proxies`, and only as far back as every proxy on the way is in there too.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Under which the application keeps the networks.
TRUSTED_PROXIES: web.AppKey[tuple[Network, ...]] = web.AppKey("trusted_proxies", tuple)

_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded")


@dataclass(frozen=True, slots=True)
class Signalling:
    """How a request travelled.

    Attributes:
        is_confidential: nobody on the way could read or change it: TLS, TLS up to a trusted proxy, or
            it never left this machine.
        key_bits: strength of our TLS session's cipher; 0 without one, then a proxy's is not known.
        description: for people, such as "TLSv1.3, TLS_AES_256_GCM_SHA384".
    """

    is_confidential: bool
    key_bits: int
    description: str


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read addresses and networks.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def client_address(request: web.Request) -> str:
    """The client's address, as far as trusted proxies vouch for it; "" for a socket without addresses."""
    address = _peer(request)
    if address is None:
        return request.remote or ""
    entries = [entry for line in request.headers.getall("X-Forwarded-For", []) for entry in line.split(",")]
    # From the last, which our own proxy wrote, backwards: what an untrusted client claimed comes first.
    while entries and _is_trusted(request, address):
        before = _parse(entries.pop())
        if before is None:
            break
        address = before
    return str(address)


def is_https(request: web.Request) -> bool:
    """Whether the browser came over HTTPS, to us or to a proxy that is trusted to say so."""
    if _tls(request) is not None:
        return True
    peer = _peer(request)
    return peer is not None and _is_trusted(request, peer) and _forwarded_https(request)


def signalling(request: web.Request) -> Signalling:
    """How the request travelled."""
    tls = _tls(request)
    if tls is not None:
        name, _, bits = tls.cipher() or ("", "", 0)
        return Signalling(True, bits, f"{tls.version()}, {name}")
    peer = _peer(request)
    if peer is not None and _is_trusted(request, peer) and _forwarded_https(request):
        return Signalling(True, 0, f"HTTPS up to the proxy at {peer}")
    # A proxy on this machine may have brought it from afar.
    if peer is not None and peer.is_loopback and not any(name in request.headers for name in _FORWARDED):
        return Signalling(True, 0, "plain HTTP within this machine")
    return Signalling(False, 0, "plain HTTP")


def _forwarded_https(request: web.Request) -> bool:
    lines = request.headers.getall("X-Forwarded-Proto", [])
    return {scheme.strip().lower() for line in lines for scheme in line.split(",")} == {"https"}


def _tls(request: web.Request) -> ssl.SSLObject | None:
    found: ssl.SSLObject | None = (
        request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    )
    return found


def _peer(request: web.Request) -> _Address | None:
    """Who holds the other end of the connection."""
    name = request.transport.get_extra_info("peername") if request.transport is not None else None
    return _parse(name[0]) if isinstance(name, tuple) else None


def _is_trusted(request: web.Request, address: _Address) -> bool:
    networks = request.config_dict.get(TRUSTED_PROXIES, ())
    return any(address in network for network in networks)


@lru_cache(maxsize=256)  # one request asks for the same one several times
def _parse(text: str) -> _Address | None:
    """An address as proxies write it: perhaps with a port, in brackets, or with a zone."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
