from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ops.metrics.recordings import RecordingCollector
from streamer.config import parse
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher
from streamer.recording.recordings import Recordings
from tests.fakes.wait import until
from tests.streamer.egress.hls.material import pictures, sounds
from tests.streamer.recording.rig import KEYS, decoded
from tests.streamer.recording.test_library import AT, add

RECORDED: dict[str, Any] = {"streams": {"cam": {"record": True}, "door": {}}}


class Server:
    """Streams and their recordings, as a server has them."""

    def __init__(self, folder: Path, **recording: Any) -> None:
        self.now = AT
        self.registry = Registry()
        config = parse({"recording": recording, **RECORDED})
        self.recordings = Recordings(self.registry, config.recording, folder, KEYS, clock=lambda: self.now)
        self.registry.on_change.append(self.recordings.stream_changed)
        self.apply(RECORDED)

    def apply(self, document: dict[str, Any]) -> None:
        self.registry.apply(parse(document).streams)
        self.recordings.apply()

    async def publish(self, name: str = "cam") -> Publication:
        stream = self.registry.find(name)
        publication = stream.publish(Publisher("one", "srt", "192.0.2.1:4000"))
        units = sorted([*pictures(3.0), *sounds(3.0)], key=lambda unit: unit.dts_s)
        publication.declare((pictures(3.0)[0].track, sounds(3.0)[0].track))
        if stream.config.record:
            await until(lambda: stream.source.has_sinks, "the recorder to come")
        for unit in units:
            publication.write(unit)
        return publication

    def files(self, name: str = "cam") -> list[Path]:
        return [self.recordings.library.path(id) for id in self.recordings.library.ids(name)]

    def metrics(self) -> dict[str, dict[str, float]]:
        return {
            family.name: {sample.labels.get("stream", ""): sample.value for sample in family.samples}
            for family in RecordingCollector(self.registry, self.recordings).collect()
        }


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path, keep_days=2)
    yield server
    await server.recordings.close()


async def test_what_is_to_be_recorded_is(server: Server) -> None:
    cam, door = server.registry.find("cam"), server.registry.find("door")
    await server.publish("door")
    await server.publish("cam")
    await until(lambda: server.metrics()["streamer_recording_bytes"]["cam"], "a fragment")
    state = server.recordings.state(cam)
    assert state is not None
    assert (state.id, state.problem) == ("cam@2026-11-27T22-00-00.123Z", "")
    assert server.recordings.state(door) is None
    metrics = server.metrics()
    assert metrics["streamer_recording_active"] == {"cam": 1.0}
    assert metrics["streamer_recording_problem"] == {"cam": 0.0}
    assert metrics["streamer_recording_units_skipped"] == {"cam": 0.0}
    assert metrics["streamer_recording_free_bytes"][""] > 0
    await server.recordings.close()
    assert decoded(server.files()[0]) == 75
    assert server.files("door") == []


async def test_recording_begins_and_ends_while_somebody_publishes(server: Server) -> None:
    stream = server.registry.find("door")
    publication = await server.publish("door")
    server.apply({"streams": {"cam": {"record": True}, "door": {"record": True}}})
    assert server.registry.find("door") is stream
    await until(lambda: stream.source.has_sinks)
    for unit in sorted([*pictures(3.0), *sounds(3.0)], key=lambda unit: unit.dts_s):
        publication.write(unit)
    await until(lambda: server.files("door"), "a file")
    server.apply(RECORDED)
    assert server.recordings.state(stream) is None
    await until(lambda: stream.demand.idle_s, "the recorder to end")
    assert stream.publisher is not None
    (path,) = server.files("door")
    assert server.recordings.library.find("door@2026-11-27T22-00-00.123Z").is_complete
    assert decoded(path) >= 75


async def test_a_stream_that_starts_over_is_recorded_on(server: Server) -> None:
    publication = await server.publish()
    await until(lambda: server.files(), "a file")
    server.apply({"streams": {"cam": {"record": True, "public": True, "publish_key": "another"}}})
    publication.close("its stream was started over")
    server.now += 60
    await server.publish()
    await until(lambda: len(server.files()) == 2, "another file")
    await server.recordings.close()
    assert [decoded(path) for path in server.files()] == [75, 75]


async def test_files_go_when_they_were_kept_for_long_enough(server: Server) -> None:
    old, recent = (add(server.recordings.library, "gone", AT + number) for number in range(2))
    os.utime(server.recordings.library.path(old), (AT, AT))
    os.utime(server.recordings.library.path(recent), (AT + 3600, AT + 3600))
    server.now = AT + 2 * 86_400
    await server.recordings.expire()
    assert len(server.files("gone")) == 2
    server.now += 1
    await server.recordings.expire()
    assert server.recordings.library.ids("gone") == [recent]


async def test_without_a_time_nothing_goes(tmp_path: Path) -> None:
    server = Server(tmp_path)
    add(server.recordings.library, "cam", AT)
    server.now = AT + 1e9
    await server.recordings.expire()
    assert len(server.files()) == 1
    await server.recordings.close()
