"""Players that are no browsers fetch a stream over HTTP."""

from __future__ import annotations

import itertools

import av
import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, stream_id

_PATIENCE_S = 60.0
_CLOSED = f'[streams.closed]\npublish_key = "{KEY}"\n'
_PROGRAMME = Programme(size="320x180", bitrate_kbps=500, video="h264-b")


def test_ffmpeg_plays_a_closed_stream_with_its_token() -> None:
    with Server(_CLOSED) as server, ffmpeg_srt(server.srt_port, stream_id("closed"), _PROGRAMME):
        server.wait_live("closed")
        address = f"{server.url}/hls/closed/index.m3u8"
        with pytest.raises(av.error.HTTPUnauthorizedError):
            av.open(address)
        with av.open(f"{address}?token={server.token}") as container:
            kinds = {stream.type for stream in container.streams}
            frames = list(itertools.islice(container.decode(video=0), 100))
        assert kinds == {"video", "audio"}
        steps = [float(later.time - earlier.time) for earlier, later in itertools.pairwise(frames)]
        assert max(steps) < 0.1
        assert min(steps) > 0
        wait_until(lambda: not server.viewers_over_hls(), _PATIENCE_S, "the viewer to be gone")
