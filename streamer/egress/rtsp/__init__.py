"""Streams to RTSP clients that read: players, recorders, other servers.

`endpoint.py` lets them in and knows them all, `reader.py` is one of them, `programme.py` what it is sent.
"""

from streamer.egress.rtsp.endpoint import RtspEgress
from streamer.egress.rtsp.reader import RtspReader

__all__ = ["RtspEgress", "RtspReader"]
