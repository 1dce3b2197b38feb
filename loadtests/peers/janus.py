"""Janus, as Debian packages it: its streaming plugin sends on what ffmpeg gives it as RTP."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from loadtests.peers.namespace import Namespace, namespace
from loadtests.peers.ours import programme
from loadtests.peers.subject import Subject
from loadtests.rig.encoder import recorded_arguments
from loadtests.rig.process import Process, wait_until

#: What viewers ask for.
MOUNTPOINT = 1
_AUDIO_PORT, _VIDEO_PORT, _WEBSOCKET_PORT = 5002, 5004, 8188

# Nothing but the streaming plugin and the WebSocket transport; an ICE lite agent as ours is.
_CORE = """
general: {{
    configs_folder = "{folder}"
    debug_level = 3
    debug_colors = false
    session_timeout = 0
}}
nat: {{
    ice_lite = true
}}
plugins: {{
    disable = "{plugins}"
}}
transports: {{
    disable = "{transports}"
}}
"""
_STREAMING = f"""
cam: {{
    type = "rtp"
    id = {MOUNTPOINT}
    audio = true
    audioport = {_AUDIO_PORT}
    audiopt = 111
    audiocodec = "opus"
    video = true
    videoport = {_VIDEO_PORT}
    videopt = 108
    videocodec = "h264"
    videofmtp = "profile-level-id=42e01f;packetization-mode=1"
}}
"""
_WEBSOCKETS = f"""
general: {{
    json = "compact"
    ws = true
    ws_port = {_WEBSOCKET_PORT}
}}
"""


def require() -> None:
    """Raise if it is not installed.

    Raises:
        RuntimeError: it is not; says how to get it.
    """
    if shutil.which("janus") is None:
        raise RuntimeError("no Janus on this machine: apt-get install janus")


@contextmanager
def janus(mbps: float, space: Namespace | None = None, host: str = "") -> Iterator[Subject]:
    """Janus and its encoder in a namespace: it leaves loopback out of its candidates.

    Args:
        mbps: of the picture.
        space: the namespace, None for one of its own.
        host: ignored: it offers every address there.

    Raises:
        RuntimeError: not installed, or it ended at once.
    """
    require()
    with (
        tempfile.TemporaryDirectory(prefix="janus-") as name,
        nullcontext(space) if space is not None else namespace() as space,
    ):
        folder = Path(name)
        _configure(folder)
        command = ["janus", "--config", str(folder / "janus.jcfg"), "--configs-folder", name]
        with Process(space.command(command)) as server:
            wait_until(
                lambda: _listens(space.far) or not server.running, 20, "Janus to listen for WebSockets"
            )
            if not server.running:
                raise RuntimeError(f"Janus ended at once:\n{server.output[-2000:]}")
            with Process(space.command(_encoder(mbps))):
                yield Subject(
                    name="Janus",
                    url=f"ws://{space.far}:{_WEBSOCKET_PORT}",
                    signalling="janus",
                    host=space.near,
                    pid=server.pid,
                    plane="janus",
                    cipher="libsrtp",
                )


def _configure(folder: Path) -> None:
    (installed,) = Path("/usr/lib").glob("*/janus")
    others = {
        kind: ",".join(path.name for path in (installed / kind).glob("*.so") if path.name != kept)
        for kind, kept in (
            ("plugins", "libjanus_streaming.so"),
            ("transports", "libjanus_websockets.so"),
        )
    }
    (folder / "janus.jcfg").write_text(_CORE.format(folder=folder, **others))
    (folder / "janus.plugin.streaming.jcfg").write_text(_STREAMING)
    (folder / "janus.transport.websockets.jcfg").write_text(_WEBSOCKETS)


def _encoder(mbps: float) -> list[str]:
    video = f"[select=v:f=rtp:payload_type=108]rtp://127.0.0.1:{_VIDEO_PORT}?pkt_size=1200"
    audio = f"[select=a:f=rtp:payload_type=111]rtp://127.0.0.1:{_AUDIO_PORT}?pkt_size=1200"
    return [
        *recorded_arguments(programme(mbps)),
        *("-map", "0:v", "-map", "0:a"),
        *("-f", "tee", f"{video}|{audio}"),
    ]


def _listens(host: str) -> bool:
    try:
        with socket.create_connection((host, _WEBSOCKET_PORT), timeout=1):
            return True
    except OSError:
        return False
