"""Who may listen and not watch hears the stream, in a browser too, and is sent nothing of its picture."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from auth.permissions.actions import Action
from auth.tokens.links import Link, Target, build_link
from auth.tokens.tokens import TokenOrder
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from ops.identity.identity import open_identity
from streamer.config import load
from tests.behaviour.streams import KEY, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_SHOWN = "document.querySelector('.sound-only:not([hidden]) strong')?.textContent"


async def link_to_listen(server: Server) -> str:
    identity = await open_identity(load(server.config_path))
    try:
        order = TokenOrder(frozenset({Action.LISTEN}), ("cam",), 600.0)
        authority = identity.authority
        issued = authority.tokens.issue(authority.snapshot.ring, order, identity.clock())
    finally:
        await identity.close()
    return build_link(Link(server.url, Target.WATCH, "cam", issued.token))


def is_heard(report: dict[str, Any]) -> bool:
    return bool(report["audio"] and report["audio"].get("totalAudioEnergy", 0) > 0.0001)


def is_seen(report: dict[str, Any]) -> bool:
    return bool(report["video"] and report["video"].get("framesDecoded", 0) > 30)


async def test_a_link_to_listen() -> None:
    programme = Programme(size="320x180", bitrate_kbps=500)
    with (
        Server(f'[streams.cam]\npublish_key = "{KEY}"\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme),
    ):
        await asyncio.to_thread(server.wait_live, "cam")
        async with chromium() as browser:
            listener = await Watcher.open(browser, await link_to_listen(server))
            await listener.wait_for(lambda r: r["state"] == "playing", 20, "the sound")
            assert await listener.page.evaluate(_SHOWN) == "Sound only"
            await listener.unmute()
            report = await listener.wait_for(is_heard, 20, "the tone to be heard")
            assert report["video"] is None
            (viewer,) = server.viewers()
            assert (viewer["video_codec"], viewer["video_source"], viewer["audio_codec"]) == ("", "", "opus")
            assert listener.problems == []


async def test_a_stream_without_a_picture_is_heard_until_it_has_one() -> None:
    sound, both = Programme(video=""), Programme(size="320x180", bitrate_kbps=500)
    with Server(f'[streams.cam]\npublish_key = "{KEY}"\npublic = true\n') as server:
        async with chromium() as browser:
            with ffmpeg_srt(server.srt_port, stream_id(), sound):
                await asyncio.to_thread(server.wait_live, "cam")
                viewer = await Watcher.open(browser, f"{server.url}/watch/cam")
                await viewer.wait_for(lambda r: r["state"] == "playing", 20, "the sound")
                assert await viewer.page.evaluate(_SHOWN) == "Sound only"
                await viewer.unmute()
                await viewer.wait_for(is_heard, 20, "the tone to be heard")
            with ffmpeg_srt(server.srt_port, stream_id(), both):
                await viewer.wait_for(is_seen, 40, "the picture")
                assert await viewer.page.evaluate("document.querySelector('video').videoWidth") == 320
                assert await viewer.page.evaluate(_SHOWN) is None
            assert viewer.problems == []


async def test_who_may_listen_alone_is_told_that_there_is_no_sound() -> None:
    programme = Programme(size="320x180", bitrate_kbps=500, audio="")
    with (
        Server(f'[streams.cam]\npublish_key = "{KEY}"\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme),
    ):
        await asyncio.to_thread(server.wait_live, "cam")
        async with chromium() as browser:
            listener = await Watcher.open(browser, await link_to_listen(server))
            await listener.wait_for(lambda r: r["state"] == "stalled", 20, "the player to notice")
            told = await listener.page.evaluate(
                "document.querySelector('.message:not([hidden])')?.textContent"
            )
            assert "no sound in this stream" in told
            assert "picture" not in told
