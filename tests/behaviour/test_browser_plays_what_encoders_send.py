"""Whatever the encoder sends, a page shows it, lets it be heard, and gets it under AES-256."""

from __future__ import annotations

import pytest

from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import ENCRYPTED, PASSPHRASE, stream_id

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("programme", "source"),
    [
        pytest.param(Programme(gop_s=4), "source", id="h264 with a 4 s GOP, aac"),
        pytest.param(Programme(video="h264-b"), "rendition", id="h264 with B-frames, aac"),
        pytest.param(Programme(video="h265", audio="ac3", size="320x180"), "rendition", id="h265, ac3"),
        pytest.param(Programme(gop_s=10, audio="mp2"), "source", id="h264 with a 10 s GOP, mp2"),
        pytest.param(Programme(audio="opus"), "source", id="h264, opus"),
    ],
)
async def test_picture_sound_and_cipher(programme: Programme, source: str) -> None:
    with (
        Server(ENCRYPTED) as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme, passphrase=PASSPHRASE),
    ):
        server.wait_live("cam")
        async with chromium() as browser:
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_playing()
            await watcher.wait_more(30)
            await watcher.page.get_by_role("button", name="Unmute").first.click()
            # libwebrtc sums the squares of the samples it plays: a tone makes it grow, silence does not.
            report = await watcher.wait_for(
                lambda r: bool(r["audio"] and r["audio"].get("totalAudioEnergy", 0) > 0.0001),
                15,
                "the tone to be heard",
            )
            viewer = server.viewers()[0]
            publisher = server.stream("cam")["publisher"]["statistics"]["srt"]

        assert f"{report['width']}x{report['video']['frameHeight']}" == programme.size
        assert report["codec"] == "video/H264"
        assert report["transport"]["srtpCipher"] in ("AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM")
        assert viewer["cipher"] == "AEAD_AES_256_GCM"
        assert viewer["video_source"] == source
        assert publisher["cipher"] == "AES-256"
        assert watcher.problems == []


async def test_b_frames_come_with_advice() -> None:
    programme = Programme(video="h264-b", audio="", size="320x180")
    with (
        Server(ENCRYPTED) as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme, passphrase=PASSPHRASE),
    ):
        server.wait_live("cam")
        warnings = server.stream("cam")["warnings"]

    assert len(warnings) == 1
    assert "B-frames" in warnings[0]
    assert "bframes=0" in warnings[0]


async def test_renditions_off_refuses_with_the_reason() -> None:
    programme = Programme(video="h264-b", audio="", size="320x180")
    with (
        Server(ENCRYPTED + 'renditions = "off"\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme, passphrase=PASSPHRASE),
    ):
        server.wait_live("cam")
        async with chromium() as browser:
            watcher = await Watcher.open(browser, f"{server.url}/watch/cam")
            await watcher.wait_for(lambda r: r["state"] == "stopped", 15, "the player to give up")
            text = await watcher.page.inner_text("body")

    assert "B-frames" in text
