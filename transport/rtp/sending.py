"""The packets of one track for one receiver: numbers, timestamps, and the reports that tie them to time."""

from __future__ import annotations

from transport.errors import WireError
from transport.media import AccessUnit, Codec
from transport.rtp import rtcp
from transport.rtp.header import serialize_header
from transport.rtp.packetize import packetize
from transport.rtp.padding import strip
from transport.rtp.sound import packetize_sound, split_samples

#: Whose last packet has the marker; of other sound it begins a talkspurt (RFC 3551 section 4.1), of which
#: nothing is known here.
_MARKED = frozenset({Codec.H264, Codec.H265, Codec.AAC, Codec.AC3, Codec.EAC3})


class RtpSender:
    """Sends one track.

    Args:
        payload_type: as described.
        clock_rate: ticks per second of the RTP timestamps.
        ssrc: of this sender; random, as `seq` and `offset`.
        seq: of the first packet.
        offset: what timestamps have on top of the units' time.
        max_payload_bytes: without RTP header.

    Attributes:
        ssrc: as given.
        octets: of payload, sent so far.
        packets: sent so far.
        malformed: units that no payload could be made of.
    """

    def __init__(
        self, payload_type: int, clock_rate: int, *, ssrc: int, seq: int, offset: int, max_payload_bytes: int
    ) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self.malformed = 0
        self._payload_type = payload_type
        self._clock_rate = clock_rate
        self._seq = seq
        self._offset = offset
        self._max_payload_bytes = max_payload_bytes

    @property
    def next_seq(self) -> int:
        """Of the packet to come."""
        return self._seq & 0xFFFF

    def timestamp(self, seconds: float) -> int:
        """Of a moment of the units' time."""
        return (int(seconds * self._clock_rate) + self._offset) & 0xFFFFFFFF

    def send(self, unit: AccessUnit) -> list[bytes]:
        """The packets of one unit; none of one that the payload format does not allow."""
        packets: list[bytes] = []
        is_marked = unit.track.codec in _MARKED
        try:
            for piece, payloads in self._payloads(unit):
                timestamp = piece.pts * self._clock_rate // piece.track.clock_rate + self._offset
                last = len(payloads) - 1
                for number, payload in enumerate(payloads):
                    marker = is_marked and number == last
                    packets.append(self._packet(payload, timestamp, marker))
        except WireError:
            self.malformed += 1
            return []
        return packets

    def report(self, ntp: int, seconds: float, cname: str) -> bytes:
        """A sender report with who says so (RFC 3550 sections 6.4.1, 6.5).

        Args:
            ntp: the moment, 64 bits.
            seconds: the same moment in the units' time.
            cname: the same for all tracks.
        """
        report = rtcp.SenderReport(self.ssrc, ntp, self.timestamp(seconds), self.packets, self.octets)
        return rtcp.serialize_compound([report, rtcp.SourceDescription(((self.ssrc, cname),))])

    def goodbye(self, ntp: int, seconds: float, cname: str) -> bytes:
        """The last report (section 6.6)."""
        return self.report(ntp, seconds, cname) + rtcp.serialize_compound([rtcp.Bye((self.ssrc,))])

    def _payloads(self, unit: AccessUnit) -> list[tuple[AccessUnit, list[bytes]]]:
        codec, size = unit.track.codec, self._max_payload_bytes
        if codec.is_video or codec is Codec.OPUS:
            return [(unit, [strip(payload) for payload in packetize(unit, size)])]
        return [(piece, packetize_sound(piece, size)) for piece in split_samples(unit, size)]

    def _packet(self, payload: bytes, timestamp: int, marker: bool) -> bytes:
        header = serialize_header(self._payload_type, marker, self._seq, timestamp, self.ssrc)
        self._seq += 1
        self.packets += 1
        self.octets += len(payload)
        return header + payload
