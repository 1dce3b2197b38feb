"""What players get that read over RTSP: ffmpeg and GStreamer, in the clear and over TLS."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.streamer.egress.rtsp.rig import Rig
from tests.transport.media.sources import picture_units, sound_units, tone
from tests.transport.rtmp.ingest import Authority
from transport.media import AccessUnit, Codec

_PICTURES = 60


@pytest.fixture(scope="module")
def units() -> list[AccessUnit]:
    """Twenty seconds of H.264 with B-frames and AAC."""
    pictures = picture_units(Codec.H264, 500, options={"bf": "2", "g": "25"})
    sounds = sound_units(Codec.AAC, tone(20.0, 48_000), 48_000)
    return sorted((*pictures, *sounds), key=lambda unit: unit.dts_s)


@pytest.fixture
def rig(tmp_path: Path, units: list[AccessUnit]) -> Iterator[Rig]:
    rig = Rig(tmp_path, Authority(tmp_path).context("localhost"), udp=True)
    for name in ("open", "sealed"):
        rig.go_live(name, units)
    rig.go_live("plain", picture_units(Codec.H264, 500, options={"tune": "zerolatency", "g": "25"}))
    yield rig
    rig.close()


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check(file: Path, *, sound: bool = True, in_order: bool = True) -> None:
    """What was kept can be decoded to the end, at its times."""
    with av.open(str(file)) as container:
        shown = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(shown) >= _PICTURES - 5
    steps = [b - a for a, b in itertools.pairwise(shown)]
    if in_order:  # of B-frames GStreamer does not keep all times in Matroska
        assert steps == pytest.approx([0.04] * len(steps), abs=0.002)
    if sound:
        with av.open(str(file)) as container:
            heard = [float(frame.time or 0) for frame in container.decode(audio=0)]
        assert len(heard) > 60
        assert abs(heard[-1] - shown[-1]) < 0.5


def ffmpeg(url: str, file: Path, *options: str) -> list[str]:
    command = ["ffmpeg", "-v", "error", "-nostdin", *options, "-i", url]
    # To a first picture with B-frames behind it libav gives no time.
    coded = ["-vf", "trim=start_frame=4", "-vsync", "passthrough", "-c:v", "mpeg4", "-c:a", "mp2"]
    return [*command, "-frames:v", str(_PICTURES), *coded, str(file)]


def gstreamer(url: str, file: Path, *options: str) -> list[str]:
    # The times are those of RTP, not of arrival: what was shown before comes at once.
    source = ["rtspsrc", f"location={url}", "latency=100", "buffer-mode=none", *options]
    enough = ["identity", f"eos-after={_PICTURES}", "!", "matroskamux", "!", "filesink", f"location={file}"]
    return ["gst-launch-1.0", "-q", *source, "!", "rtph264depay", "!", "h264parse", "!", *enough]


@pytest.mark.parametrize("options", [("-rtsp_transport", "tcp"), ("-rtsp_transport", "udp"), ()])
def test_ffmpeg(rig: Rig, tmp_path: Path, options: tuple[str, ...]) -> None:
    run(ffmpeg(rig.url("open"), tmp_path / "out.mkv", *options))
    check(tmp_path / "out.mkv")


def test_ffmpeg_over_tls(rig: Rig, tmp_path: Path) -> None:
    # Of a password ffmpeg takes 127 characters, which a token has more of.
    url = rig.url(f"sealed?token={rig.watch_token('sealed')}", scheme="rtsps")
    run(ffmpeg(url, tmp_path / "out.mkv"))
    check(tmp_path / "out.mkv")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_gstreamer(rig: Rig, tmp_path: Path, protocol: str) -> None:
    run(gstreamer(rig.url("plain"), tmp_path / "out.mkv", f"protocols={protocol}"))
    check(tmp_path / "out.mkv", sound=False)


def test_gstreamer_over_tls(rig: Rig, tmp_path: Path) -> None:
    """With a token in the address, and in the place of the password."""
    token = rig.watch_token("sealed")
    secure = ("protocols=tcp+tls", "tls-validation-flags=0")
    for path, login in (
        (f"sealed?token={token}", ()),
        ("sealed", ("user-id=anybody", f"user-pw={token}")),
    ):
        file = tmp_path / f"{bool(login)}.mkv"
        run(gstreamer(rig.url(path, scheme="rtsps"), file, *secure, *login))
        check(file, sound=False, in_order=False)
