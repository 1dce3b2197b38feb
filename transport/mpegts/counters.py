"""What a demultiplexer counts: every way in which a stream was not what it should be."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class DemuxCounters:
    """Counters only grow.

    Attributes:
        packets: transport packets read.
        resyncs: times the packet grid was lost and searched anew.
        continuity_errors: gaps in a PID's continuity counter.
        crc_errors: tables that failed their CRC.
        malformed: packets, tables, PES headers or audio headers that made no sense.
        damaged_units: video units given out although packets of them are missing.
        dropped_units: units not given out: before the first keyframe, without their beginning, without any
            timestamp to go by, too long.
        early_flush_misses: units given out before their end, because the muxer marks ends differently.
        clamped_timestamps: decoding times that went back a little, and were held.
        clock_jumps: jumps of the program's clock that were evened out.
        unsupported: what the program contains that this server does not carry, by PID.
    """

    packets: int = 0
    resyncs: int = 0
    continuity_errors: int = 0
    crc_errors: int = 0
    malformed: int = 0
    damaged_units: int = 0
    dropped_units: int = 0
    early_flush_misses: int = 0
    clamped_timestamps: int = 0
    clock_jumps: int = 0
    unsupported: dict[int, str] = field(default_factory=dict)
