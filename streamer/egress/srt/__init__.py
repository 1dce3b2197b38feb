"""Streams to SRT callers that read: players, decoders, recorders, other servers.

`endpoint.py` lets them in and knows them all, `reader.py` is one of them, `output.py` makes one transport
stream of a stream for all that read it.
"""

from streamer.egress.srt.endpoint import SrtEgress
from streamer.egress.srt.reader import SrtReader

__all__ = ["SrtEgress", "SrtReader"]
