"""Streams to RTSP clients that read: players, recorders, other servers.

`endpoint.py` lets them in and knows them all, `reader.py` is one of them; `output.py` sends all that read one
stream what `programme.py` makes of it, `player.py` is how it knows one.
"""

from streamer.egress.rtsp.endpoint import RtspEgress
from streamer.egress.rtsp.reader import RtspReader

__all__ = ["RtspEgress", "RtspReader"]
