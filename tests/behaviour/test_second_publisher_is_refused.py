"""Who may publish: only with the right key and passphrase, and only one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import ENCRYPTED, KEY, PASSPHRASE, stream_id
from transport.srt import ConnectError, SrtOptions, SrtTarget, connect

SMALL = Programme(size="160x90", bitrate_kbps=200)


def caller_error(port: int, stream: str, passphrase: str | None) -> ConnectError:
    target = SrtTarget("caller", "127.0.0.1", port, stream, options=SrtOptions(passphrase=passphrase))
    with pytest.raises(ConnectError) as caught:
        connect(target)
    return caught.value


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    streams = ENCRYPTED + '[streams.closed]\n[streams.camera]\nsource = "rtsp://127.0.0.1:9/none"\n'
    with Server(streams) as server:
        yield server


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("", 1400),
        ("#!::m=publish", 1400),
        (stream_id(key="wrong"), 1401),
        ("publish:cam:wrong", 1401),
        (stream_id("closed"), 1403),
        (stream_id("camera"), 1403),
        ("read:closed", 1401),
        (f"read:closed:{KEY}", 1401),
        (stream_id("nowhere"), 1404),
    ],
)
def test_reject_codes(server: Server, stream: str, code: int) -> None:
    assert caller_error(server.srt_port, stream, PASSPHRASE).reject_code == code


def test_wrong_and_missing_passphrase(server: Server) -> None:
    assert caller_error(server.srt_port, stream_id(), "another passphrase").reason == "unauthorized"
    assert caller_error(server.srt_port, stream_id(), None).reason == "unauthorized"
    assert server.stream("cam")["publisher"] is None


def test_second_publisher_gets_a_conflict(server: Server) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(), SMALL, passphrase=PASSPHRASE):
        server.wait_live("cam")
        first = server.stream("cam")["publisher"]["id"]
        assert caller_error(server.srt_port, stream_id(), PASSPHRASE).reject_code == 1409
        assert server.stream("cam")["publisher"]["id"] == first


def test_no_secret_in_the_log(server: Server) -> None:
    assert "refused" in server.output
    for secret in (KEY, PASSPHRASE, server.token):
        # The set-up link is shown once, on the terminal, not as a log line.
        lines = [line for line in server.output.splitlines() if line.startswith("{")]
        assert not [line for line in lines if secret in line]
