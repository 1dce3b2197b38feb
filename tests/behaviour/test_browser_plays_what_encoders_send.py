"""Whatever the encoder sends, a page shows it, lets it be heard, and gets it under AES-256."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser

from loadtests.rig.browser import Watcher
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, PASSPHRASE, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

STREAM = f'publish_key = "{KEY}"\npassphrase = "{PASSPHRASE}"\npbkeylen = 32\npublic = true\n'
# One for each test: what the last one left behind is no concern of the next.
NAMES = ("long", "reordered", "h265", "longer", "opus", "eac3", "mp3", "mpeg2", "advice", "refused")
STREAMS = "".join(f"[streams.{name}]\n{STREAM}" for name in NAMES) + 'renditions = "off"\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "programme", "source"),
    [
        pytest.param("long", Programme(gop_s=4), "source", id="h264 with a 4 s GOP, aac"),
        pytest.param("reordered", Programme(video="h264-b"), "rendition", id="h264 with B-frames, aac"),
        pytest.param(
            "h265", Programme(video="h265", audio="ac3", size="320x180"), "rendition", id="h265, ac3"
        ),
        pytest.param("longer", Programme(gop_s=10, audio="mp2"), "source", id="h264 with a 10 s GOP, mp2"),
        pytest.param("opus", Programme(audio="opus"), "source", id="h264, opus"),
        pytest.param("eac3", Programme(audio="eac3", size="320x180"), "source", id="h264, eac3"),
        pytest.param("mp3", Programme(audio="mp3", size="320x180"), "source", id="h264, mp3"),
        pytest.param(
            "mpeg2",
            Programme(video="mpeg2", audio="mp2", size="720x576", fps=50, gop_s=0.24, bitrate_kbps=5000),
            "rendition",
            id="mpeg2 of 576i25 on 16:9, mp2",
        ),
    ],
)
async def test_picture_sound_and_cipher(
    server: Server, browser: Browser, name: str, programme: Programme, source: str
) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(name), programme, passphrase=PASSPHRASE):
        server.wait_live(name)
        watcher = await Watcher.open(browser, f"{server.url}/watch/{name}")
        await watcher.wait_playing()
        await watcher.wait_more(30)
        await watcher.unmute()
        # libwebrtc sums the squares of the samples it plays: a tone makes it grow, silence does not.
        report = await watcher.wait_for(
            lambda r: bool(r["audio"] and r["audio"].get("totalAudioEnergy", 0) > 0.0001),
            15,
            "the tone to be heard",
        )
        (viewer,) = (each for each in server.viewers() if each["stream"] == name)
        publisher = server.stream(name)["publisher"]["statistics"]["srt"]
        await watcher.close()

    shown = "1024x576" if programme.video == "mpeg2" else programme.size  # its pixels are not square
    assert f"{report['width']}x{report['video']['frameHeight']}" == shown
    assert report["codec"] == "video/H264"
    assert report["transport"]["srtpCipher"] in ("AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM")
    assert viewer["cipher"] == "AEAD_AES_256_GCM"
    assert viewer["video_source"] == source
    assert publisher["cipher"] == "AES-256"
    assert watcher.problems == []


async def test_b_frames_come_with_advice(server: Server) -> None:
    programme = Programme(video="h264-b", audio="", size="320x180")
    with ffmpeg_srt(server.srt_port, stream_id("advice"), programme, passphrase=PASSPHRASE):
        server.wait_live("advice")
        warnings = server.stream("advice")["warnings"]

    assert len(warnings) == 1
    assert "B-frames" in warnings[0]
    assert "bframes=0" in warnings[0]


async def test_renditions_off_refuses_with_the_reason(server: Server, browser: Browser) -> None:
    programme = Programme(video="h264-b", audio="", size="320x180")
    with ffmpeg_srt(server.srt_port, stream_id("refused"), programme, passphrase=PASSPHRASE):
        server.wait_live("refused")
        watcher = await Watcher.open(browser, f"{server.url}/watch/refused")
        await watcher.wait_for(lambda r: r["state"] == "stopped", 15, "the player to give up")
        text = await watcher.page.inner_text("body")
        await watcher.close()

    assert "B-frames" in text
