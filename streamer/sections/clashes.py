"""What is right in each table and not together: two listeners on one port, a table that needs another."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import combinations

from streamer.errors import Finding
from streamer.sections.base import split_address
from streamer.sections.cluster import ClusterConfig
from streamer.sections.http import HttpConfig
from streamer.sections.redis import RedisConfig
from streamer.sections.rtmp import RtmpConfig
from streamer.sections.rtsp import RtspConfig
from streamer.sections.srt import SrtConfig
from streamer.sections.webrtc import WebRtcConfig

_LOCALHOST = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class _Listener:
    key: str
    listen: str
    protocols: tuple[str, ...]
    # Of SRT, RTMP and RTSP, "::" takes IPv4 too.
    dual_stack: bool = False


def find_clashes(
    http: HttpConfig, srt: SrtConfig, rtmp: RtmpConfig, rtsp: RtspConfig, webrtc: WebRtcConfig
) -> list[Finding]:
    """What of these tables cannot be together, one finding each."""
    listeners = [
        _Listener("http.listen", http.listen, ("TCP",)),
        _Listener("srt.listen", srt.listen, ("UDP",), dual_stack=True),
        _Listener("webrtc.listen", webrtc.listen, ("UDP", "TCP")),
    ]
    if rtmp.listen is not None:
        listeners.append(_Listener("rtmp.listen", rtmp.listen, ("TCP",), dual_stack=True))
    if rtsp.listen is not None:
        listeners.append(_Listener("rtsp.listen", rtsp.listen, ("TCP",), dual_stack=True))
    listeners += [_Listener("rtsp.listen", each, ("UDP",), dual_stack=True) for each in rtsp.udp_listens]
    if http.redirect_from is not None:
        listeners.append(_Listener("http.redirect_from", http.redirect_from, ("TCP",)))
    return [
        Finding(second.key, repr(second.listen), f"{shared} is taken by {first.key}; expected another port")
        for first, second in combinations(listeners, 2)
        if (shared := _shared(first, second))
    ]


def find_lacks(cluster: ClusterConfig, redis: RedisConfig, srt: SrtConfig) -> list[Finding]:
    """What of these tables needs another one."""
    if cluster.secret is None:
        return []
    findings = []
    if redis.url is None:
        what = "machines find each other in Redis; expected redis.url"
        findings.append(Finding("cluster.secret", "***", what))
    host, _ = split_address(srt.listen)
    if _is_loopback(host) and not _is_loopback(cluster.host):
        what = f"no other machine reaches it there; expected an address that is behind {cluster.advertise}"
        findings.append(Finding("srt.listen", repr(srt.listen), what))
    return findings


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shared(first: _Listener, second: _Listener) -> str:
    """The port that only one of both can have, as "TCP port 8080"; "" for none."""
    (first_host, port), (second_host, other_port) = split_address(first.listen), split_address(second.listen)
    protocol = next((each for each in first.protocols if each in second.protocols), "")
    if not protocol or not port or port != other_port:
        return ""
    one, two = _addresses(first_host, first.dual_stack), _addresses(second_host, second.dual_stack)
    return f"{protocol} port {port}" if any(_overlap(a, b) for a in one for b in two) else ""


def _addresses(host: str, dual_stack: bool) -> tuple[str, ...]:
    if host == "localhost":
        return _LOCALHOST
    return ("::", "0.0.0.0") if dual_stack and host == "::" else (host,)


def _overlap(one: str, two: str) -> bool:
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(two)
    same_family = first.version == second.version
    return same_family and (first == second or first.is_unspecified or second.is_unspecified)
