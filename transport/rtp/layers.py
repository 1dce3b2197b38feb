"""One picture in several layers at once (simulcast, RFC 8853): the best of those that come is passed on.

Each layer is received as any track is, `incoming.py`. From one to another goes over at a keyframe.
"""

from __future__ import annotations

import math
from dataclasses import replace

from transport.media import AccessUnit, Track
from transport.rtp.alignment import TimeAxis
from transport.rtp.depacketize import Assembled
from transport.rtp.header import RtpPacket
from transport.rtp.incoming import IncomingStream, IncomingTrack, LayerIds
from transport.rtp.reception import Reception

#: Nothing came of a layer for so long, while something did of another: its sender ended it.
_STOPPED_S = 0.3
#: How long a layer that stopped once has to come before it is passed on again.
_STEADY_S = 3.0
#: Of media and of what is sent again, also of a sender that began anew.
_MAX_SOURCES = 32


class LayeredTrack:
    """All layers of one track, and which is passed on.

    Args:
        agreed: the track.
        ids: how to tell its layers.
        axis: of all tracks; every layer's timestamps are its own.
        keyframe_interval_s: the longest time between keyframes.

    Attributes:
        layers: streams like any other, but that hand out units only while they are passed on.
        ignored: packets of sources that did not say which layer they are.
    """

    def __init__(
        self, agreed: IncomingTrack, ids: LayerIds, axis: TimeAxis, keyframe_interval_s: float
    ) -> None:
        self.ignored = 0
        self._ids = ids
        self.layers = tuple(_Layer(self, agreed, axis, keyframe_interval_s) for _ in ids.rids)
        self._by_rid = dict(zip((rid.encode() for rid in ids.rids), self.layers, strict=True))
        self._by_ssrc: dict[int, _Layer] = {}
        self._chosen: _Layer | None = None
        self._heard_at = -math.inf
        self._last_dts = -math.inf

    @property
    def track(self) -> Track:
        """Of the layer that is passed on."""
        return (self._chosen or self.layers[0]).track

    @property
    def reception(self) -> Reception | None:
        """Of a layer that came, None before."""
        return next((each.reception for each in self.layers if each.reception is not None), None)

    def push(self, packet: RtpPacket, now: float) -> list[AccessUnit]:
        """Take a packet of a layer, which its source's first packets name; return the units to pass on."""
        layer = self._find(packet, self._ids.extension)
        if layer is None:
            return []
        if self._has_stopped(layer):
            layer.steady_since = now
        layer.heard_at = now
        units = [unit for each in self.layers if self._has_stopped(each) for unit in each.stop()]
        units += layer.push(packet, now)
        if self._chosen is not None and self._has_stopped(self._chosen):
            self._best().want()
        self._heard_at = now
        return units

    def push_retransmission(self, packet: RtpPacket, now: float) -> list[AccessUnit]:
        """Take a packet that is sent again; return the units to pass on."""
        layer = self._find(packet, self._ids.repaired_extension or self._ids.extension)
        return [] if layer is None else layer.push_retransmission(packet, now)

    def passes(self, layer: _Layer, unit: AccessUnit, now: float) -> AccessUnit | None:
        """A layer has a unit: as it is passed on, if it is."""
        if layer is not self._chosen:
            if not unit.keyframe or not self._is_better(layer, unit, now):
                return None
            if self._chosen is not None and self._has_stopped(self._chosen):
                self._chosen.has_stopped_once = True
            self._chosen = layer
        if unit.dts <= self._last_dts:  # of the same moment in another layer, or its clock is not known yet
            late = int(self._last_dts) + 1 - unit.dts
            unit = replace(unit, pts=unit.pts + late, dts=unit.dts + late)
        self._last_dts = unit.dts
        return unit

    def _find(self, packet: RtpPacket, extension: int) -> _Layer | None:
        layer = self._by_ssrc.get(packet.ssrc)
        rid = packet.extension(extension)
        if rid is not None and (named := self._by_rid.get(rid)) is not None and named is not layer:
            layer = self._by_ssrc[packet.ssrc] = named
            while len(self._by_ssrc) > _MAX_SOURCES:
                del self._by_ssrc[next(iter(self._by_ssrc))]
        if layer is None:
            self.ignored += 1
        return layer

    def _has_stopped(self, layer: _Layer) -> bool:
        """Others went on for so long; the picture may be one that seldom changes."""
        return self._heard_at - layer.heard_at > _STOPPED_S

    def _best(self) -> _Layer:
        """Of those that come."""
        return max((each for each in self.layers if not self._has_stopped(each)), key=lambda each: each.area)

    def _is_better(self, layer: _Layer, unit: AccessUnit, now: float) -> bool:
        chosen = self._chosen
        if chosen is None:
            return True
        if self._has_stopped(chosen):
            return layer is self._best()
        is_steady = not layer.has_stopped_once or now - layer.steady_since > _STEADY_S
        return unit.track.width * unit.track.height > chosen.area and is_steady


class _Layer(IncomingStream):
    """One layer.

    Attributes:
        heard_at: when its last packet came.
        steady_since: since when it comes without having stopped.
        has_stopped_once: it was passed on, and stopped.
    """

    def __init__(
        self, whole: LayeredTrack, agreed: IncomingTrack, axis: TimeAxis, keyframe_interval_s: float
    ) -> None:
        super().__init__(agreed, axis.clock(agreed.clock_rate), keyframe_interval_s)
        self.heard_at = -math.inf
        self.steady_since = 0.0
        self.has_stopped_once = False
        self._whole = whole

    @property
    def area(self) -> int:
        """Of its pictures, 0 before the first."""
        return self.track.width * self.track.height

    def stop(self) -> list[AccessUnit]:
        """Nothing comes any more, for now: return what waited, and keep nobody waiting. Idempotent."""
        if self.is_over or self.reception is None:
            return []
        self._clock.rest()
        return self.end()

    def want(self) -> None:
        """Ask for a keyframe."""
        if self.keyframes is not None:
            self.keyframes.want()

    def _finish(self, assembled: Assembled, now: float) -> AccessUnit | None:
        unit = super()._finish(assembled, now)
        return None if unit is None else self._whole.passes(self, unit, now)
