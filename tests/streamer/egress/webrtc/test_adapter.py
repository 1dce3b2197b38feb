from __future__ import annotations

import dataclasses

import pytest

from streamer.egress.webrtc.adapter import Adapter
from streamer.egress.webrtc.viewer import Viewer
from streamer.hub.ladder import STILLS
from tests.fakes.renditions import is_taken
from tests.fakes.units import H264, H264_B_FRAMES, H265
from tests.fakes.wait import until
from tests.streamer.egress.webrtc.rig import CHROMIUM, KEYS, SAFARI, Rig, peer_of
from transport.media import Track

LARGE = dataclasses.replace(H264, width=1280, height=720)
#: What is counted in a second of who gets 2.5 Mb/s, over a good line and over a narrow one.
GOOD = {"packets_sent": 300.0, "video_bytes": 312_500.0, "rtt_ms": 40.0, "remb_bps": 4_000_000.0}
NARROW = GOOD | {"nacks": 200.0, "rtt_ms": 240.0, "remb_bps": 1_100_000.0}
_GAUGES = {"rtt_ms", "remb_bps"}


class Bench:
    """An adapter whose clock is the test's."""

    def __init__(self, rig: Rig, most_made: int) -> None:
        self.rig = rig
        self.now = 1000.0
        self._viewers: dict[int, Viewer] = {}
        self.adapter = Adapter(self._viewers, most_made)

    async def join(self, offer: str = CHROMIUM, address: str = "192.0.2.9") -> Viewer:
        viewer = await self.rig.join(offer)
        peer_of(viewer).address = (address, 50_000)
        self.adapter.began(viewer, self.now)
        viewer.start(KEYS)
        self._viewers[viewer.peer.id] = viewer
        return viewer

    def leave(self, viewer: Viewer) -> None:
        del self._viewers[viewer.peer.id]
        self.adapter.left(viewer, self.now)
        self.rig.egress.leave(viewer, "test")

    def pass_by(self, seconds: int, *seen: tuple[Viewer, dict[str, float]]) -> None:
        """Let time pass in which so much is counted of each viewer every second."""
        for _ in range(seconds):
            self.now += 1
            for viewer, counted in seen:
                totals = self.rig.plane.counters.setdefault(viewer.peer.id, {})
                for name, value in counted.items():
                    totals[name] = value + (0 if name in _GAUGES else totals.get(name, 0))
            self.adapter.look(self.rig.plane.snapshot(), self.now)


@pytest.fixture
def bench(rig: Rig) -> Bench:
    return Bench(rig, most_made=3)


async def test_only_who_has_a_narrow_line_is_moved(bench: Bench) -> None:
    bench.rig.publish(LARGE)
    narrow, good = await bench.join(), await bench.join()
    bench.pass_by(5, (narrow, GOOD), (good, GOOD))
    bench.pass_by(2, (narrow, NARROW), (good, GOOD))
    # The full picture's 2.8 Mb/s are too much for it, and so are half of them.
    assert (narrow.rung, good.rung) == (2, 0)
    assert bench.rig.stream.reduced[1].is_taken


async def test_it_comes_back_when_its_line_is_good(bench: Bench) -> None:
    bench.rig.publish(LARGE)
    viewer = await bench.join()
    bench.pass_by(2, (viewer, GOOD))
    bench.pass_by(2, (viewer, NARROW))
    bench.pass_by(60, (viewer, GOOD))
    assert viewer.rung == 0
    assert not any(made.is_taken for made in bench.rig.stream.reduced[1:])


@pytest.mark.parametrize(
    ("track", "offer", "config"),
    [(H265, SAFARI, {}), (H264, CHROMIUM, {"renditions": "off"})],
    ids=["H.265", "no renditions"],
)
async def test_who_can_have_nothing_smaller_stays(
    bench: Bench, track: Track, offer: str, config: dict[str, object]
) -> None:
    bench.rig.stream = bench.rig.make(**config)
    bench.rig.publish(track)
    viewer = await bench.join(offer)
    bench.pass_by(2, (viewer, GOOD))
    bench.pass_by(10, (viewer, NARROW))
    assert viewer.rung == 0


async def test_a_small_stream_is_not_made_smaller(bench: Bench) -> None:
    bench.rig.publish(dataclasses.replace(H264, width=320, height=180))
    viewer = await bench.join()
    bench.pass_by(2, (viewer, GOOD))
    bench.pass_by(10, (viewer, NARROW))
    assert viewer.rung == 0


async def test_a_rendition_for_everybody_has_smaller_ones_too(bench: Bench) -> None:
    bench.rig.publish(H264_B_FRAMES)
    viewer = await bench.join()
    assert bench.rig.stream.h264.is_taken
    bench.pass_by(2, (viewer, GOOD))
    bench.pass_by(2, (viewer, NARROW))
    assert viewer.rung > 0
    assert not is_taken(bench.rig.stream.h264)


class TestLimit:
    async def test_what_is_made_already_serves_others(self, rig: Rig) -> None:
        bench = Bench(rig, most_made=1)
        rig.publish(LARGE)
        first, second, third = [await bench.join() for _ in range(3)]
        bench.pass_by(2, (first, GOOD), (second, GOOD), (third, GOOD))
        bench.pass_by(2, (first, NARROW | {"remb_bps": 500_000}), (second, GOOD), (third, GOOD))
        assert first.rung == 3
        # Rung 2 would fit both, but no more can be made: one gets what there is.
        bench.pass_by(2, (first, GOOD), (second, NARROW), (third, GOOD))
        assert second.rung == 3
        bench.leave(first)
        bench.leave(second)
        bench.pass_by(2, (third, NARROW))
        assert third.rung == 2

    async def test_without_anything_one_stays(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        bench = Bench(rig, most_made=0)
        rig.publish(LARGE)
        viewer = await bench.join()
        bench.pass_by(2, (viewer, GOOD))
        bench.pass_by(20, (viewer, NARROW))
        assert viewer.rung == 0
        assert caplog.text.count("no other size can be made") == 1


@pytest.mark.parametrize("counted", [{"packets_sent": 6.0, "video_bytes": 7000.0, "rtt_ms": 40.0}, {}])
async def test_who_gets_next_to_nothing_comes_back_too(bench: Bench, counted: dict[str, float]) -> None:
    """Stills without sound are a few packets; a smaller picture that nobody makes is none."""
    bench.rig.publish(LARGE, audio=None)
    viewer = await bench.join()
    bench.pass_by(2, (viewer, GOOD))
    bench.pass_by(2, (viewer, NARROW | {"remb_bps": 50_000.0}))
    assert viewer.rung == STILLS
    bench.rig.plane.counters[viewer.peer.id] |= {"rtt_ms": 40.0}
    bench.pass_by(120, (viewer, counted))
    assert viewer.rung == 0


async def test_what_fails_leaves_a_viewer_with_what_it_has_and_the_others_alone(bench: Bench) -> None:
    bench.rig.publish(LARGE)
    unlucky, other = await bench.join(), await bench.join()
    bench.pass_by(2, (unlucky, GOOD), (other, GOOD))
    bench.rig.plane.fails_to_make = H264.codec
    bench.pass_by(2, (unlucky, NARROW), (other, NARROW))
    assert (unlucky.rung, other.rung) == (0, 0)
    assert unlucky.video_source == "source"
    bench.rig.plane.fails_to_make = None
    bench.pass_by(6, (unlucky, NARROW), (other, NARROW))
    assert unlucky.rung > 0
    assert other.rung > 0
    bench.leave(unlucky)
    bench.leave(other)
    await until(lambda: bench.rig.is_clean)


class TestMemory:
    async def narrow(self, bench: Bench, address: str = "192.0.2.9") -> Viewer:
        bench.rig.publish(LARGE)
        viewer = await bench.join(address=address)
        bench.pass_by(2, (viewer, GOOD))
        bench.pass_by(2, (viewer, NARROW))
        assert viewer.rung == 2
        return viewer

    async def test_who_comes_back_at_once_begins_where_it_was(self, bench: Bench) -> None:
        viewer = await self.narrow(bench)
        bench.leave(viewer)
        other = await bench.join(address="192.0.2.10")
        again = await bench.join()
        another = await bench.join()
        assert (other.rung, again.rung, another.rung) == (0, 2, 0)
        assert again.video_source == "rendition"
        bench.pass_by(60, (other, GOOD), (again, GOOD), (another, GOOD))
        assert again.rung == 0

    async def test_who_comes_back_later_begins_anew(self, bench: Bench) -> None:
        viewer = await self.narrow(bench)
        bench.leave(viewer)
        bench.now += 61
        assert (await bench.join()).rung == 0
