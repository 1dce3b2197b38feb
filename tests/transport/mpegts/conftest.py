"""Real streams from real muxers, made once for the session."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_PICTURES = "-f lavfi -i testsrc2=size=320x180:rate=30"
_SOUND = "-f lavfi -i sine=frequency=440:sample_rate=48000"
_X264 = "-c:v libx264 -preset ultrafast -g 30"
_X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=30"
_SECONDS = 3

FFMPEG = {
    "h264_aac": f"{_X264} -tune zerolatency -b:v 2M -c:a aac",
    "h264_high_bit_rate": f"{_X264} -b:v 9M -minrate 9M -maxrate 9M -bufsize 1M -x264opts filler=1 -c:a aac",
    "h264_b_frames_opus": "-c:v libx264 -preset veryfast -bf 2 -g 30 -b:v 500k -c:a libopus",
    "h264_low_bit_rate_mp2": f"{_X264} -tune zerolatency -b:v 60k -c:a mp2 -pes_payload_size 0",
    "h264_cbr_latm": f"{_X264} -b:v 1M -c:a aac -mpegts_flags +latm -muxrate 3M",
    "h265_ac3": f"{_X265} -c:a ac3",
    "h265_no_b_frames_aac_44100": f"{_X265} -tune zerolatency -c:a aac -ar 44100",
    "h264_sized_pes": f"{_X264} -b:v 500k -c:a aac -omit_video_pes_length 0",
    "mpeg2_mp2": "-c:v mpeg2video -bf 2 -g 15 -b:v 2M -c:a mp2",
    "mpeg2_interlaced_ac3": "-c:v mpeg2video -flags +ildct+ilme -bf 2 -g 15 -b:v 3M -c:a ac3",
    "h264_aac_program_config": f"{_X264} -tune zerolatency -c:a aac -af pan=quad|FL=c0|FR=c0|BL=c0|BR=c0",
    "h264_eac3": f"{_X264} -tune zerolatency -c:a eac3",
    "h264_mp3_24000": f"{_X264} -tune zerolatency -c:a libmp3lame -ar 24000",
    "h264_open_gop": "-c:v libx264 -preset veryfast -bf 2 -g 30 -x264opts open-gop=1 -c:a aac",
}
_GST_PICTURES = (
    "videotestsrc num-buffers=90 ! video/x-raw,width=320,height=180,framerate=30/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=1000 ! h264parse"
)
_GST_SOUND = "audiotestsrc num-buffers=130 ! audio/x-raw,rate=48000,channels=2"
GSTREAMER = {
    "gst_h264_aac": _GST_PICTURES
    + " ! mpegtsmux name=m alignment=7 {sink} "
    + _GST_SOUND
    + " ! avenc_aac ! aacparse ! m.",
    "gst_h264_opus_cbr": _GST_PICTURES
    + " ! mpegtsmux name=m bitrate=3000000 {sink} "
    + _GST_SOUND
    + " ! opusenc ! m.",
}


class Recordings:
    """Streams by name, made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        path = self._folder / f"{name}.ts"
        if not path.exists():
            if name in FFMPEG:
                command = (
                    f"ffmpeg -v error -y {_PICTURES} {_SOUND} -t {_SECONDS} {FFMPEG[name]} -f mpegts {path}"
                )
            else:
                command = f"gst-launch-1.0 -q {GSTREAMER[name]}".format(sink=f"! filesink location={path}")
            subprocess.run(command.split(), check=True, timeout=60)
        return path

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    return Recordings(tmp_path_factory.mktemp("mpegts"))
