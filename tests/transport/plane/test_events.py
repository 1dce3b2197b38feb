import logging

import pytest

from tests.fakes.plane import FakePlane
from tests.fakes.wait import until
from transport.media import Codec
from transport.plane.events import PeerEvent, PlaneEvents
from transport.plane.interface import ConsentLost, DtlsReceived, Feed, KeyframeWanted


@pytest.fixture
async def plane():
    plane = FakePlane()
    yield plane
    plane.close()


async def test_each_is_told_of_its_own_peers(plane: FakePlane) -> None:
    events = PlaneEvents(plane)
    one, two, nobodys = (plane.peer(name, "secret") for name in ("one", "two", "three"))
    told: dict[str, list[PeerEvent]] = {"one": [], "two": []}
    events.follow(one, told["one"].append)
    events.follow(two, told["two"].append)
    happened = [DtlsReceived(one, b"hello"), DtlsReceived(nobodys, b"lost"), ConsentLost(two)]
    for event in happened:
        plane.happens(event)
    await until(lambda: bool(told["two"]))
    assert told == {"one": happened[:1], "two": happened[2:]}
    events.close()


async def test_who_left_is_told_nothing(plane: FakePlane) -> None:
    events = PlaneEvents(plane)
    gone, here = plane.peer("gone", "secret"), plane.peer("here", "secret")
    told: list[PeerEvent] = []
    for peer in (gone, here):
        events.follow(peer, told.append)
    events.leave(gone)
    events.leave(gone)
    plane.happens(ConsentLost(gone))
    plane.happens(ConsentLost(here))
    await until(lambda: bool(told))
    assert told == [ConsentLost(here)]
    events.close()


async def test_everybody_is_told_of_feeds(plane: FakePlane) -> None:
    events = PlaneEvents(plane)
    told: list[Feed] = []
    events.on_keyframe += [told.append, told.append]
    feed = plane.feed(Codec.H264, 90_000, epoch_s=0.0)
    plane.happens(KeyframeWanted(feed))
    await until(lambda: len(told) == 2)
    assert told == [feed, feed]
    events.close()


async def test_one_peers_trouble_is_its_own(plane: FakePlane, caplog: pytest.LogCaptureFixture) -> None:
    events = PlaneEvents(plane)
    broken, fine = plane.peer("broken", "secret"), plane.peer("fine", "secret")
    told: list[PeerEvent] = []

    def fail(event: PeerEvent) -> None:
        raise RuntimeError("no")

    events.follow(broken, fail)
    events.follow(fine, told.append)
    with caplog.at_level(logging.ERROR):
        plane.happens(ConsentLost(broken))
        plane.happens(ConsentLost(fine))
        await until(lambda: bool(told))
    assert "an event of the media plane failed" in caplog.text
    events.close()
