"""One who takes little costs nobody anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.units import picture
from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig
from transport.rtp.header import parse

_START = b"\0\0\0\1"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_who_takes_nothing_skips_and_another_gets_all(rig: Rig) -> None:
    publication = rig.publish("open", picture(0.0, keyframe=True))
    slow, reader = rig.playing("open")
    quick, other = rig.playing("open")
    assert reader._intake is not None
    reader._intake._reader._max_wait_s = 0.05
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
    finally:
        enough.set()
        thread.join()
    assert other.skipped == 0
    seqs = [parse(packet).seq for channel, packet in packets if channel == 0]
    assert seqs == [(seqs[0] + n) & 0xFFFF for n in range(len(seqs))]
    # And it goes on with a keyframe, when it takes something again.
    found = [parse(packet) for channel, packet in slow.receive(500) if channel == 0]
    assert [packet.seq for packet in found] == [(found[0].seq + n) & 0xFFFF for n in range(len(found))]
