from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.fakes.media import gop
from tests.transport.media.sources import picture_units, sound_units, tone
from tests.transport.srt.rig import PASSPHRASE, Rig
from transport.errors import LinkError, StateError
from transport.media import AccessUnit, Codec
from transport.mpegts.demux import TsDemuxer
from transport.output import Push, PushOptions
from transport.push import push_to
from transport.srt import SrtConnection, SrtOptions


def pushing(rig: Rig, key: str = "publish:cam", options: PushOptions | None = None, **query: object) -> Push:
    parameters = {"passphrase": PASSPHRASE.replace(" ", "%20"), "pbkeylen": 16, **query}
    text = "&".join(f"{name}={value}" for name, value in parameters.items())
    return push_to(f"srt://127.0.0.1:{rig.port}?{text}", key, options)


async def eventually(condition: Callable[[], object]) -> None:
    for _ in range(1500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never happened")


def received(connection: SrtConnection, units: list[AccessUnit]) -> None:
    demuxer = TsDemuxer()
    try:
        while True:
            for message in connection.receive_many():
                units += demuxer.feed(message, 0.0)
    except LinkError:
        units += demuxer.flush(0.0)


@pytest.mark.parametrize(("key_bytes", "cipher"), [(16, "AES-128"), (32, "AES-256")])
async def test_picture_and_sound_arrive_encrypted(key_bytes: int, cipher: str) -> None:
    own = Rig(SrtOptions(pbkeylen=key_bytes))
    pictures = picture_units(Codec.H264, 50, options={"bf": "2"})
    sounds = sound_units(Codec.AAC, tone(2.0, 48_000), 48_000)
    push = pushing(own, pbkeylen=key_bytes)
    push.announce((pictures[0].track, sounds[0].track))
    await push.connect()
    there = await asyncio.to_thread(own.accepted.get, timeout=15)
    units: list[AccessUnit] = []
    receiving = asyncio.ensure_future(asyncio.to_thread(received, there, units))
    for unit in sorted(pictures + sounds, key=lambda unit: unit.dts_s):
        push.write(unit)
        await asyncio.sleep(0)
    await eventually(lambda: sum(unit.track.is_video for unit in units) >= 49)
    await eventually(lambda: push.statistics().bitrate_bps)
    statistics = push.statistics()
    await push.close()
    await receiving
    own.close()
    assert [unit.data for unit in units if unit.track.is_video] == [unit.data for unit in pictures]
    assert statistics.encryption == cipher
    assert statistics.pictures_sent == 50
    assert statistics.pictures_dropped == 0
    assert statistics.rtt_ms is not None
    assert statistics.bytes_sent % 188 == 0
    assert (await push.ended()).reason == "ended"


async def test_refusals_tell_why(rig: Rig) -> None:
    with pytest.raises(LinkError) as caught:
        await pushing(rig, passphrase="another-passphrase").connect()
    assert caught.value.reason == "unauthorized"
    with pytest.raises(LinkError) as caught:
        await push_to("srt://127.0.0.1:1", "x", PushOptions(connect_timeout_s=0.1)).connect()
    assert caught.value.reason == "timeout"


async def test_a_listener_that_hangs_up_ends_the_push(rig: Rig) -> None:
    push = pushing(rig)
    await push.connect()
    with pytest.raises(StateError):
        await push.connect()
    there = await asyncio.to_thread(rig.accepted.get, timeout=15)
    there.close()
    async with asyncio.timeout(15):
        assert (await push.ended()).reason == "ended"
    push.write(picture_units(Codec.H264, 1)[0])
    await push.close()
    assert PASSPHRASE not in repr(push)


async def test_a_full_buffer_drops_up_to_the_next_keyframe(rig: Rig) -> None:
    pictures = gop(0, 100)
    push = pushing(rig, options=PushOptions(max_queued_bytes=100_000, close_timeout_s=0.1))
    await push.connect()
    longest = 0
    for unit in pictures:
        push.write(unit)
        longest = max(longest, push.statistics().queued_bytes)
    statistics = push.statistics()
    assert statistics.pictures_dropped > 0
    assert statistics.pictures_dropped + statistics.pictures_sent == 100
    assert longest <= 100_000 + max(len(unit.data) for unit in pictures)
    await push.close()


async def test_a_call_can_be_cancelled() -> None:
    push = push_to("srt://127.0.0.1:1", "x", PushOptions(connect_timeout_s=60))
    call = asyncio.ensure_future(push.connect())
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await push.close()
