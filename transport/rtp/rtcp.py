"""RTCP: compound packets of reports, feedback and goodbyes.

Sender and receiver reports, SDES, BYE (RFC 3550 6), NACK, PLI (RFC 4585), FIR (RFC 5104), REMB
(draft-alvestrand-rmcat-remb-03), receiver reference time and its answer DLRR (RFC 3611); arrival times are
written, not read (`transport_cc.py`). Types that are not known are skipped; lengths are checked before use.
What each packet means is in `rtcp_packets.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from transport.errors import WireError
from transport.rtp import transport_cc
from transport.rtp.rtcp_packets import (
    Bye,
    Dlrr,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReferenceTime,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    middle_bits,
    ntp_time,
)

__all__ = [
    "Bye",
    "Dlrr",
    "FullIntraRequest",
    "Nack",
    "PictureLoss",
    "ReceiverReferenceTime",
    "ReceiverReport",
    "Remb",
    "ReportBlock",
    "RtcpPacket",
    "SenderReport",
    "SourceDescription",
    "TransportFeedback",
    "is_rtcp",
    "middle_bits",
    "ntp_time",
    "parse_compound",
    "serialize_compound",
]

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB, _XR = 200, 201, 202, 203, 205, 206, 207
_NACK, _TRANSPORT_CC = 1, 15
_PLI, _FIR, _AFB = 1, 4, 15
_RRTR, _DLRR = 4, 5
_CNAME = 1
_REMB_ID = b"REMB"
_BLOCK = struct.Struct("!IB3sIIII")
_SENDER = struct.Struct("!IQIII")


def is_rtcp(packet: bytes) -> bool:
    """Whether a packet is RTCP, and not RTP, where one port takes both (RFC 5761 section 4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """Read every packet of a compound; reduced-size ones (RFC 5506) pass as well.

    Raises:
        WireError: another version, or a length that goes beyond the end.
    """
    found: list[RtcpPacket] = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise WireError(f"rtcp: {len(data) - at} bytes, the header needs 4")
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        if first >> 6 != 2:
            raise WireError(f"rtcp: version {first >> 6}")
        end = at + 4 + 4 * words
        if end > len(data):
            raise WireError(f"rtcp: {words} words announced, {len(data) - at - 4} bytes left")
        body = data[at + 4 : end]
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise WireError("rtcp: bad padding")
            body = body[: -body[-1]]
        parse = _PARSERS.get(packet_type)
        if parse is not None:
            found += parse(first & 0x1F, body)
        at = end
    return found


def serialize_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """Write packets one behind the other; a report comes first unless the peer allows otherwise."""
    return b"".join(_serialize(packet) for packet in packets)


def _serialize(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport(ssrc, ntp, timestamp, packets, octets, blocks):
            body = _SENDER.pack(ssrc, ntp, timestamp & _U32, packets & _U32, octets & _U32)
            return _packet(_SR, len(blocks), body + b"".join(map(_pack_block, blocks)))
        case ReceiverReport(ssrc, blocks):
            return _packet(_RR, len(blocks), _u32(ssrc) + b"".join(map(_pack_block, blocks)))
        case SourceDescription(cnames):
            return _packet(_SDES, len(cnames), b"".join(map(_pack_cname, cnames)))
        case Bye(ssrcs):
            return _packet(_BYE, len(ssrcs), _u32(*ssrcs))
        case Nack(sender, media, seqs):
            return _packet(_RTPFB, _NACK, _u32(sender, media) + _pack_nack(seqs))
        case TransportFeedback(sender, media):
            return _packet(_RTPFB, _TRANSPORT_CC, _u32(sender, media) + transport_cc.pack(packet))
        case PictureLoss(sender, media):
            return _packet(_PSFB, _PLI, _u32(sender, media))
        case FullIntraRequest(sender, requests):
            entries = b"".join(struct.pack("!IB3x", ssrc, number & 0xFF) for ssrc, number in requests)
            return _packet(_PSFB, _FIR, _u32(sender, 0) + entries)
        case Remb(sender, bitrate, ssrcs):
            return _packet(_PSFB, _AFB, _u32(sender, 0) + _pack_remb(bitrate, ssrcs))
        case ReceiverReferenceTime(ssrc, ntp):
            return _packet(_XR, 0, _u32(ssrc) + struct.pack("!BBHQ", _RRTR, 0, 2, ntp))
        case Dlrr(ssrc, reports):
            body = b"".join(struct.pack("!III", *report) for report in reports)
            return _packet(_XR, 0, _u32(ssrc) + struct.pack("!BBH", _DLRR, 0, 3 * len(reports)) + body)


_U32 = 0xFFFFFFFF


def _u32(*values: int) -> bytes:
    return struct.pack(f"!{len(values)}I", *values)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    if count > 31:
        raise ValueError(f"rtcp: {count} items, one packet carries 31")
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


def _pack_block(block: ReportBlock) -> bytes:
    lost = max(-(1 << 23), min((1 << 23) - 1, block.cumulative_lost))
    return _BLOCK.pack(
        block.ssrc,
        min(255, int(block.fraction_lost * 256)),
        (lost & 0xFFFFFF).to_bytes(3, "big"),
        block.highest_seq & _U32,
        block.jitter & _U32,
        block.lsr,
        block.dlsr & _U32,
    )


def _pack_cname(entry: tuple[int, str]) -> bytes:
    ssrc, cname = entry
    text = cname.encode()[:255]
    items = bytes([_CNAME, len(text)]) + text
    return _u32(ssrc) + items + bytes(4 - len(items) % 4)  # at least one zero ends the list


def _pack_nack(seqs: Iterable[int]) -> bytes:
    out = bytearray()
    pid: int | None = None
    mask = 0
    for seq in seqs:
        if pid is not None and 1 <= (seq - pid) & 0xFFFF <= 16:
            mask |= 1 << ((seq - pid) & 0xFFFF) - 1
            continue
        if pid is not None:
            out += struct.pack("!HH", pid, mask)
        pid, mask = seq & 0xFFFF, 0
    if pid is not None:
        out += struct.pack("!HH", pid, mask)
    return bytes(out)


def _pack_remb(bitrate_bps: int, ssrcs: tuple[int, ...]) -> bytes:
    exponent = max(0, bitrate_bps.bit_length() - 18)
    packed = len(ssrcs) << 24 | exponent << 18 | bitrate_bps >> exponent
    return _REMB_ID + _u32(packed, *ssrcs)


def _parse_blocks(count: int, body: bytes, at: int) -> tuple[ReportBlock, ...]:
    if len(body) < at + count * _BLOCK.size:
        raise WireError(f"rtcp: {count} report blocks in {len(body) - at} bytes")
    blocks = []
    for start in range(at, at + count * _BLOCK.size, _BLOCK.size):
        ssrc, fraction, lost, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(body, start)
        cumulative = int.from_bytes(lost, "big", signed=True)
        blocks.append(ReportBlock(ssrc, fraction / 256, cumulative, highest, jitter, lsr, dlsr))
    return tuple(blocks)


def _parse_sr(count: int, body: bytes) -> list[RtcpPacket]:
    _need(body, _SENDER.size, "a sender report")
    ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
    return [SenderReport(ssrc, ntp, timestamp, packets, octets, _parse_blocks(count, body, _SENDER.size))]


def _parse_rr(count: int, body: bytes) -> list[RtcpPacket]:
    _need(body, 4, "a receiver report")
    return [ReceiverReport(_read_u32(body, 0), _parse_blocks(count, body, 4))]


def _parse_sdes(count: int, body: bytes) -> list[RtcpPacket]:
    cnames: list[tuple[int, str]] = []
    at = 0
    for _ in range(count):
        _need(body, at + 4, "a source description")
        ssrc = _read_u32(body, at)
        at += 4
        while at < len(body) and body[at]:
            _need(body, at + 2, "a source description item")
            size = body[at + 1]
            _need(body, at + 2 + size, "a source description item")
            if body[at] == _CNAME:
                cnames.append((ssrc, body[at + 2 : at + 2 + size].decode("utf-8", "replace")))
            at += 2 + size
        at += 4 - at % 4
    return [SourceDescription(tuple(cnames))]


def _parse_bye(count: int, body: bytes) -> list[RtcpPacket]:
    _need(body, 4 * count, "a goodbye")
    return [Bye(struct.unpack_from(f"!{count}I", body))]


def _parse_rtpfb(fmt: int, body: bytes) -> list[RtcpPacket]:
    _need(body, 8, "transport feedback")
    if fmt != _NACK:
        return []
    seqs: list[int] = []
    for at in range(8, len(body) - 3, 4):
        pid, mask = struct.unpack_from("!HH", body, at)
        seqs.append(pid)
        seqs += [(pid + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return [Nack(_read_u32(body, 0), _read_u32(body, 4), tuple(seqs))]


def _parse_psfb(fmt: int, body: bytes) -> list[RtcpPacket]:
    _need(body, 8, "payload feedback")
    sender, media = _read_u32(body, 0), _read_u32(body, 4)
    if fmt == _PLI:
        return [PictureLoss(sender, media)]
    if fmt == _FIR:
        entries = tuple((_read_u32(body, at), body[at + 4]) for at in range(8, len(body) - 7, 8))
        return [FullIntraRequest(sender, entries)]
    if fmt == _AFB and body[8:12] == _REMB_ID:
        _need(body, 16, "a bandwidth estimate")
        packed = _read_u32(body, 12)
        count = packed >> 24
        _need(body, 16 + 4 * count, "a bandwidth estimate")
        bitrate = (packed & 0x3FFFF) << (packed >> 18 & 0x3F)
        return [Remb(sender, bitrate, struct.unpack_from(f"!{count}I", body, 16))]
    return []


def _parse_xr(_: int, body: bytes) -> list[RtcpPacket]:
    _need(body, 4, "an extended report")
    ssrc = _read_u32(body, 0)
    found: list[RtcpPacket] = []
    at = 4
    while at + 4 <= len(body):
        block_type, _reserved, words = struct.unpack_from("!BBH", body, at)
        start, at = at + 4, at + 4 + 4 * words
        _need(body, at, "an extended report block")
        if block_type == _RRTR:
            if words != 2:
                raise WireError(f"rtcp: a receiver reference time of {words} words")
            found.append(ReceiverReferenceTime(ssrc, int.from_bytes(body[start:at], "big")))
        elif block_type == _DLRR:
            reports = tuple(struct.unpack_from("!III", body, s) for s in range(start, at - 11, 12))
            found.append(Dlrr(ssrc, reports))
    return found


_PARSERS: dict[int, Callable[[int, bytes], list[RtcpPacket]]] = {
    _SR: _parse_sr,
    _RR: _parse_rr,
    _SDES: _parse_sdes,
    _BYE: _parse_bye,
    _RTPFB: _parse_rtpfb,
    _PSFB: _parse_psfb,
    _XR: _parse_xr,
}


def _read_u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _need(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise WireError(f"rtcp: {what} of {len(body)} bytes, {size} needed")
