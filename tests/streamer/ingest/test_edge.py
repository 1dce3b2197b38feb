from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import parse
from streamer.egress.srt import SrtEgress
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher
from streamer.ingest.edge import EdgeIngest, Machine
from tests.fakes.wait import wait_until
from tests.rigs.doors import Doorkeeper
from tests.rigs.processes import free_port
from tests.transport.media.sources import picture_units
from transport.media import AccessUnit, Codec
from transport.srt import SrtListener, SrtOptions

SECRET = "of the machines"
STREAMS = {"cam": {"publish_key": "key"}}


class Rig:
    """A machine that streams are published to, and another one that fetches them."""

    def __init__(self, folder: Path) -> None:
        self.doorkeeper = Doorkeeper(folder)
        there, here = Registry(), Registry()
        for registry in (there, here):
            registry.apply(parse({"streams": STREAMS}).streams)
        self.egress = SrtEgress(there, self.doorkeeper.guard.door, 9, SECRET)
        egress = self.egress
        self.listener = SrtListener(
            ("127.0.0.1", 0), SrtOptions(), egress.admit, egress.connected, egress.refused
        )
        host, port = self.listener.address
        self.machine = Machine("one", f"{host}:{port}", 1.0)
        self.machines: tuple[Machine, ...] = (self.machine,)
        self.edge = EdgeIngest(SrtOptions(), SECRET, "two", lambda stream: self.machines)
        self.there, self.here = there.find("cam"), here.find("cam")
        self.edge.follow(self.here)

    def publish(self) -> Publication:
        return self.there.publish(Publisher("one", "srt", "192.0.2.9:4000"))

    def close(self) -> None:
        self.listener.close()
        self.edge.close()
        self.egress.close("the test is over")
        self.doorkeeper.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def pictures() -> list[AccessUnit]:
    return picture_units(Codec.H264, 10)


def has_ended() -> bool:
    """Whether nothing is being fetched."""
    return not [thread for thread in threading.enumerate() if thread.name == "edge cam"]


def test_why_a_stream_cannot_be_fetched_is_said_once_and_until_nobody_has_it(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again every second, and there may be hundreds of them."""
    with caplog.at_level("WARNING"):
        rig.here.demand.acquire()
        for _ in range(3):
            wait_until(has_ended)
            assert rig.here.ingest.state == "retrying"
            rig.edge.look(rig.here)
        wait_until(has_ended)
    assert caplog.text.count("cam: from machine one: ") == 1
    rig.machines = ()
    rig.edge.look(rig.here)
    assert (rig.here.ingest.state, rig.here.ingest.reason) == ("waiting", "")


def test_a_stream_comes_from_the_machine_that_it_is_fetched_from(
    rig: Rig, pictures: list[AccessUnit]
) -> None:
    machine = rig.machine
    publication = rig.publish()
    assert not rig.edge.comes(rig.here, machine)
    rig.here.demand.acquire()
    wait_until(lambda: rig.edge.comes(rig.here, machine))
    for unit in pictures:
        publication.write(unit)
    wait_until(lambda: rig.here.source.video is not None)
    assert not rig.edge.comes(rig.here, Machine("three", machine.address, 2.0))
    for reader in rig.egress.readers:
        reader.end("the test wants it")
    wait_until(lambda: not rig.edge.comes(rig.here, machine))


def test_a_stream_that_moved_is_fetched_anew_as_soon_as_that_is_heard(
    rig: Rig, pictures: list[AccessUnit]
) -> None:
    machine = rig.machine
    rig.publish().write(pictures[0])
    rig.here.demand.acquire()
    wait_until(lambda: rig.edge.comes(rig.here, machine))
    rig.machines = other, _ = Machine("three", machine.address, 2.0), machine
    rig.edge.look(rig.here)
    wait_until(lambda: rig.edge.comes(rig.here, other))


def test_where_one_machine_cannot_be_reached_another_one_that_has_the_stream_is_asked(
    rig: Rig, pictures: list[AccessUnit], caplog: pytest.LogCaptureFixture
) -> None:
    away = Machine("away", f"127.0.0.1:{free_port()}", 2.0)
    rig.machines = away, rig.machine
    rig.publish().write(pictures[0])
    rig.here.demand.acquire()
    wait_until(lambda: rig.edge.comes(rig.here, rig.machine))
    assert caplog.text.count("cam: from machine away: ") == 1
    rig.edge.look(rig.here)
    assert rig.edge.comes(rig.here, rig.machine), "it stays with the one that it comes from"
    # Another encoder calls the first: it may be reached again.
    rig.machines = replace(away, address=rig.machine.address, since=3.0), rig.machine
    rig.edge.look(rig.here)
    wait_until(lambda: rig.edge.comes(rig.here, rig.machines[0]))


def test_who_could_not_be_reached_is_asked_again_when_no_other_is_left(
    rig: Rig, pictures: list[AccessUnit]
) -> None:
    one = rig.machine
    rig.machines = Machine("away", f"127.0.0.1:{free_port()}", 2.0), one
    rig.publish().write(pictures[0])
    rig.here.demand.acquire()
    wait_until(lambda: rig.edge.comes(rig.here, one))
    rig.machines = (back,) = (Machine("away", one.address, 2.0),)
    rig.edge.look(rig.here)
    wait_until(lambda: rig.edge.comes(rig.here, back))
