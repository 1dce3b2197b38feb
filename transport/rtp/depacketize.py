"""From RTP packets back to access units: the inverse of `packetize.py`.

Packets come in order; a gap spoils the access unit it falls into, which is then counted and not returned.
Padding alone, a probe of how much the network carries, fills no gap and ends no unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.errors import WireError
from transport.media import Codec, h264, h265
from transport.rtp.header import RtpPacket
from transport.rtp.packetize import H264_FU_A, H264_STAP_A, H265_AP, H265_FU

_START_CODE = b"\0\0\0\1"
#: A picture larger than this is an attack: 8K intra pictures at 500 Mb/s stay below.
_MAX_UNIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Assembled:
    """One access unit as it came over RTP.

    Attributes:
        timestamp: 32 bits, ticks of the RTP clock.
        data: H.264 and H.265: Annex B with 4-byte start codes. Opus: one packet.
    """

    timestamp: int
    data: bytes


def may_begin_keyframe(codec: Codec, payload: bytes) -> bool:
    """Whether a picture that starts with this H.264 or H.265 payload is a keyframe, as far as can be told.

    It is when parameter sets come first, or a slice of an IDR picture (H.265: of any IRAP).
    """
    kind = _first_type(codec, payload)
    if codec is Codec.H264:
        if kind == H264_FU_A and len(payload) > 1:
            kind = payload[1] & 0x1F
        return kind in (h264.NAL_IDR, h264.NAL_SPS, h264.NAL_PPS)
    if kind == H265_FU and len(payload) > 2:
        kind = payload[2] & 0x3F
    return h265.NAL_IRAP_FIRST <= kind <= h265.NAL_IRAP_LAST or h265.NAL_VPS <= kind <= h265.NAL_PPS


def _begins_unit(codec: Codec, payload: bytes) -> bool:
    """Whether this is what encoders send before all else: nothing of the same unit is missing before it."""
    kind = _first_type(codec, payload)
    return kind in ((h264.NAL_SPS, h264.NAL_AUD) if codec is Codec.H264 else (h265.NAL_VPS, h265.NAL_AUD))


def _first_type(codec: Codec, payload: bytes) -> int:
    """Type of the first NAL unit, in an aggregate too; -1 for none."""
    if codec is Codec.H264:
        if payload and payload[0] & 0x1F != H264_STAP_A:
            return payload[0] & 0x1F
        return payload[3] & 0x1F if len(payload) > 3 else -1
    if payload and payload[0] >> 1 & 0x3F != H265_AP:
        return payload[0] >> 1 & 0x3F
    return payload[4] >> 1 & 0x3F if len(payload) > 4 else -1


class Depacketizer:
    """Puts the packets of one RTP stream together.

    Attributes:
        damaged: access units given up because a packet was missing or malformed.
    """

    def __init__(self, codec: Codec) -> None:
        if codec not in (Codec.H264, Codec.H265, Codec.OPUS):
            raise ValueError(f"no RTP payload format for {codec}")
        self._codec = codec
        self._next_seq: int | None = None
        self._timestamp: int | None = None
        self._nals = bytearray()
        self._fragment: bytearray | None = None
        self._spoiled = False
        self.damaged = 0

    def push(self, packet: RtpPacket) -> Assembled | None:
        """Take the next packet; return the access unit that it completes.

        Raises:
            WireError: a payload that the format does not allow; the access unit is given up.
        """
        gap = self._next_seq is not None and packet.seq != self._next_seq
        expected, self._next_seq = self._next_seq, (packet.seq + 1) & 0xFFFF
        if self._codec is Codec.OPUS:
            return Assembled(packet.timestamp, packet.payload) if packet.payload else None
        if packet.timestamp != self._timestamp:
            if not packet.payload:
                # Padding between units; a gap before it may still be one in the unit to come.
                self._next_seq = expected if gap else self._next_seq
                return None
            # An unfinished unit, or one whose marker was lost: what is missing cannot be known.
            if self._nals or self._fragment is not None:
                self.damaged += 1
            self._reset(packet.timestamp)
            gap = gap and not _begins_unit(self._codec, packet.payload)
        if gap:
            self._spoiled = True
        if packet.payload and not self._spoiled:
            try:
                self._take(packet.payload)
            except WireError:
                self._spoiled = True
                if packet.marker:
                    self._give_up()
                raise
        if not packet.marker:
            return None
        if self._spoiled or self._fragment is not None or not self._nals:
            self._give_up()
            return None
        assembled = Assembled(packet.timestamp, bytes(self._nals))
        self._reset(None)
        return assembled

    def _give_up(self) -> None:
        self.damaged += 1
        self._reset(None)

    def _reset(self, timestamp: int | None) -> None:
        self._timestamp = timestamp
        self._nals.clear()
        self._fragment = None
        self._spoiled = False

    def _take(self, payload: bytes) -> None:
        if self._codec is Codec.H264:
            self._take_h264(payload)
        else:
            self._take_h265(payload)
        if len(self._nals) + len(self._fragment or b"") > _MAX_UNIT_BYTES:
            raise WireError(f"rtp: an access unit of more than {_MAX_UNIT_BYTES} bytes")

    def _take_h264(self, payload: bytes) -> None:
        nal_type = payload[0] & 0x1F
        if nal_type == H264_FU_A:
            if len(payload) < 3:
                raise WireError(f"h264: an FU-A of {len(payload)} bytes")
            header = bytes([payload[0] & 0xE0 | payload[1] & 0x1F])
            self._take_fragment(payload[1], header, payload[2:])
        elif nal_type == H264_STAP_A:
            self._take_aggregate(payload[1:], 1)
        elif 1 <= nal_type <= 23:
            self._add(payload)
        else:
            raise WireError(f"h264: payload type {nal_type} is not allowed in packetization-mode 1")

    def _take_h265(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise WireError(f"h265: a payload of {len(payload)} bytes")
        nal_type = payload[0] >> 1 & 0x3F
        if nal_type == H265_FU:
            if len(payload) < 4:
                raise WireError(f"h265: a fragment of {len(payload)} bytes")
            header = bytes([payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1]])
            self._take_fragment(payload[2], header, payload[3:])
        elif nal_type == H265_AP:
            self._take_aggregate(payload[2:], 2)
        elif nal_type < H265_AP:
            self._add(payload)
        else:
            raise WireError(f"h265: payload type {nal_type} is not supported")

    def _take_fragment(self, flags: int, nal_header: bytes, part: bytes) -> None:
        if flags & 0x80:
            if self._fragment is not None:
                raise WireError("a fragmented NAL unit starts inside another")
            self._fragment = bytearray(nal_header)
        elif self._fragment is None:
            raise WireError("a fragment without its start")
        self._fragment += part
        if flags & 0x40:
            self._nals += _START_CODE + self._fragment
            self._fragment = None

    def _take_aggregate(self, body: bytes, min_nal_bytes: int) -> None:
        at = 0
        while at < len(body):
            size = int.from_bytes(body[at : at + 2], "big")
            at += 2
            if size < min_nal_bytes or at + size > len(body):
                raise WireError(f"a NAL unit of {size} bytes in an aggregate of {len(body)}")
            self._add(body[at : at + size])
            at += size

    def _add(self, nal: bytes) -> None:
        if self._fragment is not None:
            raise WireError("a NAL unit inside a fragmented one")
        self._nals += _START_CODE + nal
