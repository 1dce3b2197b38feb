"""nginx with its RTMP module, which keeps every publication in a file; and what is in such a file."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from loadtests.rig.process import Process
from loadtests.rig.server import free_ports

_CONFIGURATION = """
{user}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
events {{ }}
rtmp {{
  server {{
    listen 127.0.0.1:{port};
    drop_idle_publisher 5s;
    application live {{ live on; record all; record_path {folder}; record_suffix -%s.flv; record_unique on; }}
  }}
}}
"""


class RtmpRecorder(Process):
    """The server; it takes `rtmp://127.0.0.1:PORT/live`.

    Args:
        folder: for its files.
        port: 0 for a free one.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port or free_ports(1)[0]
        self.folder = folder
        path = folder / "nginx.conf"
        # Root's server would give its files to somebody else.
        user = "" if os.geteuid() else "user root;"
        path.write_text(_CONFIGURATION.format(user=user, folder=folder, port=self.port))
        super().__init__(["nginx", "-e", str(folder / "error.log"), "-c", str(path), "-p", str(folder)])


@dataclass(frozen=True, slots=True)
class Recording:
    """What one file has.

    Attributes:
        pictures: that came.
        decoded: how many of them could be.
        backwards: how often a picture's time was before the one before it.
        errors: what the decoder complained of.
    """

    name: str
    pictures: int
    decoded: int
    backwards: int
    errors: str


def recordings(folder: Path) -> list[Recording]:
    """Decode everything that was kept."""
    return [_recording(path) for path in sorted(folder.glob("*.flv"))]


def _recording(path: Path) -> Recording:
    told = _run(
        "ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough", "-f", "null", "-"
    ).stderr.strip()
    probe = ("ffprobe", "-v", "error", "-select_streams", "v", "-of", "csv=p=0")
    times = _run(*probe, "-show_entries", "packet=dts_time", str(path)).stdout.replace(",", " ").split()
    counted = _run(*probe, "-count_frames", "-show_entries", "stream=nb_read_frames", str(path)).stdout
    seconds = [float(time) for time in times if time != "N/A"]
    return Recording(
        path.name,
        len(seconds),
        int(counted.strip().strip(",") or 0),
        sum(later < earlier for earlier, later in pairwise(seconds)),
        told,
    )


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
