"""Our own server, with an encoder pushing to it over SRT; or one that runs already."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from loadtests.peers.namespace import Namespace
from loadtests.peers.subject import Delays, Subject
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process
from loadtests.rig.server import Server, free_ports

#: Of publishers and readers over SRT.
PASSPHRASE = "correct horse battery"
_KEY = "key-of-the-encoder"
_STREAM = """
[rtsp]
listen = "127.0.0.1:{rtsp}"
[streams.cam]
publish_key = "{key}"
public = true
{encryption}
"""


def programme(mbps: float, audio: str = "opus") -> Programme:
    """What every subject is fed: 720p30, a keyframe every 2 s."""
    return Programme("1280x720", gop_s=2.0, audio=audio, bitrate_kbps=round(mbps * 1000))


@contextmanager
def ours(
    mbps: float,
    space: Namespace | None = None,
    host: str = "",
    *,
    cipher: str = "auto",
    audio: str = "opus",
    passphrase: str = PASSPHRASE,
) -> Iterator[Subject]:
    """The server that this repository holds.

    Args:
        mbps: of the picture.
        space: a namespace for it and its encoder, None for this one.
        host: the address there that viewers use, "" for the only one.
        cipher: as in its configuration.
        audio: what the encoder sends.
        passphrase: of the encoder and of who reads over SRT, "" for none.
    """
    inside = space.command if space is not None else list
    address = space.far if space is not None else "127.0.0.1"
    (rtsp,) = free_ports(1)
    encryption = f'passphrase = "{passphrase}"' if passphrase else ""
    streams = _STREAM.format(rtsp=rtsp, key=_KEY, encryption=encryption)
    with Server(streams, host=address, media_host=host, inside=inside, cipher=cipher) as server:
        encoder = ffmpeg_srt(
            server.srt_port,
            f"#!::r=cam,m=publish,s={_KEY}",
            programme(mbps, audio),
            passphrase=passphrase,
            recorded=True,
        )
        with Process(inside(encoder.command)):
            server.wait_live("cam")
            yield _subject(server, rtsp, passphrase)


def _subject(server: Server, rtsp: int, passphrase: str) -> Subject:
    about = _about(server)
    return Subject(
        name="Streamer",
        url=f"{server.url}/whep/cam",
        pid=server.pid,
        plane=about["plane"],
        cipher=about["plane_cipher"],
        packets_sent=lambda: round(server.metric("streamer_viewer_packets_sent_total", stream="cam")),
        send_delays=lambda: _delays(server),
        page=f"{server.url}/watch/cam",
        viewers=server.viewers,
        outputs={
            "srt": f"srt://127.0.0.1:{server.srt_port}?streamid=read:cam{secret_of(passphrase)}",
            "rtsp": f"rtsp://127.0.0.1:{rtsp}/cam",
            "hls": f"{server.url}/hls/cam/index.m3u8?early=1",
        },
    )


def secret_of(passphrase: str) -> str:
    """The part of an SRT URL that says how to encrypt; "" without a passphrase."""
    return f"&passphrase={quote(passphrase)}&pbkeylen=32" if passphrase else ""


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
