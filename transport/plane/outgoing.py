"""One viewer's view of one feed: which packet it gets when, under which sequence number and timestamp.

Sans-IO. Every packet is computed from the shared history and a `_Segment`, the same way when it is sent and
when it is sent again. That is what keeps a resend byte for byte the same, which AES-GCM needs: one sequence
number must never be encrypted with two contents. Timestamps are explained in `timeline.py`.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from dataclasses import dataclass

from transport.plane.history import PacketizedUnit
from transport.plane.interface import PlaneOptions, Subscription
from transport.plane.playout import Playout
from transport.plane.source import Source
from transport.plane.timeline import Timeline, begin
from transport.rtp.header import serialize_extensions, serialize_header
from transport.rtp.padding import PaddedPayload, strip

#: Packets that go out together, and the most time between two such runs and from first to last of a unit.
_RUN_PACKETS = 8
_RUN_GAP_S = 0.001
_MAX_SPREAD_S = 0.020
#: Runs that are closer than this are sent as one: no clock tells them apart.
_MIN_GAP_S = 0.00001
#: Units up to this size are not paced at all.
_UNPACED_PACKETS = 2 * _RUN_PACKETS
#: A keyframe this fresh is as good as the next one when a subscription moves.
_FRESH_KEYFRAME_S = 0.5
#: How long a backlog waits for a TCP connection before it is given up, and how often it looks.
_MAX_BURST_DELAY_S = 3.0
_BLOCKED_RETRY_S = 0.01
_MAX_SEGMENTS = 16


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A packet that was sent before, as it was.

    Attributes:
        number: sequence number, unwrapped.
        timestamp: the viewer's, unwrapped.
    """

    number: int
    payload_type: int
    timestamp: int
    marker: bool
    extensions: bytes
    payload: bytes
    ssrc: int

    def serialize(self) -> bytes:
        """The RTP packet, not encrypted."""
        header = serialize_header(
            self.payload_type,
            self.marker,
            self.number,
            self.timestamp,
            self.ssrc,
            self.extensions,
            padded=isinstance(self.payload, PaddedPayload),
        )
        return header + self.payload


@dataclass(frozen=True, slots=True)
class _Segment:
    """A stretch in which sequence numbers follow the feed's packet numbers."""

    subscription: Subscription
    extensions: bytes
    source: Source
    timeline: Timeline
    first_number: int
    first_packet: int
    playout_delay_min_ms: int

    def packet(self, number: int, unit: PacketizedUnit, place: int) -> SentPacket:
        return SentPacket(
            number,
            self.subscription.payload_type,
            self.timeline.map(unit.timestamp),
            # In sound the marker begins a talkspurt (RFC 7587 4.1); a programme is one long one.
            self.source.is_video and place == len(unit.payloads) - 1,
            self.extensions,
            unit.payloads[place],
            self.subscription.ssrc,
        )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A feed that the subscription begins with, or moves to, as soon as it can."""

    subscription: Subscription
    source: Source
    from_index: int


def extension_block(
    subscription: Subscription, options: PlaneOptions, playout_delay_min_ms: int | None = None
) -> bytes:
    """Header extensions of every packet of a subscription, all of the same size.

    Args:
        subscription: which extensions it has, under which ids.
        options: the playout delay.
        playout_delay_min_ms: instead of the option.

    Raises:
        ValueError: an id or a MID that the one-byte form cannot carry.
    """
    extensions: list[tuple[int, bytes]] = []
    if subscription.mid_extension:
        extensions.append((subscription.mid_extension, subscription.mid.encode()))
    if subscription.playout_delay_extension:
        # Two times 12 bits in units of 10 ms.
        min_ms = options.playout_delay_min_ms if playout_delay_min_ms is None else playout_delay_min_ms
        low, high = (min(0xFFF, ms // 10) for ms in (min_ms, options.playout_delay_max_ms))
        extensions.append((subscription.playout_delay_extension, (low << 12 | high).to_bytes(3, "big")))
    return serialize_extensions(extensions)


def playout_delay_offset(subscription: Subscription) -> int:
    """Where in the block the three bytes of the playout delay are, 0 if it has none."""
    if not subscription.playout_delay_extension:
        return 0
    # A header of four bytes, and one before each value (RFC 8285 section 4.2).
    mid_bytes = 1 + len(subscription.mid.encode()) if subscription.mid_extension else 0
    return 4 + mid_bytes + 1


class Outgoing:
    """The sending state of one subscription.

    Attributes:
        subscription: the one in force.
        deadline: when `pull` has more to give, None if only a new unit can change that.
        packets: sent so far, as `octets` (payload only) for sender reports.
        skipped: packets left out because the viewer's connection was full or it fell behind.
        playout: how long the viewer should keep pictures.
    """

    def __init__(self, subscription: Subscription, source: Source, options: PlaneOptions) -> None:
        self.subscription = subscription
        self.deadline: float | None = None
        self.packets = 0
        self.octets = 0
        self.skipped = 0
        self.playout = Playout(options.playout_delay_min_ms, options.playout_delay_max_ms)
        self._options = options
        self._segments: deque[_Segment] = deque(maxlen=_MAX_SEGMENTS)
        self._waiting: _Waiting | None = _Waiting(subscription, source, 0)
        self._has_started = False
        self._is_silent = False
        # Lower half only: a receiver that misses the first packets must still guess ROC 0 (RFC 3711 3.3.1).
        self._first_number = self._next_number = secrets.randbelow(1 << 15)
        self._index = 0
        self._needs_keyframe = False
        self._skipped_until = 0
        self._unit: PacketizedUnit | None = None
        self._place = 0
        self._unit_started_at = 0.0
        self._gap_s = 0.0
        self._burst_started_at = 0.0
        self._burst_until_index = 0
        self._last: tuple[int, float] | None = None

    @property
    def source(self) -> Source:
        """The feed that is being sent, or that will be first."""
        if self._segments:
            return self._segments[-1].source
        assert self._waiting is not None
        return self._waiting.source

    @property
    def sources(self) -> tuple[Source, ...]:
        """The feeds whose new units matter: the one being sent and the one it moves to."""
        if self._waiting is None or self._waiting.source is self.source:
            return (self.source,)
        return (self.source, self._waiting.source)

    @property
    def shift(self) -> int:
        """Ticks between the feed's time and the viewer's, for sender reports."""
        return self._segments[-1].timeline.shift if self._segments else 0

    def move(self, subscription: Subscription, source: Source, now: float, *, meanwhile: bool = True) -> None:
        """Go on with another feed, at a keyframe; `meanwhile` the old one is sent, and sent again."""
        self.subscription = subscription
        if not meanwhile:
            # And it stays so: going on in the middle of a GOP would show nothing either. What was lost before
            # is worth nothing any more, and would only keep the line full.
            self._is_silent = True
            self.forget_sent()
        keyframe = source.history.keyframe()
        from_index = source.history.next_index
        if source.is_video and keyframe is not None and now - keyframe.at <= _FRESH_KEYFRAME_S:
            from_index = keyframe.index
        self._waiting = _Waiting(subscription, source, from_index)

    def forget_sent(self) -> None:
        """Resend nothing of what was sent so far; new keys start their rollover counters at zero."""
        self._first_number = self._next_number

    def pull(self, now: float, *, room_bytes: float = math.inf) -> list[bytes]:
        """Packets to be sent now, not encrypted, in order.

        Args:
            now: seconds, monotonic.
            room_bytes: of payload, after which no new unit is begun; without any the connection is full.
        """
        self.deadline = None
        before = self.octets
        packets: list[bytes] = []
        while self._unit is not None or self._take_unit(now, is_blocked=room_bytes <= 0):
            assert self._unit is not None
            unit, segment = self._unit, self._segments[-1]
            allowed = len(unit.payloads)
            if self._gap_s:
                # The small addend: a deadline that was computed as a product must count as reached.
                runs = 1 + int((now - self._unit_started_at) / self._gap_s + 1e-6)
                # And one that rounding puts at this very moment, or else nothing would ever be due after it.
                runs += self._unit_started_at + runs * self._gap_s <= now
                allowed = min(allowed, runs * _RUN_PACKETS)
                if allowed < len(unit.payloads):
                    self.deadline = self._unit_started_at + runs * self._gap_s
            for place in range(self._place, allowed):
                packets.append(segment.packet(self._next_number, unit, place).serialize())
                self._next_number += 1
                self.packets += 1
                self.octets += len(strip(unit.payloads[place]))
            self._place = allowed
            if allowed < len(unit.payloads):
                break
            last = segment.timeline.map(unit.timestamp)
            self._last = (max(last, self._last[0]) if self._last else last, now)
            self._unit = None
            self._index = unit.index + 1
            if self.octets - before >= room_bytes:
                # Whether the connection takes more is known when it was offered this.
                self.deadline = now + _BLOCKED_RETRY_S
                break
        return packets

    def find(self, seq: int) -> SentPacket | None:
        """The packet that was sent under this sequence number (16 bits), None if it is gone or never was."""
        newest = self._next_number - 1
        number = newest - (newest - seq & 0xFFFF)
        if number < self._first_number:
            return None
        for segment in reversed(self._segments):
            if segment.first_number <= number:
                held = segment.source.history.packet(segment.first_packet + number - segment.first_number)
                return None if held is None else segment.packet(number, *held)
        return None

    def _take_unit(self, now: float, *, is_blocked: bool) -> bool:
        """Make the next unit the current one, if there is one and it is due."""
        if self._waiting is not None:
            self._begin_waiting(now)
        if not self._segments or self._is_silent:
            return False
        segment = self._segments[-1]
        history = segment.source.history
        if history.is_gone(self._index):
            self._needs_keyframe = True
        if self._needs_keyframe:
            _, end = history.end
            keyframe = history.keyframe()
            if keyframe is None or keyframe.index < self._index:
                self._count_skipped(segment, end)
                return False
            self._index = keyframe.index
        unit = history.unit(self._index)
        if unit is None:
            return False
        due = self._due(unit, segment)
        if due > now:
            self.deadline = due
            return False
        if is_blocked:
            return self._hold_back(unit, segment, now)
        self._needs_keyframe = False
        self._unit = unit
        self._place = 0
        self._unit_started_at = now
        self._gap_s = self._gap(unit, segment)
        is_gap = self._count_skipped(segment, unit.first_packet)
        if is_gap or segment.playout_delay_min_ms != self.playout.min_ms:
            self._append_segment(segment.subscription, segment.source, segment.timeline, unit)
        return True

    def _hold_back(self, unit: PacketizedUnit, segment: _Segment, now: float) -> bool:
        """The connection is full: a backlog can wait a little, what is live is left out."""
        if unit.index < self._burst_until_index and now < self._burst_started_at + _MAX_BURST_DELAY_S:
            self.deadline = now + _BLOCKED_RETRY_S
            return False
        self._index, end = segment.source.history.end
        self._needs_keyframe = segment.source.is_video
        self._count_skipped(segment, end)
        return False

    def _count_skipped(self, segment: _Segment, end: int) -> bool:
        """Count what is left out up to a packet of the feed; returns whether anything is."""
        expected = segment.first_packet + self._next_number - segment.first_number
        counted = max(expected, self._skipped_until)
        if end > counted:
            self.skipped += end - counted
            self._skipped_until = end
        return end > expected

    def _begin_waiting(self, now: float) -> None:
        waiting = self._waiting
        assert waiting is not None
        history = waiting.source.history
        from_index = waiting.from_index
        if not waiting.source.is_video and not self._has_started:
            # Sound starts with the next unit from the moment the viewer can be sent to.
            self._has_started = True
            self._waiting = _Waiting(waiting.subscription, waiting.source, history.next_index)
            return
        if waiting.source.is_video:
            if self._segments and self._segments[-1].source.closed:
                from_index = 0  # nothing to show meanwhile: the current GOP is better than a wait
            unit = history.keyframe()
        else:
            unit = history.unit(from_index) or history.newest()
        newest = history.newest()
        if unit is None or newest is None or unit.index < from_index:
            return
        last = (self._last[0], now - self._last[1]) if self._last else None
        # Sound has no backlog: what little there is was written since the viewer could be sent to.
        backlog = newest.index - unit.index + 1 if waiting.source.is_video else 1
        timeline = begin(unit.timestamp, newest.timestamp, backlog, waiting.source.clock_rate, last)
        self._append_segment(waiting.subscription, waiting.source, timeline, unit)
        self._waiting = None
        self._has_started = True
        self._is_silent = False
        self._index = unit.index
        self._needs_keyframe = False
        self._skipped_until = 0
        self._burst_started_at = now
        self._burst_until_index = newest.index + 1 if backlog > 2 else 0

    def _append_segment(
        self, subscription: Subscription, source: Source, timeline: Timeline, unit: PacketizedUnit
    ) -> None:
        min_ms = self.playout.min_ms
        extensions = extension_block(subscription, self._options, min_ms)
        self._segments.append(
            _Segment(subscription, extensions, source, timeline, self._next_number, unit.first_packet, min_ms)
        )

    def _due(self, unit: PacketizedUnit, segment: _Segment) -> float:
        timeline = segment.timeline
        if not self._burst_until_index or unit.timestamp + timeline.shift >= timeline.until:
            return 0.0
        ticks = timeline.map(unit.timestamp) - timeline.first
        return self._burst_started_at + ticks / segment.source.clock_rate

    def _gap(self, unit: PacketizedUnit, segment: _Segment) -> float:
        """Seconds between the runs of one unit, 0.0 to send it at once."""
        count = len(unit.payloads)
        if count <= _UNPACED_PACKETS:
            return 0.0
        spread = _MAX_SPREAD_S
        is_first = self._next_number == segment.first_number
        if not is_first:
            if segment.source.history.next_index > unit.index + 1 and unit.index >= self._burst_until_index:
                return 0.0  # behind already
            in_line = unit.timestamp + segment.timeline.shift < segment.timeline.until
            interval = (
                unit.interval / segment.source.clock_rate * (segment.timeline.squeeze if in_line else 1)
            )
            spread = min(spread, (interval or 1 / 30) / 2)
        gap = min(_RUN_GAP_S, spread / -(-count // _RUN_PACKETS))
        return gap if gap >= _MIN_GAP_S else 0.0
