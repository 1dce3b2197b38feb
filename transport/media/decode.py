"""A libav decoder that outlives broken input: what both transcoders stand on.

One bad unit is a counter. A burst of them means that the decoder itself may be confused, so it is made anew;
the same happens when the track's parameters change. Nothing here raises because of what a unit contains.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Generic, Protocol, TypeVar

import av.error
from av.packet import Packet

from transport.media.unit import AccessUnit, Track

FrameT = TypeVar("FrameT")

#: As many failures in a row as half a second of sound or a third of a second of picture.
_BURST = 10


class DecoderContext(Protocol[FrameT]):
    """The part of a PyAV codec context that is used here."""

    def decode(self, packet: Packet[Any] | None = None) -> list[FrameT]:
        """Give it a packet, or None for the end; take what is ready."""
        ...


class TolerantDecoder(Generic[FrameT]):
    """Decodes units of one track.

    Attributes:
        errors: units that could not be decoded, in total.
        restarts: how often the decoder was made anew, because of errors or of new parameters.
    """

    def __init__(self, make: Callable[[Track], DecoderContext[FrameT]]) -> None:
        """Args: how to make a decoder for a unit's track."""
        self.errors = 0
        self.restarts = 0
        self._make = make
        self._failures = 0
        self._context: DecoderContext[FrameT] | None = None

    def decode(self, unit: AccessUnit) -> list[FrameT]:
        """Decode one unit.

        Returns:
            Frames that are ready, in the order they are shown, `pts` in ticks of the unit's clock. Empty
            after an error.
        """
        if not unit.data:  # libav takes an empty packet for the end of the stream
            self._failed()
            return []
        try:
            if self._context is None:
                self._context = self._make(unit.track)
            packet: Packet[Any] = Packet(unit.data)
            packet.pts = unit.pts
            packet.dts = unit.dts
            packet.time_base = Fraction(1, unit.track.clock_rate)
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            self._failed()
            return []
        self._failures = 0
        return frames

    def drain(self) -> list[FrameT]:
        """Take the frames that the decoder still holds; the next unit starts a new decoder."""
        context, self._context = self._context, None
        if context is None:
            return []
        try:
            return context.decode(None)
        except av.error.FFmpegError:
            return []

    def restart(self) -> None:
        """Forget everything, including frames held back."""
        self.restarts += 1
        self._failures = 0
        self._context = None

    def _failed(self) -> None:
        self.errors += 1
        self._failures += 1
        if self._failures >= _BURST:
            self.restart()
