"""Streams to browsers.

`endpoint.py` keeps the viewers and what happens to them, `viewer.py` is one of them, `outputs.py` turns a
stream's tracks into the media plane's feeds.
"""

from streamer.egress.webrtc.endpoint import GaveUp, NoSuchViewer, WebRtcEgress
from streamer.egress.webrtc.viewer import Viewer, ViewerState

__all__ = ["GaveUp", "NoSuchViewer", "Viewer", "ViewerState", "WebRtcEgress"]
