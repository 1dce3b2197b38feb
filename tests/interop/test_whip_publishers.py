"""FFmpeg publishes over WHIP, and where its certificate will not do the log says what would."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import pytest

from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN
from tests.rigs.certificates import Authority

pytestmark = pytest.mark.skipif("whip" not in av.formats_available, reason="this PyAV has no WHIP muxer")

_PATIENCE_S = 30.0


def publisher(server: Server, *pair: Path) -> Process:
    command = [sys.executable, "-m", "tests.interop.whip_publisher", f"{server.url}/whip/cam", KEY]
    return Process([*command, *map(str, pair)])


def test_ffmpeg(tmp_path: Path) -> None:
    chain, key = Authority("whip").issue("localhost")
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, pem in zip(files, (chain, key), strict=True):
        path.write_bytes(pem)
    with Server(OPEN) as server, publisher(server, *files):
        server.wait_live("cam", _PATIENCE_S)
        about = server.stream("cam")
        assert about["publisher"]["protocol"] == "whip"
        codecs = {track["codec"]: track for track in about["tracks"]}
        assert set(codecs) == {"h264", "opus"}
        assert (codecs["h264"]["width"], codecs["h264"]["height"]) == (320, 240)


def test_ffmpegs_own_certificate_is_on_a_curve_of_old() -> None:
    with Server(OPEN) as server, publisher(server):
        # Live with a PyAV whose FFmpeg makes better ones.
        wait_until(
            lambda: (
                "is on a curve that is not taken any more" in server.output
                or server.stream("cam")["state"] == "live"
            ),
            _PATIENCE_S,
            "the refusal",
        )
