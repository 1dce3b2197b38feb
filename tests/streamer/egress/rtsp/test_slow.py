"""One who takes little costs nobody anything."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.units import picture
from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig
from transport.rtp.header import RtpPacket, parse

_START = b"\0\0\0\1"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def gaps(packets: list[tuple[int, bytes]]) -> list[RtpPacket]:
    """What does not follow the packet before it."""
    found = [parse(packet) for channel, packet in packets if channel == 0]
    return [b for a, b in itertools.pairwise(found) if b.seq != (a.seq + 1) & 0xFFFF]


def test_who_takes_nothing_skips_and_another_gets_all(rig: Rig) -> None:
    publication = rig.publish("open", picture(0.0, keyframe=True))
    slow, reader = rig.playing("open")
    quick, other = rig.playing("open")
    reader._connection._shared.max_wait_s = 0.05
    enough = threading.Event()

    def publish() -> None:
        for number in range(1, 5000):
            if enough.wait(0.002):
                return
            data = _START + bytes([0x65 if number % 10 == 0 else 0x41]) + bytes([1]) * 20_000
            unit = picture(number / 25, keyframe=number % 10 == 0)
            publication.write(
                type(unit)(unit.track, unit.pts, unit.dts, data, unit.keyframe, time.monotonic())
            )

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        packets = quick.receive(2000)
        wait_until(lambda: quick.receive(len(quick.packets) + 1) and reader.skipped > 0, "one to skip")
        assert other.skipped == 0
        assert gaps(packets) == []
        # It goes on with a keyframe, when it takes something again.
        wait_until(lambda: gaps(slow.receive(len(slow.packets) + 200)), "it to go on")
    finally:
        enough.set()
        thread.join()
    for packet in gaps(slow.packets):
        assert packet.payload[:2] == bytes((0x7C, 0x85))  # FU-A: the beginning of a keyframe
