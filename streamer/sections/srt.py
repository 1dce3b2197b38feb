"""`[srt]`: the listener that encoders call, and whoever reads over SRT."""

from __future__ import annotations

from pydantic import Field

from streamer.sections.base import ListenAddress, Section
from transport.srt.options import SrtOptions


class SrtConfig(Section):
    """The SRT listener, and the defaults of SRT pulls.

    The buffers hold what a link of 250 ms round trip and 50 Mb/s has under way at four round trips of
    latency.
    """

    listen: ListenAddress = "127.0.0.1:8890"
    latency_ms: int = Field(120, ge=20, le=8000)
    tlpktdrop: bool = True
    receive_buffer_bytes: int = Field(24_117_248, ge=200_000, le=1_000_000_000)
    flow_control_packets: int = Field(25_600, ge=32, le=1_000_000)
    idle_timeout_ms: int = Field(5000, ge=500, le=60_000)
    max_readers: int = Field(200, ge=0, le=10_000)

    @property
    def options(self) -> SrtOptions:
        """How connections behave, before a stream's own passphrase."""
        return SrtOptions(
            latency_ms=self.latency_ms,
            tlpktdrop=self.tlpktdrop,
            receive_buffer_bytes=self.receive_buffer_bytes,
            flow_control_packets=self.flow_control_packets,
            peer_idle_timeout_ms=self.idle_timeout_ms,
        )
