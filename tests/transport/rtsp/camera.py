"""Runs `loadtests/rig/rtsp_server.py`, a camera of GStreamer's."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SERVER = Path(__file__).parents[3] / "loadtests" / "rig" / "rtsp_server.py"

_PICTURE = "videotestsrc is-live=1 pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1"
_H264 = (
    "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 threads=1 ! rtph264pay name=pay0 pt=96"
)
_SOUND = "audiotestsrc is-live=1 freq=1000 samplesperbuffer=960 ! audio/x-raw,rate={rate},channels={channels}"

MOUNTS = {
    "/h264": f"{_PICTURE} ! {_H264}",
    # No parameter sets in the description, repeated in the stream.
    "/inband": f"{_PICTURE} ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10"
    " ! rtph264pay pt=96 config-interval=-1 ! capssetter name=pay0 replace=true"
    " caps=application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96",
    "/large": "videotestsrc is-live=1 pattern=snow ! video/x-raw,width=640,height=480,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=6000 threads=1"
    " ! rtph264pay name=pay0 pt=96",
    "/fast": "videotestsrc is-live=1 pattern=snow ! video/x-raw,width=160,height=120,framerate=100/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=2000 threads=1"
    " ! rtph264pay name=pay0 pt=96",
    "/bframes": f"{_PICTURE} ! x264enc speed-preset=ultrafast bframes=2 b-adapt=0 rc-lookahead=2"
    " sync-lookahead=0 key-int-max=25 threads=1 ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96",
    "/h265": f"{_PICTURE} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25"
    " ! rtph265pay name=pay0 pt=96",
    "/mjpeg": "videotestsrc is-live=1 pattern=smpte"
    " ! video/x-raw,format=I420,width=640,height=360,framerate=25/1 ! jpegenc ! rtpjpegpay name=pay0",
    "/mjpeg_large": "videotestsrc is-live=1"
    " ! video/x-raw,format=I420,width=2560,height=1440,framerate=5/1 ! jpegenc ! rtpjpegpay name=pay0",
    "/aac": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=44100, channels=2)}"
    " ! avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "/opus": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=48000, channels=2)}"
    " ! opusenc ! rtpopuspay name=pay1 pt=97",
    "/mp2": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=48000, channels=2)}"
    " ! twolamemp2enc ! mpegaudioparse ! rtpmpapay name=pay1",
    "/mp3": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=48000, channels=2)}"
    " ! lamemp3enc ! mpegaudioparse ! rtpmpapay name=pay1",
    "/ac3": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=48000, channels=2)}"
    " ! avenc_ac3 ! ac3parse ! rtpac3pay name=pay1 pt=97",
    "/g711": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=8000, channels=1)} ! mulawenc ! rtppcmupay name=pay1",
    "/alaw": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=8000, channels=1)} ! alawenc ! rtppcmapay name=pay1",
    "/l16": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=16000, channels=2)} ! audioconvert"
    " ! audio/x-raw,format=S16BE ! rtpL16pay name=pay1 pt=97",
    "/g722": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=16000, channels=1)}"
    " ! avenc_g722 ! rtpg722pay name=pay1",
    "/g726": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=8000, channels=1)}"
    " ! avenc_g726 bitrate=32000 ! rtpg726pay force-aal2=false name=pay1",
    "/speex": f"{_PICTURE} ! {_H264} {_SOUND.format(rate=16000, channels=1)}"
    " ! speexenc ! rtpspeexpay name=pay1",
    "/speexalone": f"{_SOUND.format(rate=16000, channels=1)} ! speexenc ! rtpspeexpay name=pay0",
}


class Camera:
    """A running camera.

    Attributes:
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str], port: int, scheme: str) -> None:
        self.port = port
        self._process = process
        self._scheme = scheme

    def url(self, path: str, user: str = "", *, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{user}{'@' if user else ''}{host}:{self.port}{path}"

    def wait_for(self, line: str) -> None:
        """Wait until it has said so: "client", "gone"."""
        assert self._process.stdout is not None
        for said in self._process.stdout:
            if said.strip() == line:
                return
        raise AssertionError(f"the camera ended before it said {line!r}")

    def kill(self) -> None:
        self._process.kill()

    def freeze(self) -> None:
        """Stop sending without hanging up."""
        self._process.send_signal(signal.SIGSTOP)


@contextmanager
def camera(mounts: dict[str, str] | None = None, **settings: Any) -> Iterator[Camera]:
    process = subprocess.Popen(
        ["/usr/bin/python3", str(_SERVER), json.dumps({"mounts": mounts or MOUNTS, **settings})],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Camera(process, port, "rtsps" if "certificate" in settings else "rtsp")
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
