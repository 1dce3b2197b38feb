"""Real pictures and sound over a link that loses, overtakes and doubles packets."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.transport.media.sources import decoded_pictures, picture_units, sound_units, tone
from tests.transport.rtp.sender import AUDIO, VIDEO, Sender, grain, receiver, run
from transport.media import Codec
from transport.rtp import rtcp

ONE_WAY_S = 0.020


@pytest.mark.parametrize(("seed", "rtx"), [(1, 97), (2, 97), (3, None)])
def test_five_per_cent_are_lost_and_every_picture_is_there(seed: int, rtx: int | None) -> None:
    rng = random.Random(seed)
    video = replace(VIDEO, rtx_payload_type=rtx)
    picture, sound = Sender(video, seq=65_400), Sender(AUDIO, ssrc=0x2222, seq=65_500)
    images = picture_units(Codec.H264, 100, width=128, height=96, options={"tune": "zerolatency"}, draw=grain)
    tones = sound_units(Codec.OPUS, tone(4.0, 48_000), 48_000, clock_rate=48_000)
    senders = {picture.ssrc: picture, sound.ssrc: sound}

    def over(packet: bytes, at: float) -> list[tuple[float, bytes]]:
        if rng.random() < 0.05:
            return []
        arrives = at + ONE_WAY_S + rng.random() * 0.004
        return [(arrives, packet)] * (2 if rng.random() < 0.01 else 1)

    def answer(packet: rtcp.RtcpPacket, now: float) -> list[tuple[float, bytes]]:
        if not isinstance(packet, rtcp.Nack):
            return []
        sender = senders[packet.media_ssrc]
        return [sent for seq in packet.seqs for sent in over(sender.again(seq), now + ONE_WAY_S)]

    arrivals = []
    for sender, units in ((picture, images), (sound, tones)):
        for unit in units:
            packets = sender.packets(unit)
            for number, packet in enumerate(packets):
                # A receiver cannot know of packets before the first.
                is_first = unit is units[0] and not number
                sent_at = unit.pts_s - units[0].pts_s + 0.02 * number / len(packets)
                arrivals += [(ONE_WAY_S, packet)] if is_first else over(packet, sent_at)
    receiving = receiver(video, AUDIO)
    out, _ = run(receiving, arrivals, 6.0, answer=answer)

    shown = [unit for unit in out if unit.track.is_video]
    counters = receiving.counters
    assert counters.recovered > 20
    assert (counters.damaged, counters.malformed) == (0, 0)
    assert [unit.data for unit in shown] == [unit.data for unit in images]
    assert [unit.keyframe for unit in shown] == [unit.keyframe for unit in images]
    assert all(after.pts - before.pts == 3_600 for before, after in pairwise(shown))
    assert len(decoded_pictures(shown)) == 100
    heard = [unit for unit in out if not unit.track.is_video]
    # A packet of sound is given up that was lost as often as it was sent within 150 ms.
    assert counters.lost <= 2
    assert len(heard) + counters.lost >= len(tones) - 2
    assert [unit.data for unit in heard] == [tones[(unit.pts - heard[0].pts) // 960].data for unit in heard]
