"""Which addresses viewers are told: what the operator advertises, then what the machine has."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence

import ifaddr

from transport.errors import LinkError
from transport.webrtc.advertised import Advertised
from transport.webrtc.wire import Candidate

#: A viewer tries every candidate against every one of its own; more only delay the one that works.
MAX_ADDRESSES = 8


async def local_candidates(
    listen: tuple[str, int], advertise: Iterable[str] = (), *, tcp: bool = True
) -> tuple[Candidate, ...]:
    """The candidates of every answer, in order of preference: advertised ones first, UDP before TCP.

    Args:
        listen: the address and port the plane is bound to; "" and wildcards stand for every interface.
        advertise: addresses or names, with or without a port, as for servers behind address translation.
            The machine's own follow, for viewers on the same network.
        tcp: also offer passive TCP on the same ports.

    Raises:
        LinkError: `not_found`, a name that does not resolve, or no usable address at all.
        ValueError: an entry of `advertise` that cannot be read.
    """
    entries = [Advertised.parse(entry) for entry in advertise]
    addresses: list[tuple[str, int]] = []
    for entry in entries:
        addresses += [(ip, entry.port or listen[1]) for ip in await _resolve(entry.host)]
    host = listen[0] or "0.0.0.0"
    found = interface_addresses(host) if _is_wildcard(host) else await _resolve(host)
    addresses += [(ip, listen[1]) for ip in found]
    if not addresses:
        raise LinkError("not_found", f"webrtc: no address of this machine can be told for {listen[0] or '*'}")
    told = list(dict.fromkeys(addresses))[:MAX_ADDRESSES]
    protocols = ("udp", "tcp") if tcp else ("udp",)
    return tuple(Candidate(ip, port, protocol) for protocol in protocols for ip, port in told)


def interface_addresses(wildcard: str = "::") -> list[str]:
    """This machine's addresses that a viewer could reach, IPv4 first.

    Without loopback, link-local and multicast addresses; loopback only on a machine that has nothing else.

    Args:
        wildcard: "0.0.0.0" leaves out IPv6, which a socket bound to it does not receive.
    """
    found = [
        ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]
    return reachable(found, with_ipv6=":" in wildcard)


def reachable(
    found: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address], *, with_ipv6: bool
) -> list[str]:
    """Leave out what another machine could not reach; see `interface_addresses`."""
    usable = [
        ip
        for ip in found
        if not (ip.is_link_local or ip.is_multicast or ip.is_unspecified) and (with_ipv6 or ip.version == 4)
    ]
    public = [ip for ip in usable if not ip.is_loopback]
    return [str(ip) for ip in sorted(public or usable, key=lambda ip: ip.version)]


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


async def _resolve(host: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise LinkError("not_found", f"webrtc: the advertised name {host!r} does not resolve") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
