"""Firefox plays as Chromium does: its offers, ICE, feedback and statistics are its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.firefox import Firefox, firefox_path
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN, stream_id
from transport.webrtc.candidates import interface_addresses

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(firefox_path() is None, reason="no Firefox on this machine"),
]

PATIENCE_S = 60.0
#: Firefox takes no media from 127.0.0.1, unless it is told to on a machine that has nothing else.
HOST = interface_addresses("0.0.0.0")[0]
PROGRAMME = Programme(size="320x180", bitrate_kbps=500)
SEALED = f'[streams.sealed]\npublish_key = "{KEY}"\npublic = true\ne2e = true\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(OPEN + SEALED, host=HOST) as server:
        yield server


@pytest.fixture(scope="module")
def firefox() -> Iterator[Firefox]:
    with Firefox({"media.peerconnection.ice.loopback": HOST.startswith("127.")}) as firefox:
        yield firefox


def seen_and_heard(report: dict[str, Any]) -> bool:
    """The tone makes the sum of the samples' squares grow; silence would not."""
    shown, heard = report["video"].get("framesDecoded") or 0, report["audio"].get("totalAudioEnergy") or 0
    return report["state"] == "playing" and report["width"] == 320 and shown > 30 and heard > 0.0001


def live_viewers(server: Server) -> list[str]:
    return [viewer["id"] for viewer in server.viewers() if viewer["state"] == "live"]


def test_it_plays_and_stays_while_the_publisher_is_away(server: Server, firefox: Firefox) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME):
        server.wait_live("cam")
        firefox.go(f"{server.url}/watch/cam")
        firefox.wait_for(seen_and_heard, PATIENCE_S, "picture and sound")
        (viewer,) = server.viewers()
        assert viewer["cipher"] == "AEAD_AES_256_GCM"
        assert viewer["protocol"] == "udp"
    server.wait_free("cam")
    firefox.wait_for(lambda report: report["problem"] == "publisher_away", PATIENCE_S, "the player to say so")
    # It makes an ICE check every 5 s only, and is not to take the connection for dead before.
    firefox.evaluate(
        "(window.left = { session: streamerPlayer.session, ...streamerPlayer.session.watch }).before"
    )
    heard = "left.session.closed || left.session.watch.answeredAt > left.answeredAt"
    wait_until(lambda: bool(firefox.evaluate(heard)), PATIENCE_S, "a sign of life from the server")
    assert not firefox.evaluate("left.session.closed")
    with ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME):
        firefox.wait_for(lambda report: report["state"] == "playing", PATIENCE_S, "the picture to return")
        assert live_viewers(server) == [viewer["id"]]


def test_it_plays_what_is_encrypted_end_to_end(server: Server, firefox: Firefox) -> None:
    # Keys are for secure pages, and this machine's.
    page = f"http://127.0.0.1:{server.http_port}/watch/sealed"
    with ffmpeg_srt(server.srt_port, stream_id("sealed"), PROGRAMME):
        server.wait_live("sealed")
        firefox.go(page)
        firefox.wait_for(seen_and_heard, PATIENCE_S, "picture and sound")
        assert firefox.evaluate("streamerPlayer.session.decryption.counts.opened") > 0


def test_it_plays_over_http_what_it_takes_from_no_loopback() -> None:
    with (
        Server(OPEN) as server,
        Firefox({}) as firefox,
        ffmpeg_srt(server.srt_port, stream_id(), PROGRAMME),
    ):
        server.wait_live("cam")
        firefox.go(f"{server.url}/watch/cam")
        shown = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
        wait_until(lambda: firefox.evaluate(shown) > 60, PATIENCE_S, "pictures")
        assert firefox.evaluate("streamerPlayer.state") == "playing"
        assert firefox.evaluate("streamerPlayer.hindrance.code") == "loopback_only"
        assert len(server.viewers_over_hls()) == 1
