"""MediaMTX with one stream, which our encoder pushes to it over SRT as it pushes to ours.

It is no part of Debian. Where there is Go it is built from its module and the hls.js that it embeds:

    go mod download -json github.com/bluenviron/mediamtx@v1.20.1    # tells the folder; copy it
    npm pack hls.js@1                       # of which dist/hls.min.js goes to internal/servers/hls/ there
    echo v1.20.1 > internal/core/VERSION
    go build -o /usr/local/bin/mediamtx .
"""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.peers.namespace import Namespace
from loadtests.peers.ours import PASSPHRASE, programme, secret_of
from loadtests.peers.subject import Subject
from loadtests.rig.encoder import ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import free_ports

# What it offers unless told otherwise, but for addresses, and what nobody asks of it here.
_CONFIG = """
logLevel: warn
api: true
apiAddress: {at}:{api}
authInternalUsers: [{{user: any, permissions: [{{action: publish}}, {{action: read}}, {{action: api}}]}}]
rtspAddress: {at}:{rtsp}
rtspTransports: [tcp]
rtmp: false
moq: false
hlsAddress: {at}:{hls}
hlsAlwaysRemux: true
webrtcAddress: {at}:{whep}
webrtcLocalUDPAddress: {at}:{media}
srtAddress: {at}:{srt}
paths:
  cam:
    srtPublishPassphrase: "{passphrase}"
    srtReadPassphrase: "{passphrase}"
"""


def require() -> None:
    """Raise if it is not there.

    Raises:
        RuntimeError: it is not; says how to get it.
    """
    if shutil.which("mediamtx") is None:
        raise RuntimeError("no mediamtx on this machine: loadtests/peers/mediamtx.py tells how to build it")


@contextmanager
def mediamtx(
    mbps: float,
    space: Namespace | None = None,
    host: str = "",
    *,
    audio: str = "opus",
    passphrase: str = PASSPHRASE,
) -> Iterator[Subject]:
    """MediaMTX and its encoder.

    Args:
        mbps: of the picture.
        space: a namespace for both, None for this one.
        host: ignored: it offers every address there.
        audio: what the encoder sends.
        passphrase: of the encoder and of who reads over SRT, "" for none.

    Raises:
        RuntimeError: not installed, or it ended at once.
    """
    require()
    names = ("api", "rtsp", "hls", "whep", "media", "srt")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    inside = space.command if space is not None else list
    address = space.far if space is not None else "127.0.0.1"
    api = f"http://{address}:{ports['api']}/v3/paths"
    with tempfile.TemporaryDirectory(prefix="mediamtx-") as folder:
        config = Path(folder, "mediamtx.yml")
        at = "127.0.0.1" if space is None else ""
        config.write_text(_CONFIG.format(**ports, at=at, passphrase=passphrase))
        with Process(inside(["mediamtx", str(config)]), itself=True) as server:
            wait_until(lambda: _answers(api) or not server.running, 20, "MediaMTX to start")
            if not server.running:
                raise RuntimeError(f"MediaMTX ended at once:\n{server.output[-2000:]}")
            encoder = ffmpeg_srt(
                ports["srt"], "publish:cam", programme(mbps, audio), passphrase=passphrase, recorded=True
            )
            with Process(inside(encoder.command)):
                wait_until(lambda: _is_live(api), 20, "MediaMTX to have the stream")
                yield Subject(
                    name="MediaMTX",
                    url=f"http://{address}:{ports['whep']}/cam/whep",
                    pid=server.pid,
                    plane="pion",
                    cipher="pion",
                    outputs={
                        "srt": f"srt://127.0.0.1:{ports['srt']}?streamid=read:cam{secret_of(passphrase)}",
                        "rtsp": f"rtsp://127.0.0.1:{ports['rtsp']}/cam",
                        "hls": f"http://127.0.0.1:{ports['hls']}/cam/index.m3u8",
                    },
                )


def _answers(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/list", timeout=2):
            return True
    except OSError:
        return False


def _is_live(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/get/cam", timeout=2) as answer:
            return bool(json.load(answer)["ready"])
    except urllib.error.HTTPError:
        return False
