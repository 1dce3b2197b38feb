from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from streamer.errors import NoSuchStream
from streamer.hub.registry import Registry
from streamer.hub.stream import Publisher, State
from streamer.sections.stream import StreamConfig
from tests.fakes.units import H264_B_FRAMES, picture
from tests.fakes.wait import until
from tests.streamer.hub.sinks import Collector

OPEN, KEYED = StreamConfig(public=True), StreamConfig(public=True, publish_key=SecretStr("another"))


class Watched:
    """A registry that remembers what happened."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.events: list[str] = []
        self.registry.on_add.append(lambda stream: self.events.append(f"+{stream.name}"))
        self.registry.on_remove.append(lambda stream: self.events.append(f"-{stream.name}"))

    def apply(self, **wanted: StreamConfig) -> list[str]:
        self.events.clear()
        self.registry.apply(wanted)
        return list(self.events)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_streams_come_and_go(watched: Watched) -> None:
    assert watched.apply(a=OPEN, b=OPEN) == ["+a", "+b"]
    assert watched.apply(b=OPEN, c=OPEN) == ["-a", "+c"]
    assert [stream.name for stream in watched.registry] == ["b", "c"]
    with pytest.raises(NoSuchStream) as caught:
        watched.registry.find("a")
    assert caught.value.name == "a"


def test_what_did_not_change_is_not_touched(watched: Watched) -> None:
    watched.apply(a=OPEN, b=OPEN)
    a = watched.registry.find("a")
    publication = a.publish(Publisher("one", "srt", "x"))
    assert watched.apply(a=StreamConfig(public=True), b=KEYED) == ["-b", "+b"]
    assert watched.registry.find("a") is a
    assert a.publisher is publication.publisher


def test_harmless_changes_make_nobody_leave(watched: Watched) -> None:
    watched.apply(a=StreamConfig())
    a = watched.registry.find("a")
    publication = a.publish(Publisher("one", "srt", "x"))
    assert watched.apply(a=StreamConfig(title="New", grace_s=1.0, public=True)) == []
    assert (a.config.title, a.config.grace_s, a.config.public) == ("New", 1.0, True)
    assert a.publisher is publication.publisher
    # Viewers who may not watch any more have to leave.
    assert watched.apply(a=StreamConfig(title="New", grace_s=1.0)) == ["-a", "+a"]


def test_what_changed_is_another_stream(watched: Watched) -> None:
    watched.apply(a=OPEN)
    before = watched.registry.find("a")
    stopped: list[bool] = []
    before.publish(Publisher("one", "srt", "x", stop=lambda: stopped.append(True)))
    watched.apply(a=KEYED)
    after = watched.registry.find("a")
    assert after is not before
    assert after.config is KEYED
    assert after.publisher is None
    assert stopped == [True]
    with pytest.raises(NoSuchStream):
        before.publish(Publisher("two", "srt", "x"))


def test_a_removed_streams_publisher_is_stopped(watched: Watched) -> None:
    watched.apply(a=OPEN)
    stopped: list[bool] = []
    watched.registry.find("a").publish(Publisher("one", "srt", "x", stop=lambda: stopped.append(True)))
    assert watched.apply() == ["-a"]
    assert stopped == [True]


def test_a_rotated_key_is_a_change(watched: Watched) -> None:
    first = StreamConfig.model_validate({"publish_key": "one"})
    same = StreamConfig.model_validate({"publish_key": "one"})
    rotated = StreamConfig.model_validate({"publish_key": "two"})
    watched.apply(a=first)
    assert watched.apply(a=same) == []
    assert watched.apply(a=rotated) == ["-a", "+a"]


def test_the_order_is_the_configurations(watched: Watched) -> None:
    watched.apply(a=OPEN, b=OPEN)
    watched.apply(c=OPEN, b=OPEN, a=OPEN)
    assert [stream.name for stream in watched.registry] == ["c", "b", "a"]


def test_changes_of_streams_are_passed_on(watched: Watched) -> None:
    changed: list[str] = []
    watched.registry.on_change.append(lambda stream: changed.append(stream.name))
    watched.apply(a=OPEN)
    watched.registry.find("a").publish(Publisher("one", "srt", "x"))
    assert changed == ["a"]


async def test_grace_times_end(watched: Watched) -> None:
    watched.apply(a=StreamConfig(grace_s=0))
    stream = watched.registry.find("a")
    running = asyncio.create_task(watched.registry.run())
    publication = stream.publish(Publisher("one", "srt", "x"))
    publication.write(picture(0.0, keyframe=True))
    publication.close("gone")
    assert stream.state is State.AWAY
    await until(lambda: stream.state is State.OFFLINE)
    running.cancel()
    await asyncio.wait([running])


def test_who_opens_a_page_is_expected_where_anybody_may_watch() -> None:
    registry = Registry()
    registry.apply({"open": OPEN, "private": StreamConfig()})
    streams = [registry.find(name) for name in ("open", "private")]
    for stream in streams:
        stream.publish(Publisher("one", "srt", "a")).write(picture(0.0, keyframe=True, track=H264_B_FRAMES))
    for name in ("open", "private", "none"):
        registry.expect(name)
    assert [stream.h264.active for stream in streams] == [True, False]
    registry.apply({})
    assert not streams[0].h264.active


def test_renditions_that_ended_are_counted_over_all_streams(watched: Watched) -> None:
    watched.apply(a=OPEN, b=OPEN)
    for rendition in (watched.registry.find("a").opus, watched.registry.find("b").h264):
        rendition.retire()
        sink = Collector()
        rendition.attach(sink)
        rendition.detach(sink)
    assert watched.registry.renditions_ended == 2
