"""Streams to players that fetch them over HTTP: HLS, with parts for low latency (RFC 8216, 8216bis).

`endpoint.py` knows who watches, `output.py` makes one stream for all that do: `hub.segmenter` cuts it,
`window.py` holds what can be had of it now, `playlist.py` says so, `files.py` finds it by its name, and
`waiting.py` tells who asked for more than that when it is there.
"""

from streamer.egress.hls.endpoint import HlsEgress, NoSuchHlsViewer
from streamer.egress.hls.viewer import HlsViewer

__all__ = ["HlsEgress", "HlsViewer", "NoSuchHlsViewer"]
