"""All that feeds streams on this machine: the ports that encoders call, WebRTC, and what is pulled."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence

from ops.components import rtsp_port
from ops.components.rtsp_port import RtspPort
from ops.components.srt_port import Side, SrtPort
from ops.identity.identity import Guard
from streamer.config import Config
from streamer.hub.registry import Registry
from streamer.ingest.pull import PullIngest
from streamer.ingest.rtmp import RtmpIngest
from streamer.ingest.rtsp import RtspIngest
from streamer.ingest.srt import SrtIngest
from streamer.ingest.whip import WhipIngest
from streamer.sections.base import split_address
from transport.errors import LinkError
from transport.plane.events import PlaneEvents
from transport.plane.interface import Plane
from transport.rtmp.listener import RtmpListener
from transport.webrtc.wire import Candidate

_log = logging.getLogger(__name__)


class Publishers:
    """Built before streams are configured; `listen` comes after that.

    Args:
        config: where ports are.
        registry: the streams.
        guard: decides who may publish, and how often somebody may try.
        plane: whose port publishers over WebRTC send to.
        events: the plane's.
        candidates: of every answer to them.

    Attributes:
        whip: those over WebRTC.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        guard: Guard,
        plane: Plane,
        events: PlaneEvents,
        candidates: Sequence[Candidate],
    ) -> None:
        self.whip = WhipIngest(plane, events, candidates)
        self._config = config
        self._pulls = PullIngest(config, registry)
        self._over_srt = SrtIngest(registry, guard.door, guard.rates.login)
        self._over_rtmp = RtmpIngest(registry, guard.door, guard.rates.login)
        self._over_rtsp = RtspIngest(registry, guard.door, guard.rates.login)
        self._srt: SrtPort | None = None
        self._rtmp: RtmpListener | None = None
        self._rtsp: RtspPort | None = None

    def listen(self, readers: Side, players: rtsp_port.Side, tls: ssl.SSLContext | None) -> None:
        """Open the ports.

        Args:
            readers: who calls the SRT port for a stream.
            players: who calls the RTSP port for one.
            tls: for RTMPS and RTSPS.

        Raises:
            LinkError: one cannot be had; says which key asks for it.
        """
        self._srt = SrtPort(self._config.srt, self._over_srt, readers)
        if (listen := self._config.rtmp.listen) is not None:
            try:
                self._rtmp = RtmpListener(split_address(listen), self._over_rtmp.serve, tls)
            except LinkError as error:
                raise LinkError(error.reason, f"rtmp.listen: {error}") from None
        self._rtsp = RtspPort(self._config.rtsp, self._over_rtsp, players, tls)

    @property
    def srt_address(self) -> tuple[str, int]:
        """Where the SRT port is."""
        assert self._srt is not None
        return self._srt.address

    def announce(self) -> None:
        """Say where encoders call."""
        _log.info("srt://%s:%d takes publishers and readers", *self.srt_address)
        if self._rtmp is not None:
            schemes = "rtmp:// and rtmps:// take" if self._rtmp.is_secure else "rtmp:// takes"
            _log.info("%s publishers at %s:%d", schemes, *self._rtmp.address)
        if self._rtsp is not None:
            self._rtsp.announce()

    async def stop_listening(self) -> None:
        """Let nobody in any more, and end those over RTMP, and all over RTSP."""
        for port in (self._srt, self._rtmp, self._rtsp):
            if port is not None:
                await asyncio.to_thread(port.close)

    async def close(self) -> None:
        """End everybody and wait for the threads; `stop_listening` comes first."""
        await asyncio.to_thread(self._over_srt.close)
        await asyncio.to_thread(self._pulls.close)
