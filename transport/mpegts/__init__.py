"""MPEG-2 transport streams: bytes in, access units out. See `demux.py`."""

from transport.mpegts.demux import DemuxCounters, TsDemuxer

__all__ = ["DemuxCounters", "TsDemuxer"]
