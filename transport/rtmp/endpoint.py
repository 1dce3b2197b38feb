"""Pushing over RTMP or RTMPS: a stream's units as tags on a `Link`. See `transport.output.Push`."""

from __future__ import annotations

import asyncio

from transport.errors import LinkError, StateError, WireError
from transport.media import AccessUnit, Track
from transport.media.outclock import TICKS_PER_MS
from transport.outlet import Outlet
from transport.output import PushOptions, PushStatistics
from transport.rtmp import flv
from transport.rtmp.address import RtmpTarget
from transport.rtmp.amf0 import Value
from transport.rtmp.link import Link
from transport.rtmp.mux import TAGS
from transport.rtmp.wire import MessageType


class RtmpPush:
    """One publication on an RTMP server. Implements `transport.output.Push`."""

    def __init__(self, target: RtmpTarget, options: PushOptions | None = None) -> None:
        self._target = target
        self._options = options or PushOptions()
        self._outlet = Outlet(self._options)
        self._link: Link | None = None
        self._headers: dict[bool, Track] = {}
        self._described: dict[str, Value] = {}

    def __repr__(self) -> str:
        return f"<RtmpPush {self._target}>"

    async def connect(self) -> None:
        """See `Push`."""
        if self._link is not None:
            raise StateError("an RTMP push connects once")
        self._link = link = Link(self._target, self._options, self._outlet.tick)
        try:
            await link.open()
        except BaseException:
            link.abort()
            raise

    def accepts(self, track: Track) -> bool:
        """See `Push`."""
        return flv.accepts(track, enhanced=self._options.enhanced)

    def announce(self, tracks: tuple[Track, ...]) -> None:
        """See `Push`."""
        self._outlet.announce(tuple(track for track in tracks if self.accepts(track)))

    def splice(self) -> None:
        """See `Push`."""
        self._outlet.splice()

    def write(self, unit: AccessUnit) -> None:
        """See `Push`."""
        link = self._link
        if link is None or not link.is_live or not self.accepts(unit.track):
            return
        placed = self._outlet.admit(unit, link.queued_bytes, link.lag_s)
        if placed is None:
            return
        timestamp = placed[0] // TICKS_PER_MS
        if self._headers.get(unit.track.is_video) is not unit.track:
            self._describe(link, unit.track, timestamp)
        tag = TAGS.tag(unit)
        link.send(tag.kind, timestamp, tag.body, tag.pieces)

    async def ended(self) -> LinkError:
        """See `Push`."""
        if self._link is None:
            raise StateError("an RTMP push ends only once it was connected")
        return await asyncio.shield(self._link.ended)

    async def close(self) -> None:
        """See `Push`."""
        if self._link is not None:
            await self._link.close(self._options.close_timeout_s)

    def statistics(self) -> PushStatistics:
        """See `Push`."""
        link = self._link
        return self._outlet.statistics(
            bytes_sent=link.bytes_sent if link else 0,
            queued_bytes=link.queued_bytes if link else 0,
            unacknowledged_bytes=link.unacknowledged_bytes if link else None,
            lag_s=link.lag_s if link and link.is_live else 0.0,
            rtt_ms=link.rtt_ms if link else None,
            encryption=link.encryption if link else "none",
            peer=link.peer if link else "",
        )

    def _describe(self, link: Link, track: Track, timestamp: int) -> None:
        """Send what decoders need ahead of a track's first unit, and whenever it changes."""
        known = self._headers.get(track.is_video)
        self._headers[track.is_video] = track
        tracks = {each.is_video: each for each in self._outlet.tracks} | self._headers
        described = flv.metadata(tuple(tracks.values()))
        if described != self._described:
            self._described = described
            link.send_metadata(described, timestamp)
        if known is not None and (known.codec, known.parameter_sets) == (track.codec, track.parameter_sets):
            return
        try:
            header = flv.sequence_header(track)
        except WireError:
            return  # it describes itself badly; its pictures may still carry what a decoder needs
        if header is not None:
            link.send(MessageType.VIDEO if track.is_video else MessageType.AUDIO, timestamp, header)
