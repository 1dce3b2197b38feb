"""Encoders as broadcasters use them: ffmpeg and GStreamer, pushing MPEG-TS over SRT."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtests.rig.process import Process

_CAMERA = Path(__file__).parent / "rtsp_server.py"
_RECORDINGS = Path(__file__).parents[2] / "build" / "recordings"
_RECORDED_S = 8.0


@dataclass(frozen=True)
class Programme:
    """What an encoder makes.

    Attributes:
        size: width x height.
        fps: pictures a second; of "mpeg2" fields.
        gop_s: seconds between keyframes.
        video: "h264", "h264-b" (with B-frames), "h265", "mpeg2" (interlaced, with B-frames, of pixels that
            are not square), or "" for none.
        audio: "aac", "mp2", "mp3", "ac3", "eac3", "opus", or "" for none.
        bitrate_kbps: of the picture.
    """

    size: str = "640x360"
    fps: int = 30
    gop_s: float = 2.0
    video: str = "h264"
    audio: str = "aac"
    bitrate_kbps: int = 1500


_VIDEO = {
    "h264": ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"),
    "h264-b": ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-profile:v", "high"),
    "h265": (
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-x265-params",
        "log-level=none",
    ),
    "mpeg2": (
        "-vf",
        "tinterlace=interleave_top,setfield=tff,setdar=16/9",
        "-c:v",
        "mpeg2video",
        "-flags",
        "+ildct+ilme",
        "-bf",
        "2",
    ),
}
_AUDIO = {
    "aac": ("-c:a", "aac", "-b:a", "128k"),
    "mp2": ("-c:a", "mp2", "-b:a", "192k"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128k"),
    "ac3": ("-c:a", "ac3", "-b:a", "192k"),
    "eac3": ("-c:a", "eac3", "-b:a", "192k"),
    "opus": ("-c:a", "libopus", "-b:a", "96k"),
}


def ffmpeg_arguments(programme: Programme) -> list[str]:
    """Input and coding options, up to but without the output."""
    arguments = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]
    if programme.video:
        arguments += ["-re", "-f", "lavfi", "-i", f"testsrc2=size={programme.size}:rate={programme.fps}"]
    if programme.audio:
        arguments += ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
    if programme.video:
        gop = str(round(programme.gop_s * programme.fps))
        # One slice a picture, as hardware and OBS have it; x264 makes one per thread when tuned for latency.
        arguments += ["-threads", "1"] if programme.video == "h264" else []
        rate = f"{programme.bitrate_kbps}k"
        arguments += [*_VIDEO[programme.video], "-g", gop, "-b:v", rate, "-maxrate", rate, "-bufsize", rate]
        arguments += ["-pix_fmt", "yuv420p", "-sc_threshold", "0"]
    if programme.audio:
        arguments += [*_AUDIO[programme.audio], "-ac", "2"]
    return arguments


def recorded_arguments(programme: Programme) -> list[str]:
    """As `ffmpeg_arguments`, of a programme that was encoded before and begins again after some seconds.

    An encoder on the same machine takes from the server what is to be measured. The recording is kept.
    """
    name = hashlib.sha256(repr(programme).encode()).hexdigest()[:16]
    recording = _RECORDINGS / f"{name}.ts"
    if not recording.exists():
        _RECORDINGS.mkdir(parents=True, exist_ok=True)
        # A whole number of keyframe intervals; beside its final name, as others may want it now.
        seconds = programme.gop_s * math.ceil(_RECORDED_S / programme.gop_s)
        part = recording.with_suffix(f".{os.getpid()}")
        making = [each for each in ffmpeg_arguments(programme) if each != "-re"]
        # Each bit of sound in a packet of its own: `-re` waits for the last one in a packet, and would then
        # send the pictures of all that time at once.
        making += ["-t", f"{seconds:g}", "-f", "mpegts", "-muxdelay", "0", str(part)]
        subprocess.run(making, check=True)
        part.rename(recording)
    arguments = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin"]
    return [*arguments, "-re", "-stream_loop", "-1", "-i", str(recording), "-c", "copy"]


def ffmpeg_srt(
    port: int,
    stream_id: str,
    programme: Programme,
    *,
    passphrase: str = "",
    pbkeylen: int = 32,
    latency_ms: int = 120,
    recorded: bool = False,
) -> Process:
    """ffmpeg, calling an SRT listener on this machine; `recorded` is as of `recorded_arguments`."""
    key = ["-passphrase", passphrase, "-pbkeylen", str(pbkeylen)] if passphrase else []
    # ffmpeg counts the latency in microseconds, unlike everybody else.
    return Process(
        [
            *(recorded_arguments(programme) if recorded else ffmpeg_arguments(programme)),
            *key,
            *("-srt_streamid", stream_id),
            *("-f", "mpegts", "-muxdelay", "0"),
            f"srt://127.0.0.1:{port}?mode=caller&transtype=live&latency={latency_ms * 1000}",
        ]
    )


def gstreamer_srt(port: int, stream_id: str, *, passphrase: str = "", pbkeylen: int = 32) -> Process:
    """GStreamer's srtsink, calling an SRT listener on this machine; H.264 and AAC."""
    key = [f"passphrase={passphrase}", f"pbkeylen={pbkeylen}"] if passphrase else []
    return Process(
        [
            *("gst-launch-1.0", "-q"),
            *("videotestsrc", "is-live=true", "!", "video/x-raw,width=640,height=360,framerate=30/1"),
            *("!", "x264enc", "tune=zerolatency", "speed-preset=ultrafast", "key-int-max=60", "bitrate=1500"),
            *("!", "video/x-h264,profile=baseline", "!", "h264parse", "!", "queue", "!", "mux."),
            *("audiotestsrc", "is-live=true", "!", "audioconvert", "!", "audio/x-raw,rate=48000,channels=2"),
            *("!", "avenc_aac", "!", "aacparse", "!", "queue", "!", "mux."),
            *("mpegtsmux", "name=mux", "alignment=7", "!", "srtsink"),
            f"uri=srt://127.0.0.1:{port}?mode=caller",
            *(f"streamid={stream_id}", "wait-for-connection=false", *key),
        ]
    )


def gstreamer_rtsp(port: int, *, gop_s: float) -> Process:
    """A camera: GStreamer's RTSP server under the system's Python, H.264 and AAC at /cam."""
    launch = (
        "videotestsrc is-live=1 ! video/x-raw,width=1280,height=720,framerate=30/1 ! "
        f"x264enc tune=zerolatency speed-preset=ultrafast key-int-max={round(gop_s * 30)} bitrate=2500 ! "
        "video/x-h264,profile=baseline ! rtph264pay name=pay0 pt=96 "
        "audiotestsrc is-live=1 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97"
    )
    settings = {"mounts": {"/cam": launch}, "port": port}
    return Process(["/usr/bin/python3", str(_CAMERA), json.dumps(settings)])
