"""Pushing to an SRT listener as a caller: a stream's units as MPEG-TS. See `transport.output.Push`.

libsrt paces, retransmits and drops what is too late by itself; its send buffer is the queue of this push.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading

from transport.errors import LinkError, StateError
from transport.media import AccessUnit, Codec, Track
from transport.mpegts.mux import TsMuxer
from transport.mpegts.wire import PACKET_BYTES
from transport.outlet import TICK_S, Outlet
from transport.output import PushOptions, PushStatistics
from transport.srt.caller import connect
from transport.srt.connection import SrtConnection
from transport.srt.statistics import SrtStatistics
from transport.srt.wire import SrtTarget

# What every receiver plays.
_CODECS = frozenset({Codec.H264, Codec.H265, Codec.AAC})
# libsrt counts its buffer in slots of this size, and takes no fewer than 32.
_SLOT_BYTES = 1472
_MIN_SLOTS = 32
# How often the end looks whether everything has gone.
_LINGER_S = 0.02
# A server that stops has five seconds for everything; receivers of a longer latency lose the end.
_LONGEST_DUE_S = 3.5


class SrtPush:
    """One call to an SRT listener. Implements `transport.output.Push`."""

    def __init__(self, target: SrtTarget, options: PushOptions | None = None) -> None:
        self._options = options or PushOptions()
        self._target = _bounded(target, self._options)
        self._outlet = Outlet(self._options)
        self._muxer = TsMuxer()
        # Whole transport packets, as many as fit.
        self._message_bytes = max(target.options.payload_bytes // PACKET_BYTES, 1) * PACKET_BYTES
        self._connection: SrtConnection | None = None
        self._connecting = False
        self._ended: asyncio.Future[LinkError] | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._latest: SrtStatistics | None = None
        self._bytes_sent = 0
        self._queued_bytes = 0

    def __repr__(self) -> str:
        return f"<SrtPush {self._target.host} port {self._target.port}>"

    async def connect(self) -> None:
        """See `Push`."""
        if self._connecting:
            raise StateError("an SRT push connects once")
        self._connecting = True
        self._ended = asyncio.get_running_loop().create_future()
        cancelled = threading.Event()
        call = asyncio.ensure_future(asyncio.to_thread(connect, self._target, cancelled=cancelled))
        try:
            self._connection = await asyncio.shield(call)
        except asyncio.CancelledError:
            cancelled.set()
            call.add_done_callback(_close_unwanted)
            raise
        if self._ended.done():
            await self._shut()
            raise self._ended.result()
        self._tick()

    def accepts(self, track: Track) -> bool:
        """See `Push`."""
        return track.codec in _CODECS

    def announce(self, tracks: tuple[Track, ...]) -> None:
        """See `Push`."""
        carried = tuple(track for track in tracks if self.accepts(track))
        if carried != self._outlet.tracks:
            self._outlet.announce(carried)
            self._muxer.announce(carried)

    def splice(self) -> None:
        """See `Push`."""
        self._outlet.splice()

    def write(self, unit: AccessUnit) -> None:
        """See `Push`."""
        connection = self._connection
        if connection is None or self._is_over or not self.accepts(unit.track):
            return
        placed = self._outlet.admit(unit, self._queued_bytes)
        if placed is None:
            return
        packets = self._muxer.mux(unit, *placed)
        step = self._message_bytes
        messages = [packets[at : at + step] for at in range(0, len(packets), step)]
        try:
            taken = connection.send_now(messages)
            sent_bytes = sum(map(len, messages[:taken]))
            self._bytes_sent += sent_bytes
            self._queued_bytes += sent_bytes
            if taken < len(messages):
                self._outlet.refuse(unit)
        except LinkError as error:
            self._over(error)

    async def ended(self) -> LinkError:
        """See `Push`."""
        if self._ended is None:
            raise StateError("an SRT push ends only once it was connected")
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """See `Push`."""
        connection = self._connection
        if connection is not None and not self._is_over:
            with contextlib.suppress(LinkError, TimeoutError):
                await self._linger(connection)
        self._over(LinkError("ended", "closed"))
        await self._shut()

    def statistics(self) -> PushStatistics:
        """See `Push`."""
        latest = self._latest
        return self._outlet.statistics(
            bytes_sent=self._bytes_sent,
            queued_bytes=self._queued_bytes if not self._is_over else 0,
            unacknowledged_bytes=latest.buffer_bytes if latest else None,
            lag_s=latest.buffer_ms / 1000 if latest and not self._is_over else 0.0,
            rtt_ms=latest.rtt_ms if latest else None,
            encryption=latest.cipher if latest else "none",
            peer=f"{self._target.host}:{self._target.port}" if latest else "",
        )

    async def _linger(self, connection: SrtConnection) -> None:
        """Wait until all has arrived and was due: a receiver drops what is not due yet with a goodbye."""
        async with asyncio.timeout(self._options.close_timeout_s):
            while True:
                statistics = connection.statistics()
                if not statistics.buffer_packets:
                    break
                await asyncio.sleep(_LINGER_S)
        if self._bytes_sent:
            due_s = (statistics.peer_latency_ms + statistics.rtt_ms) / 1000
            await asyncio.sleep(min(due_s, _LONGEST_DUE_S))

    @property
    def _is_over(self) -> bool:
        return self._ended is None or self._ended.done()

    def _tick(self) -> None:
        """Read libsrt's counters, and notice that it has given the listener up."""
        if self._is_over or self._connection is None:
            return
        try:
            self._latest = self._connection.statistics()
        except LinkError as error:
            self._over(error)
            return
        loop = asyncio.get_running_loop()
        self._queued_bytes = self._latest.buffer_bytes
        self._outlet.tick(loop.time(), self._bytes_sent)
        self._ticker = loop.call_later(TICK_S, self._tick)

    def _over(self, failure: LinkError) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(failure)
        if self._ticker is not None:
            self._ticker.cancel()

    async def _shut(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)


def _bounded(target: SrtTarget, options: PushOptions) -> SrtTarget:
    """The target with a send buffer and a time limit as the push wants them."""
    slots = max(options.max_queued_bytes // _SLOT_BYTES, _MIN_SLOTS)
    bounded = dataclasses.replace(
        target.options,
        receive_buffer_bytes=min(slots * _SLOT_BYTES, target.options.receive_buffer_bytes),
        connect_timeout_ms=max(round(options.connect_timeout_s * 1000), 1),
        # libsrt's own least.
        peer_idle_timeout_ms=max(round(options.stall_timeout_s * 1000), 5000),
    )
    return dataclasses.replace(target, options=bounded)


def _close_unwanted(call: asyncio.Future[SrtConnection]) -> None:
    if not call.cancelled() and call.exception() is None:
        call.result().close()
