"""Transcoding, for what a receiver cannot play: sound to Opus or AAC, pictures to H.264 without B-frames.

All turn one access unit into none, one or several, never raise because of what a unit contains, and keep the
source's time line. They cost processor time (a picture transcoder most of a core), so they belong in a
thread of their own. See `audio_transcode.py`, `video_transcode.py`, `thumbnail.py`.
"""

from transport.media.audio_transcode import AacTranscoder, OpusTranscoder
from transport.media.video_transcode import H264Options, H264Transcoder, suggested_bitrate

__all__ = ["AacTranscoder", "H264Options", "H264Transcoder", "OpusTranscoder", "suggested_bitrate"]
