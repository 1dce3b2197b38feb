"""What a publisher must not be able to do, whatever it sends."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from tests.fakes.media import audio_units, gop
from tests.transport.rtp.sender import AUDIO, VIDEO, Sender, receiver
from transport.media import Codec
from transport.rtp.header import RtpPacket, serialize
from transport.rtp.receive import IncomingTrack

TRACKS = (VIDEO, IncomingTrack(3, Codec.H265, 98, 90_000, 99), AUDIO)


def _mutated(rng: random.Random, packet: bytes) -> bytes:
    spoiled = bytearray(packet)
    for _ in range(rng.randrange(1, 5)):
        match rng.randrange(3):
            case 0:
                spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
            case 1:
                del spoiled[rng.randrange(len(spoiled)) + 1 :]
            case _:
                at = rng.randrange(len(spoiled))
                spoiled[at:at] = rng.randbytes(rng.randrange(8))
    return bytes(spoiled)


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_mutated_packets_are_counted_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    picture, sound = Sender(), Sender(AUDIO, ssrc=0x2222)
    good = [p for unit in gop(0, 50) for p in picture.packets(unit)]
    good += [p for unit in audio_units(0, 50) for p in sound.packets(unit)]
    good += [picture.again(seq) for seq in picture.sent]
    good += [picture.report(1e9, 0), sound.report(1e9, 0), picture.probe(0), picture.padding(0)]
    payload_types = (96, 97, 98, 99, 111, 0x80 | 96, 0x80 | 98)
    receiving = receiver(*TRACKS)
    now = 0.0
    dts: dict[int, int] = {}
    for _ in range(5_000):
        now += rng.expovariate(500)
        kind = rng.randrange(4)
        if kind == 0:
            receiving.receive(rng.randbytes(rng.randrange(40)), now)
        elif kind == 1:
            noise = rng.randbytes(rng.randrange(60))
            receiving.receive(bytes((0x80, rng.choice(payload_types))) + noise, now)
        else:
            packet = rng.choice(good)
            receiving.receive(packet if kind == 2 else _mutated(rng, packet), now)
        for unit in receiving.units(now):
            assert unit.dts >= dts.get(unit.track.id, unit.dts)
            dts[unit.track.id] = unit.dts
        assert all(len(compound) < 1_500 for compound in receiving.feedback(now))
        assert receiving.deadline(now) >= now
        assert len(receiving.tracks) == 3
    assert receiving.counters.malformed > 100


@pytest.mark.parametrize(("step", "count"), [(2, 6_000), (700, 600)])
def test_a_sender_whose_every_other_packet_is_missing_fills_no_memory(step: int, count: int) -> None:
    receiving = receiver()
    payload = b"\x7c\x01" + bytes(1_200)
    tracemalloc.start()
    try:
        now = 0.0
        for number in range(count):
            now += 0.00001
            packet = RtpPacket(96, number * step & 0xFFFF, number, 1, payload)
            receiving.receive(serialize(packet), now)
            receiving.units(now)
            receiving.feedback(now)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000


def test_a_sender_with_a_new_name_in_every_packet_fills_no_memory() -> None:
    receiving = receiver()
    rng = random.Random(1)
    tracemalloc.start()
    try:
        for number in range(5_000):
            now = number / 1000
            seq, timestamp, ssrc = rng.getrandbits(16), rng.getrandbits(32), rng.getrandbits(32)
            packet = RtpPacket(96, seq, timestamp, ssrc, b"\x41" + bytes(999))
            receiving.receive(serialize(packet), now)
            receiving.receive(Sender(ssrc=rng.getrandbits(32)).report(1e9, 0), now)
            receiving.units(now)
            assert len(receiving.feedback(now)) <= 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert receiving.counters.plis <= 11
