"""The Transport header (RFC 2326 section 12.39): the ways a client offers, and the one that is taken."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Of those that a client may offer, more are not read.
_MAX_OFFERED = 8
_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Transport:
    """One way for the packets of one track.

    Attributes:
        is_tcp: between the requests; otherwise UDP.
        pair: of channels, or of the client's ports, for RTP and for RTCP; None where it leaves that open.
        records: the client sends, mode=record.
        is_secured: they are SRTP.
    """

    is_tcp: bool
    pair: tuple[int, int] | None
    records: bool
    is_secured: bool = False


def parse_transports(header: str) -> list[Transport]:
    """What a client offers, the best first; leaves out what is not known here: multicast, SRTP over UDP."""
    offered = (_parse(each) for each in header.split(",")[:_MAX_OFFERED])
    return [each for each in offered if each is not None]


def serialize_tcp(
    channels: tuple[int, int], ssrc: int | None, *, records: bool, is_secured: bool = False
) -> str:
    """The answer for packets between requests."""
    protocol = "RTP/SAVP/TCP" if is_secured else "RTP/AVP/TCP"
    return f"{protocol};unicast;interleaved={channels[0]}-{channels[1]}" + _tail(ssrc, records)


def serialize_udp(
    client: tuple[int, int], server: tuple[int, int], ssrc: int | None, *, records: bool
) -> str:
    """The answer for packets over UDP, between these ports."""
    ports = f"client_port={client[0]}-{client[1]};server_port={server[0]}-{server[1]}"
    return f"RTP/AVP;unicast;{ports}" + _tail(ssrc, records)


def _tail(ssrc: int | None, records: bool) -> str:
    said = f";ssrc={ssrc:08X}" if ssrc is not None else ""
    return said + (";mode=record" if records else "")


def _parse(text: str) -> Transport | None:
    protocol, *parameters = (part.strip() for part in text.split(";"))
    protocol = protocol.upper()
    if protocol not in ("RTP/AVP", "RTP/AVP/UDP", "RTP/AVP/TCP", "RTP/SAVP/TCP"):
        return None
    said = {name.lower(): value.strip('"') for name, _, value in (each.partition("=") for each in parameters)}
    if "multicast" in said:
        return None
    is_tcp = protocol.endswith("TCP")
    pair = _pair(said.get("interleaved" if is_tcp else "client_port", ""), 255 if is_tcp else 65535)
    if not is_tcp and (pair is None or not all(pair)):
        return None
    records = said.get("mode", "play").lower() in ("record", "receive")
    return Transport(is_tcp, pair, records, protocol.startswith("RTP/SAVP"))


def _pair(text: str, most: int) -> tuple[int, int] | None:
    found = _PAIR.fullmatch(text)
    if found is None:
        return None
    first = int(found[1])
    second = int(found[2]) if found[2] else first + 1
    return (first, second) if first <= most and second <= most and first != second else None
