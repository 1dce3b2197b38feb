"""ffmpeg and GStreamer as callers and listeners, for real."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.transport.srt.rig import PASSPHRASE, WAIT_S, Rig, eventually
from transport.errors import LinkError
from transport.srt import Admission, ConnectError, SrtConnection, SrtOptions, SrtTarget, connect

_TS_PACKET = 188
_FFMPEG_SOURCE = [
    *("ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-f", "mpegts"),
]


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _ffmpeg_url(rig: Rig, stream_id: str, passphrase: str = PASSPHRASE, pbkeylen: int = 32) -> str:
    return (
        f"srt://127.0.0.1:{rig.port}?mode=caller&pkt_size=1316&streamid={stream_id}"
        f"&passphrase={passphrase}&pbkeylen={pbkeylen}"
    )


def _ffmpeg(rig: Rig, stream_id: str, passphrase: str = PASSPHRASE, pbkeylen: int = 32) -> list[str]:
    return [*_FFMPEG_SOURCE, _ffmpeg_url(rig, stream_id, passphrase, pbkeylen)]


def _take_packets(connection: SrtConnection, count: int) -> int:
    taken = 0
    while taken < count:
        for message in connection.receive_many():
            assert len(message) % _TS_PACKET == 0
            assert set(message[::_TS_PACKET]) == {0x47}
            taken += len(message) // _TS_PACKET
    return taken


@pytest.mark.parametrize("stream_id", ["publish:cam:key", "#!::r=cam,m=publish,s=key"])
def test_ffmpeg_publishes(rig: Rig, stream_id: str) -> None:
    with _running(_ffmpeg(rig, stream_id)):
        accepted = rig.accepted.get(timeout=WAIT_S)
        assert _take_packets(accepted, 50) >= 50
        asked = rig.asked[0][0]
        assert (asked.resource, asked.mode, asked.session_key) == ("cam", "publish", "key")
        statistics = accepted.statistics()
        assert (statistics.cipher, statistics.packets_undecrypted) == ("AES-256", 0)
        assert statistics.receive_bps > 0


def test_ffmpeg_insists_on_a_short_key_and_is_let_in_where_that_is_allowed(rig: Rig) -> None:
    with _running(_ffmpeg(rig, "publish:cam", pbkeylen=16)):
        accepted = rig.accepted.get(timeout=WAIT_S)
        assert accepted.statistics().cipher == "AES-128"


def test_ffmpeg_with_too_short_a_key_is_turned_away(rig: Rig) -> None:
    rig.streams["cam"] = Admission(PASSPHRASE, 32)
    with _running(_ffmpeg(rig, "publish:cam", pbkeylen=16)):
        error = rig.refused.get(timeout=WAIT_S)
        assert isinstance(error, LinkError)
        assert "set pbkeylen=32" in str(error)
        assert rig.accepted.empty()


@pytest.mark.parametrize("stream_id", ["publish:cam", "steal:cam", "publish:unknown"])
def test_ffmpeg_is_told_that_it_is_refused(rig: Rig, stream_id: str) -> None:
    with _running(_ffmpeg(rig, stream_id, passphrase="wrong passphrase")) as ffmpeg:
        assert ffmpeg.wait(WAIT_S) != 0
        assert ffmpeg.stderr is not None
        assert "Input/output error" in ffmpeg.stderr.read()
    assert rig.accepted.empty()


def test_a_publisher_that_vanishes_is_noticed() -> None:
    rig = Rig(SrtOptions(peer_idle_timeout_ms=500))
    try:
        with _running(_ffmpeg(rig, "publish:cam")) as ffmpeg:
            accepted = rig.accepted.get(timeout=WAIT_S)
            _take_packets(accepted, 10)
            ffmpeg.kill()
            with pytest.raises(LinkError) as caught:
                _take_packets(accepted, 1 << 30)
            assert caught.value.reason == "ended"
    finally:
        rig.close()


def test_gstreamer_publishes(rig: Rig) -> None:
    sink = [f"srtsink uri=srt://127.0.0.1:{rig.port} mode=caller streamid=publish:cam:key pbkeylen=32"]
    pipeline = (
        "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1"
        " ! x264enc tune=zerolatency speed-preset=ultrafast ! mpegtsmux alignment=7 !"
    )
    command = ["gst-launch-1.0", "-q", *pipeline.split(), *sink[0].split(), f"passphrase={PASSPHRASE}"]
    with _running(command):
        accepted = rig.accepted.get(timeout=WAIT_S)
        assert _take_packets(accepted, 50) >= 50
        assert accepted.statistics().cipher == "AES-256"


def test_we_call_ffmpeg_as_a_listener() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"srt://127.0.0.1:{port}?mode=listener&pkt_size=1316&passphrase={PASSPHRASE}&pbkeylen=32"
    target = SrtTarget("caller", "127.0.0.1", port, "", 0, SrtOptions(passphrase=PASSPHRASE))
    connections: list[SrtConnection] = []

    def called() -> bool:
        try:
            connections.append(connect(target))
        except ConnectError as error:
            assert error.reason == "timeout"
        return bool(connections)

    with _running([*_FFMPEG_SOURCE, url]):
        eventually(called, "ffmpeg answered")
        assert _take_packets(connections[0], 20) >= 20
        assert connections[0].stream_id.resource == ""
        connections[0].close()
