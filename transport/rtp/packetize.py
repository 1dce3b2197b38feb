"""From access units to RTP payloads: H.264 (RFC 6184), H.265 (RFC 7798), Opus (RFC 7587).

Fragments of a picture are equal in length, those that end a NAL unit by padding where that is cheap: a run of
equal datagrams is what the kernel's UDP segmentation offload takes in one call. The way back is in
`depacketize.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from transport.errors import WireError
from transport.media import AccessUnit, Codec, opus
from transport.media.annexb import split_annexb
from transport.rtp.padding import SteadySize, even

H264_STAP_A = 24
H264_FU_A = 28
H265_AP = 48
H265_FU = 49

_H264_DROPPED = frozenset({9, 12})  # access unit delimiter, filler
_H265_DROPPED = frozenset({35, 38})
_H264_FIRST_NON_VCL = 6
_H265_FIRST_NON_VCL = 32
#: How much smaller than need be fragments may become for the sake of being equal.
_MIN_FILL = 0.8
_CHEAP_PADDING_BYTES = 64

_FragmentHeaders = Callable[[bytes], tuple[bytes, bytes, bytes]]


class Packetizer:
    """Splits the access units of one track, so that packets which go out together are equal in size.

    Args:
        max_payload_bytes: without RTP header, extensions and SRTP tag.
    """

    def __init__(self, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._sound = SteadySize()
        self._last_sound: AccessUnit | None = None

    def packetize(self, unit: AccessUnit) -> list[bytes]:
        """See `packetize`; of sound, packets about as long as the last are padded to one size."""
        payloads = packetize(unit, self._max_payload_bytes)
        if unit.track.is_video:
            return payloads
        self._last_sound = unit
        return [self._sound.pad(payload, self._max_payload_bytes) for payload in payloads]

    def pair(self, unit: AccessUnit) -> tuple[bytes, AccessUnit] | None:
        """Two Opus packets in one: the last that was packetized, if it was not sent yet, and one behind it.

        To be asked before `packetize`, which is needed only if this leads to nothing. There are no triples.

        Returns:
            The payload in place of the last one, and the unit whose time it has. None if the two do not
            follow each other, cannot be one packet or are too long for one.
        """
        last, self._last_sound = self._last_sound, None
        payload = None if last is None else opus.pair(last.data, unit.data)
        if last is None or payload is None or len(payload) > self._max_payload_bytes:
            return None
        if not _follows(last, unit):
            return None
        return self._sound.pad(payload, self._max_payload_bytes), last


def packetize(unit: AccessUnit, max_payload_bytes: int) -> list[bytes]:
    """Split one access unit into RTP payloads.

    Args:
        unit: H.264, H.265 or Opus.
        max_payload_bytes: without RTP header, extensions and SRTP tag.

    Returns:
        Payloads in sending order; the marker belongs on the last. Some are a `PaddedPayload`. Empty if
        nothing is left to send.

    Raises:
        WireError: an H.265 NAL unit shorter than its header, or an Opus packet that does not fit.
        ValueError: another codec.
    """
    if unit.track.codec is Codec.H264:
        return packetize_h264(unit.data, max_payload_bytes)
    if unit.track.codec is Codec.H265:
        return packetize_h265(unit.data, max_payload_bytes)
    if unit.track.codec is Codec.OPUS:
        return packetize_opus(unit.data, max_payload_bytes)
    raise ValueError(f"no RTP payload format for {unit.track.codec}")


def packetize_h264(annexb: bytes, max_payload_bytes: int) -> list[bytes]:
    """Split one H.264 access unit (RFC 6184, packetization-mode 1).

    Parameter sets and SEI travel together in a STAP-A, slices as single NAL units or in FU-A.
    """
    payloads: list[bytes] = []
    waiting: list[bytes] = []
    slices: list[bytes] = []
    for nal in split_annexb(annexb):
        nal_type = nal[0] & 0x1F
        if nal_type in _H264_DROPPED:
            continue
        if nal_type >= _H264_FIRST_NON_VCL and len(nal) <= max_payload_bytes:
            payloads += _cut(slices, max_payload_bytes, 1, _fu_a_headers)
            slices = []
            waiting.append(nal)
            continue
        payloads += _aggregate(waiting, max_payload_bytes, _stap_a_header)
        waiting = []
        slices.append(nal)
    payloads += _cut(slices, max_payload_bytes, 1, _fu_a_headers)
    payloads += _aggregate(waiting, max_payload_bytes, _stap_a_header)
    return payloads


def packetize_h265(annexb: bytes, max_payload_bytes: int) -> list[bytes]:
    """Split one H.265 access unit (RFC 7798 section 4.4, without DONL fields).

    Raises:
        WireError: a NAL unit shorter than its header.
    """
    payloads: list[bytes] = []
    waiting: list[bytes] = []
    slices: list[bytes] = []
    for nal in split_annexb(annexb):
        if len(nal) < 2:
            raise WireError(f"h265: a NAL unit of {len(nal)} bytes")
        nal_type = nal[0] >> 1 & 0x3F
        if nal_type in _H265_DROPPED:
            continue
        if nal_type >= _H265_FIRST_NON_VCL and len(nal) <= max_payload_bytes:
            payloads += _cut(slices, max_payload_bytes, 2, _fu_headers)
            slices = []
            waiting.append(nal)
            continue
        payloads += _aggregate(waiting, max_payload_bytes, _ap_header)
        waiting = []
        slices.append(nal)
    payloads += _cut(slices, max_payload_bytes, 2, _fu_headers)
    payloads += _aggregate(waiting, max_payload_bytes, _ap_header)
    return payloads


def packetize_opus(packet: bytes, max_payload_bytes: int) -> list[bytes]:
    """One Opus packet is one RTP payload (RFC 7587 section 4.2).

    Raises:
        WireError: longer than `max_payload_bytes`: Opus has no fragments.
    """
    if len(packet) > max_payload_bytes:
        raise WireError(f"opus: a packet of {len(packet)} bytes, {max_payload_bytes} fit")
    return [packet] if packet else []


def _follows(first: AccessUnit, second: AccessUnit) -> bool:
    """Whether one sound begins where the other ends, to the millisecond."""
    ticks_per_s = second.track.clock_rate
    if first.track.clock_rate != ticks_per_s:
        return False
    lasts_s = opus.packet_samples(first.data) / opus.CLOCK_RATE
    return abs((second.pts - first.pts) / ticks_per_s - lasts_s) < 0.001


def _aggregate(
    nals: list[bytes], max_payload_bytes: int, header: Callable[[list[bytes]], bytes]
) -> list[bytes]:
    """Pack small NAL units together, in order; one that stays alone goes as it is."""
    payloads: list[bytes] = []
    group: list[bytes] = []
    size = 2

    def flush() -> None:
        if len(group) == 1:
            payloads.append(group[0])
        elif group:
            payloads.append(header(group) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in group))
        group.clear()

    for nal in nals:
        if group and size + 2 + len(nal) > max_payload_bytes:
            flush()
            size = 2
        group.append(nal)
        size += 2 + len(nal)
    flush()
    return payloads


def _stap_a_header(nals: list[bytes]) -> bytes:
    # "F is set if any F is; NRI MUST be the maximum" (RFC 6184 5.7).
    forbidden = max(nal[0] & 0x80 for nal in nals)
    importance = max(nal[0] & 0x60 for nal in nals)
    return bytes([forbidden | importance | H264_STAP_A])


def _ap_header(nals: list[bytes]) -> bytes:
    # F if any is set, the lowest LayerId and TID of all (RFC 7798 4.4.2).
    forbidden = max(nal[0] & 0x80 for nal in nals)
    layer = min((nal[0] & 1) << 5 | nal[1] >> 3 for nal in nals)
    temporal = min(nal[1] & 7 for nal in nals)
    return bytes([forbidden | H265_AP << 1 | layer >> 5, (layer & 0x1F) << 3 | temporal])


def _cut(
    nals: list[bytes], max_payload_bytes: int, nal_header_bytes: int, headers: _FragmentHeaders
) -> list[bytes]:
    """The slices of one picture: whole where they fit, else in fragments of one size for all of them.

    The headers of fragments stand in for `nal_header_bytes` and are one byte longer; `headers` makes those of
    a NAL unit's first, middle and last fragment.
    """
    if not nals:
        return []
    overhead = nal_header_bytes + 1
    bodies = [len(nal) - nal_header_bytes for nal in nals if len(nal) > max_payload_bytes]
    size = _fragment_bytes(bodies, max_payload_bytes - overhead) if bodies else max_payload_bytes
    payloads: list[bytes] = []
    for nal in nals:
        if len(nal) <= max_payload_bytes:
            payloads.append(nal)
            continue
        first, middle, last = headers(nal)
        for at in range(nal_header_bytes, len(nal), size):
            part = nal[at : at + size]
            is_last = at + size >= len(nal)
            payloads.append((first if at == nal_header_bytes else last if is_last else middle) + part)
    return even(payloads, size + overhead) if bodies else payloads


def _fragment_bytes(lengths: list[int], max_bytes: int) -> int:
    """The size of fragments that needs few packets and leaves few of them short, for NAL units so long."""
    fewest = sum(-(-length // max_bytes) for length in lengths)
    best, lowest = max_bytes, float("inf")
    for length in lengths:
        need = -(-length // max_bytes)
        for count in range(need, max(need, int(length / (max_bytes * _MIN_FILL))) + 1):
            size = -(-length // count)
            packets = sum(-(-each // size) for each in lengths)
            short = [-each % size > _CHEAP_PADDING_BYTES for each in lengths]
            # A short one in the middle ends a run; a short one at the end keeps only sound from joining it.
            cost = 2 * (packets - fewest) + 3 * sum(short[:-1]) + short[-1]
            if cost < lowest:
                best, lowest = size, cost
    return best


def _fu_a_headers(nal: bytes) -> tuple[bytes, bytes, bytes]:
    indicator, nal_type = nal[0] & 0xE0 | H264_FU_A, nal[0] & 0x1F
    return (
        bytes((indicator, 0x80 | nal_type)),
        bytes((indicator, nal_type)),
        bytes((indicator, 0x40 | nal_type)),
    )


def _fu_headers(nal: bytes) -> tuple[bytes, bytes, bytes]:
    start, nal_type = bytes((nal[0] & 0x81 | H265_FU << 1, nal[1])), nal[0] >> 1 & 0x3F
    return start + bytes((0x80 | nal_type,)), start + bytes((nal_type,)), start + bytes((0x40 | nal_type,))
