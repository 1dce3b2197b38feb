"""Our own server, with an encoder pushing to it over SRT; or one that runs already."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loadtests.peers.subject import Delays, Subject
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server

_KEY = "key-of-the-encoder"
_PASSPHRASE = "correct horse battery"
_STREAM = f"""
[streams.cam]
publish_key = "{_KEY}"
passphrase = "{_PASSPHRASE}"
public = true
"""


def programme(mbps: float, audio: str = "opus") -> Programme:
    """What every subject is fed: 720p30, a keyframe every 2 s."""
    return Programme("1280x720", gop_s=2.0, audio=audio, bitrate_kbps=round(mbps * 1000))


@contextmanager
def ours(mbps: float) -> Iterator[Subject]:
    """The server that this repository holds."""
    with (
        Server(_STREAM) as server,
        ffmpeg_srt(
            server.srt_port, f"#!::r=cam,m=publish,s={_KEY}", programme(mbps), passphrase=_PASSPHRASE
        ) as _,
    ):
        server.wait_live("cam")
        about = _about(server)
        yield Subject(
            name="Streamer",
            url=f"{server.url}/whep/cam",
            pid=server.pid,
            plane=about["plane"],
            cipher=about["plane_cipher"],
            packets_sent=lambda: sum(viewer["packets_sent"] for viewer in server.viewers()),
            send_delays=lambda: _delays(server),
        )


def _about(server: Server) -> dict[str, Any]:
    _, about = server.request("GET", "/api/v1/server")
    assert isinstance(about, dict)
    return about


def _delays(server: Server) -> Delays:
    about = _about(server)
    return Delays(*(about[f"send_delay_{what}_ms"] or math.nan for what in ("p50", "p99", "max")))


@contextmanager
def elsewhere(url: str, host: str) -> Iterator[Subject]:
    """Some server that serves WHEP at this address; its processor time is not known here."""
    yield Subject(name=url, url=url, host=host)
