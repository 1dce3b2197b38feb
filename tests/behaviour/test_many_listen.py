"""Where many listen, sounds that are written together share a packet, and a browser hears them as before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.browser import Watcher, chromium
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, stream_id

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

#: Of one sound; two in a packet are twice as many.
_SAMPLES = 960
_SAMPLES_PER_S = 48_000
#: So many that each thread of the plane, of which there are as many as processors, has enough.
_VIEWERS = 160


def samples_per_packet(report: dict[str, Any]) -> float:
    audio = report["audio"] or {}
    return float(audio.get("totalSamplesReceived", 0) / (audio.get("packetsReceived", 0) or 1))


class _Clean:
    """True of a report when most of a second of sound before it came from packets.

    Not of the first second that comes: on a busy machine sound is made up until the buffer has settled.
    """

    def __init__(self, since: dict[str, Any]) -> None:
        self._since = since

    def __call__(self, report: dict[str, Any]) -> bool:
        now = report["audio"]
        received, concealed = (
            now[each] - self._since[each] for each in ("totalSamplesReceived", "concealedSamples")
        )
        if received < _SAMPLES_PER_S:
            return False
        self._since = now
        return bool(concealed < received / 4)


async def test_sounds_that_share_a_packet_are_heard() -> None:
    programme = Programme(size="320x180", bitrate_kbps=300, audio="opus")
    with (
        Server(f'[streams.cam]\npublish_key = "{KEY}"\npublic = true\n') as server,
        ffmpeg_srt(server.srt_port, stream_id(), programme),
    ):
        await asyncio.to_thread(server.wait_live, "cam")
        crowd = Crowd(Whep(f"{server.url}/whep/cam"), "127.0.0.1")
        try:
            assert (await crowd.join(_VIEWERS, 80)).failed == {}
            async with chromium() as browser:
                listener = await Watcher.open(browser, f"{server.url}/watch/cam")
                await listener.wait_for(lambda r: r["state"] == "playing", 30, "the picture")
                await listener.unmute()
                report = await listener.wait_for(
                    lambda r: samples_per_packet(r) > 1.2 * _SAMPLES, 30, "sounds that share packets"
                )
                energy = report["audio"]["totalAudioEnergy"]
                await listener.wait_for(
                    lambda r: r["audio"]["totalAudioEnergy"] > energy + 0.0001,
                    20,
                    "the tone to be heard",
                )
                await listener.wait_for(_Clean(report["audio"]), 20, "a second that is not made up")
                assert listener.problems == []
        finally:
            await crowd.close()
