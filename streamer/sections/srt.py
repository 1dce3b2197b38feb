"""`[srt]`: the listener that encoders call."""

from __future__ import annotations

from pydantic import Field

from streamer.sections.base import ListenAddress, Section


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
