"""A server whose standard error is closed, or on a full disk, serves."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from loadtests.rig.process import wait_until
from loadtests.rig.server import free_ports

_CONFIG = """
[state]
dir = "{folder}"
[http]
listen = "127.0.0.1:{http}"
[srt]
listen = "127.0.0.1:{srt}"
[webrtc]
listen = "127.0.0.1:{webrtc}"
"""


@pytest.mark.parametrize("where", ["2>&-", "0<&- 1>&- 2>&-", "2>/dev/full"])
def test_it_serves(where: str, tmp_path: Path) -> None:
    http, srt, webrtc = free_ports(3)
    path = tmp_path / "streamer.toml"
    path.write_text(_CONFIG.format(folder=tmp_path / "state", http=http, srt=srt, webrtc=webrtc))
    command = f"exec {sys.executable} -m ops serve --config {path} {where}"
    with subprocess.Popen(["sh", "-c", command]) as server:

        def serves() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        try:
            wait_until(lambda: serves() or server.poll() is not None, 60, "the server to be ready")
            assert server.poll() is None
        finally:
            server.terminate()
    assert server.returncode == 0
