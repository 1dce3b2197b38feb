from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auth.permissions.actions import Action
from streamer.config import parse
from streamer.egress.readers import AllReaders, NoSuchReader
from streamer.egress.srt import SrtEgress, SrtReader
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher
from tests.fakes.wait import wait_until
from tests.rigs.doors import Doorkeeper
from tests.transport.media.sources import jpeg_units, picture_units, sound_units, tone
from transport.errors import LinkError
from transport.media import AccessUnit, Codec, Track
from transport.mpegts import TsDemuxer
from transport.srt import (
    ConnectError,
    RejectReason,
    SrtConnection,
    SrtListener,
    SrtOptions,
    SrtTarget,
    connect,
)

ENCODERS, READERS, SECRET = "correct horse battery", "staple of the readers", "of the machines"
STREAMS: dict[str, dict[str, object]] = {
    "open": {"public": True, "publish_key": "key"},
    "private": {"publish_key": "key"},
    "sealed": {"public": True, "publish_key": "key", "passphrase": ENCODERS},
    "apart": {"public": True, "publish_key": "key", "passphrase": ENCODERS, "read_passphrase": READERS},
    "secret": {"public": False, "publish_key": "key", "e2e": True},
    "camera": {"public": True, "source": "rtsps://192.0.2.1/", "encryption": "aes-256", "on_demand": True},
    "plain": {"public": True, "publish_key": "key", "renditions": "off"},
    "gate": {"public": True, "source": "rtsp://192.0.2.1/", "on_demand": True},
}
MOST = 3


class Rig:
    def __init__(self, state_dir: Path) -> None:
        self.doorkeeper = Doorkeeper(state_dir)
        self.registry = Registry()
        self.registry.apply(parse({"streams": STREAMS}).streams)
        self.egress = SrtEgress(self.registry, self.doorkeeper.guard.door, MOST, SECRET)
        self.listener = SrtListener(
            ("127.0.0.1", 0),
            SrtOptions(),
            self.egress.admit,
            self.egress.connected,
            self.egress.refused,
        )
        self._connections: list[SrtConnection] = []

    def call(self, stream_id: str, passphrase: str | None = None) -> SrtConnection:
        options = SrtOptions(passphrase=passphrase)
        target = SrtTarget("caller", *self.listener.address, stream_id=stream_id, options=options)
        self._connections.append(connect(target))
        return self._connections[-1]

    def read(self, stream_id: str, passphrase: str | None = None) -> tuple[SrtConnection, SrtReader]:
        """Call, and wait until the output has the reader."""
        before = {reader.id for reader in self.egress.readers}
        connection = self.call(stream_id, passphrase)
        found: list[SrtReader] = []

        def is_there() -> bool:
            found[:] = [reader for reader in self.egress.readers if reader.id not in before]
            return bool(found)

        wait_until(is_there, "the reader")
        return connection, found[0]

    def refused(self, stream_id: str, passphrase: str | None = None) -> ConnectError:
        with pytest.raises(ConnectError) as caught:
            self.call(stream_id, passphrase)
        return caught.value

    def publish(self, name: str) -> Publication:
        return self.registry.find(name).publish(Publisher("one", "srt", "192.0.2.9:4000"))

    def close(self) -> None:
        self.listener.close()
        self.egress.close("the test is over")
        for connection in self._connections:
            connection.close()
        self.doorkeeper.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def pictures() -> list[AccessUnit]:
    """Three GOPs of ten."""
    return picture_units(Codec.H264, 30, options={"g": "10", "keyint_min": "10", "sc_threshold": "0"})


def received(connection: SrtConnection, enough: Callable[[list[AccessUnit]], bool]) -> list[AccessUnit]:
    """Demux what comes until there is enough; the last picture stays in the demuxer."""
    demuxer, units = TsDemuxer(), list[AccessUnit]()
    while not enough(units):
        units += demuxer.feed(connection.receive(), 0.0)
    return units


def ended(connection: SrtConnection) -> None:
    with pytest.raises(LinkError):
        while True:
            connection.receive()


def ends_at_once(rig: Rig, stream_id: str) -> None:
    """So soon that the caller may see it as a call that failed."""
    with pytest.raises(LinkError):
        connection = rig.call(stream_id)
        while True:
            connection.receive()


class TestAdmission:
    @pytest.mark.parametrize(
        ("stream_id", "reason"),
        [
            ("nowhere", RejectReason.NOT_FOUND),
            ("private", RejectReason.UNAUTHORIZED),
            ("read:private:key", RejectReason.UNAUTHORIZED),
            ("#!::r=private,m=request,s=rubbish", RejectReason.UNAUTHORIZED),
            ("secret", RejectReason.FORBIDDEN),
            ("camera", RejectReason.FORBIDDEN),
        ],
    )
    def test_who_may_not(self, rig: Rig, stream_id: str, reason: RejectReason) -> None:
        assert rig.refused(stream_id).reject_code == reason
        assert rig.egress.readers == []

    def test_a_token_to_watch_lets_in_and_one_to_listen_or_publish_does_not(self, rig: Rig) -> None:
        _, reader = rig.read(f"read:private:{rig.doorkeeper.token(Action.WATCH, 'private')}")
        assert reader.user.startswith("token ")
        for action in (Action.LISTEN, Action.PUBLISH):
            token = rig.doorkeeper.token(action, "private")
            assert rig.refused(f"read:private:{token}").reject_code == RejectReason.FORBIDDEN

    def test_to_a_public_stream_a_token_that_does_not_count_is_no_hindrance(self, rig: Rig) -> None:
        _, reader = rig.read("read:open:rubbish")
        assert reader.user == ""

    def test_readers_have_a_passphrase_of_their_own_or_that_of_the_encoders(self, rig: Rig) -> None:
        _, reader = rig.read("sealed", ENCODERS)
        leg = reader.encryption()
        assert leg is not None
        assert leg.cipher == "AES-256"
        rig.read("apart", READERS)
        for name, passphrase in (("apart", ENCODERS), ("apart", None), ("sealed", None), ("open", READERS)):
            assert rig.refused(name, passphrase).reason == "unauthorized"

    def test_there_is_a_limit_to_them(self, rig: Rig) -> None:
        for _ in range(MOST):
            rig.read("open")
        assert rig.refused("open").reject_code == RejectReason.OVERLOADED

    def test_no_secret_in_the_log(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        token = rig.doorkeeper.token(Action.WATCH, "private")
        with caplog.at_level("DEBUG"):
            rig.read(f"read:private:{token}")
            rig.refused("apart", ENCODERS)
        assert "private: read by 127.0.0.1" in caplog.text
        assert all(secret not in caplog.text for secret in (token, ENCODERS, READERS))


class TestMachines:
    """Others of the cluster, which the passphrase proves."""

    ASKED = "#!::r=secret,m=request,machine=two"

    def test_one_gets_whatever_is_published_here(self, rig: Rig) -> None:
        rig.publish("secret")
        _, reader = rig.read(self.ASKED, SECRET)
        assert reader.user == "machine two"
        assert rig.refused(self.ASKED, ENCODERS).reason == "unauthorized"
        assert rig.refused(self.ASKED).reason == "unauthorized"

    def test_and_nothing_that_is_not(self, rig: Rig) -> None:
        assert rig.refused(self.ASKED, SECRET).reject_code == RejectReason.NOT_FOUND
        other = Publisher("two", "srt", "machine three", is_edge=True)
        rig.registry.find("secret").publish(other)
        assert rig.refused(self.ASKED, SECRET).reject_code == RejectReason.NOT_FOUND

    def test_where_there_is_no_cluster_nobody_is_one(self, rig: Rig) -> None:
        rig.publish("secret")
        rig.egress._secret = None
        assert rig.refused(self.ASKED, SECRET).reject_code == RejectReason.FORBIDDEN


class TestMedia:
    def test_who_comes_in_the_middle_of_a_gop_gets_it_from_the_keyframe(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        publication = rig.publish("open")
        for unit in pictures[:5]:
            publication.write(unit)
        early, _ = rig.read("open")
        late, _ = rig.read("open")
        for unit in pictures[5:]:
            publication.write(unit)
        for connection in (early, late):
            units = received(connection, lambda units: len(units) >= 29)[:29]
            assert [unit.data for unit in units] == [unit.data for unit in pictures[:29]]
            first, sent = units[0], pictures[0]
            assert [unit.pts - first.pts for unit in units] == [unit.pts - sent.pts for unit in pictures[:29]]

    def test_the_first_who_comes_hears_what_belongs_to_the_picture(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        sounds = sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)
        publication = rig.publish("open")
        for picture, sound in zip(pictures[:10], sounds, strict=False):
            publication.write(picture)
            publication.write(sound)
        for _ in range(2):
            connection, _ = rig.read("open")
            units = received(connection, lambda units: len(units) >= 17)
            heard = [unit.data for unit in units if not unit.track.is_video]
            assert heard == [unit.data for unit in sounds[: len(heard)]]
            assert len(heard) > 7

    def test_what_a_publisher_left_behind_is_shown_to_nobody_who_comes_later(
        self, rig: Rig, pictures: list[AccessUnit]
    ) -> None:
        publication = rig.publish("open")
        there, _ = rig.read("open")
        for unit in pictures[:5]:
            publication.write(unit)
        received(there, lambda units: len(units) >= 4)
        publication.close("it left")
        newcomer, _ = rig.read("open")
        again = rig.publish("open")
        for unit in pictures[15:]:  # not from a keyframe on
            again.write(unit)
        for connection in (there, newcomer):
            units = received(connection, lambda units: pictures[28].data in [unit.data for unit in units])
            starts = [unit for unit in units if unit.keyframe]
            assert starts[0].data == pictures[20].data
        assert pictures[4].data not in [unit.data for unit in units]

    @pytest.mark.parametrize("has_picture", [True, False])
    def test_what_a_publisher_does_not_bring_any_more_is_not_announced(
        self, rig: Rig, pictures: list[AccessUnit], has_picture: bool
    ) -> None:
        """A receiver would wait for it, and for the clock that came with the picture."""
        sounds = sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)
        both = (pictures[0].track, sounds[0].track)
        publication = rig.publish("open")
        publication.declare(both)
        connection, _ = rig.read("open")
        for unit in (pictures[0], *sounds[:5]):
            publication.write(unit)
        received(connection, lambda units: len(units) > 3)
        publication.close("it left")
        again = rig.publish("open")
        again.declare(both[:1] if has_picture else both[1:])
        for unit in pictures if has_picture else sounds:
            again.write(unit)
        newcomer, _ = rig.read("open")
        for unit in pictures[:10] if has_picture else sounds[:20]:
            again.write(unit)
        demuxer, clocks = TsDemuxer(), 0
        for _ in range(5):
            message = newcomer.receive()
            demuxer.feed(message, 0.0)
            packets = [message[at : at + 188] for at in range(0, len(message), 188)]
            clocks += sum(1 for packet in packets if packet[3] & 0x20 and packet[4] and packet[5] & 0x10)
        assert [track.is_video for track in demuxer.tracks] == [has_picture]
        assert clocks > 0

    def test_all_that_comes_is_announced_before_any_of_it(self, rig: Rig, pictures: list[AccessUnit]) -> None:
        sound = Track(2, Codec.PCMA, 8000, sample_rate=8000, channels=1)
        publication = rig.publish("open")
        connection, _ = rig.read("open")
        publication.declare((pictures[0].track, sound))
        publication.write(pictures[0])
        demuxer = TsDemuxer()
        demuxer.feed(connection.receive(), 0.0)
        assert [track.codec for track in demuxer.tracks] == [Codec.H264, Codec.AAC]

    def test_what_comes_at_once_shares_messages(self, rig: Rig, pictures: list[AccessUnit]) -> None:
        sounds = sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)
        publication = rig.publish("open")
        publication.declare((pictures[0].track, sounds[0].track))
        connection, _ = rig.read("open")
        demuxer, units, most = TsDemuxer(), list[AccessUnit](), 0
        for picture, sound in zip(pictures, sounds, strict=False):
            publication.write(picture)
            publication.write(sound)
        while len(units) < 50:
            message = connection.receive()
            units += demuxer.feed(message, 0.0)
            packets = [message[at : at + 188] for at in range(0, len(message), 188)]
            most = max(most, len({packet[1] & 0x1F | packet[2] for packet in packets if packet[1] & 0x40}))
        assert most > 1
        heard, seen = ([u.data for u in units if u.track.is_video is of] for of in (False, True))
        assert heard == [unit.data for unit in sounds[: len(heard)]]
        assert seen == [unit.data for unit in pictures[: len(seen)]]

    @pytest.mark.parametrize("codec", [Codec.AAC, Codec.OPUS])
    def test_sound_alone_begins_anywhere(self, rig: Rig, codec: Codec) -> None:
        sounds = sound_units(codec, tone(1.0, 48_000), 48_000)
        publication = rig.publish("open")
        publication.write(sounds[0])
        connection, _ = rig.read("open")
        for unit in sounds[1:]:
            publication.write(unit)
        units = received(connection, lambda units: len(units) >= len(sounds) - 5)
        sent = [unit.data for unit in sounds]
        at = sent.index(units[0].data)
        assert [unit.data for unit in units] == sent[at : at + len(units)]

    def test_sound_that_a_transport_stream_does_not_carry_is_made_into_aac(self, rig: Rig) -> None:
        track = Track(2, Codec.PCMA, 8000, sample_rate=8000, channels=1)
        publication = rig.publish("open")
        publication.write(AccessUnit(track, 0, 0, bytes(160), True, 0.0))
        connection, _ = rig.read("open")
        for number in range(1, 100):
            publication.write(AccessUnit(track, 160 * number, 160 * number, bytes(160), True, 0.02 * number))
        units = received(connection, lambda units: len(units) > 5)
        assert {unit.track.codec for unit in units} == {Codec.AAC}

    def test_a_picture_that_a_transport_stream_does_not_carry_is_made_into_h264(self, rig: Rig) -> None:
        jpegs = jpeg_units(200)
        publication = rig.publish("open")
        publication.write(jpegs[0])
        connection, _ = rig.read("open")
        enough = threading.Event()

        def camera() -> None:
            # At its own pace, or a machine that is busy leaves out what it is behind with.
            for unit in jpegs[1:]:
                if enough.wait(0.04):
                    return
                publication.write(unit)

        thread = threading.Thread(target=camera)
        thread.start()
        try:
            units = received(connection, lambda units: len(units) > 5)
        finally:
            enough.set()
            thread.join()
        assert {unit.track.codec for unit in units} == {Codec.H264}
        assert (units[0].keyframe, units[0].track.width, units[0].track.height) == (True, 320, 240)

    def test_where_no_rendition_may_be_made_the_sound_comes_alone(self, rig: Rig) -> None:
        sounds = sound_units(Codec.AAC, tone(1.0, 48_000), 48_000)
        publication = rig.publish("plain")
        for unit in (*jpeg_units(1), sounds[0]):
            publication.write(unit)
        connection, _ = rig.read("plain")
        for unit in sounds[1:]:
            publication.write(unit)
        units = received(connection, lambda units: len(units) >= len(sounds) - 5)
        assert {unit.track.codec for unit in units} == {Codec.AAC}

    @pytest.mark.parametrize("codec", [Codec.H265, Codec.MPEG2])
    def test_other_pictures_come_as_they_are(self, rig: Rig, codec: Codec) -> None:
        pictures = picture_units(codec, 20)
        publication = rig.publish("open")
        publication.write(pictures[0])
        connection, _ = rig.read("open")
        for unit in pictures[1:]:
            publication.write(unit)
        units = received(connection, lambda units: len(units) >= 19)[:19]
        assert [unit.data for unit in units] == [unit.data for unit in pictures[:19]]

    def test_a_stream_that_is_pulled_on_demand_is_wanted_while_somebody_reads_it(self, rig: Rig) -> None:
        demand = rig.registry.find("gate").demand
        connection, _ = rig.read("gate")
        wait_until(lambda: demand.idle_s == 0)
        connection.close()
        wait_until(lambda: demand.idle_s > 0)
        assert rig.egress.readers == []
        # And anew, by an output of its own.
        rig.read("gate")
        wait_until(lambda: demand.idle_s == 0)


class TestEnd:
    def test_of_a_token(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            connection, _ = rig.read(f"read:private:{rig.doorkeeper.token(Action.WATCH, 'private', 1.5)}")
            ended(connection)
            wait_until(lambda: "reader left: its time is over" in caplog.text)
        assert rig.egress.readers == []

    def test_by_an_administrator(self, rig: Rig) -> None:
        connection, reader = rig.read("open")
        AllReaders(rig.egress).by_id(reader.id).end("ended by the administrator")
        ended(connection)
        wait_until(lambda: not rig.egress.readers)
        with pytest.raises(NoSuchReader):
            AllReaders(rig.egress).by_id(reader.id)

    def test_of_the_stream(self, rig: Rig) -> None:
        connection, _ = rig.read("open")
        rig.registry.apply({})
        ended(connection)

    def test_of_the_server_leaves_no_thread_behind(self, rig: Rig) -> None:
        connections = [rig.read(name)[0] for name in ("open", "gate")]
        rig.listener.close()
        rig.egress.close("the server is stopping")
        for connection in connections:
            ended(connection)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(("ts ", "reader "))]
        assert rig.egress.readers == []

    def test_one_for_whom_there_is_no_thread_ends_alone(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        start = threading.Thread.start

        def exhausted(thread: threading.Thread) -> None:
            if thread.name.startswith("ts "):
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patch, caplog.at_level("INFO"):
            patch.setattr(threading.Thread, "start", exhausted)
            ends_at_once(rig, "open")
            wait_until(lambda: "can't start new thread" in caplog.text)
        assert rig.registry.find("open").demand.idle_s > 0
        rig.read("open")

    def test_whose_sound_nothing_can_be_made_of_holds_nothing(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = threading.Thread.start

        def exhausted(thread: threading.Thread) -> None:
            if thread.name.endswith(" aac"):
                raise RuntimeError("can't start new thread")
            start(thread)

        rig.publish("open").declare((Track(2, Codec.PCMA, 8000, sample_rate=8000, channels=1),))
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", exhausted)
            ends_at_once(rig, "open")
        wait_until(lambda: rig.registry.find("open").demand.idle_s > 0)
        rig.read("open")
