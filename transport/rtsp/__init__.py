"""Pulling cameras over RTSP: `endpoint.py` has the thread, `assemble.py` turns its packets into units."""

from transport.rtsp.address import redact_url
from transport.rtsp.endpoint import RtspOptions, RtspSource, RtspStatistics

__all__ = ["RtspOptions", "RtspSource", "RtspStatistics", "redact_url"]
