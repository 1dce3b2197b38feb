from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.access.rates import Rate, RateLimiter
from auth.permissions.actions import Action
from streamer.config import Config, parse
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher, State
from streamer.ingest.srt import SrtIngest
from tests.fakes.wait import wait_until
from tests.rigs.doors import Doorkeeper
from transport.errors import LinkError
from transport.srt import (
    ConnectError,
    RejectReason,
    SrtConnection,
    SrtListener,
    SrtOptions,
    SrtTarget,
    connect,
)

KEY, PASSPHRASE = "key-of-the-encoder", "correct horse battery"
NULL_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * 184


def configuration(**more: object) -> Config:
    streams = {
        "cam": {"publish_key": KEY, "passphrase": PASSPHRASE, "pbkeylen": 32},
        "open": {"publish_key": KEY},
        "keyless": {},
        "pulled": {"source": "rtsp://192.0.2.1/"},
        **more,
    }
    return parse({"srt": {"listen": "127.0.0.1:0"}, "streams": streams})


class Rig:
    def __init__(self, state_dir: Path) -> None:
        self.doorkeeper = Doorkeeper(state_dir)
        self.config = configuration()
        self.registry = Registry()
        self.registry.apply(self.config.streams)
        self.ingest = SrtIngest(self.registry, self.doorkeeper.guard.door)
        self.listener = SrtListener(
            ("127.0.0.1", 0),
            self.config.srt.options,
            self.ingest.admit,
            self.ingest.connected,
            self.ingest.refused,
        )
        self._connections: list[SrtConnection] = []

    def call(
        self,
        stream_id: str,
        passphrase: str | None = PASSPHRASE,
        *,
        pbkeylen: int = 32,
        latency_ms: int = 120,
    ) -> SrtConnection:
        options = SrtOptions(passphrase=passphrase, pbkeylen=pbkeylen, latency_ms=latency_ms)
        target = SrtTarget("caller", *self.listener.address, stream_id=stream_id, options=options)
        self._connections.append(connect(target))
        return self._connections[-1]

    def refused(self, stream_id: str, passphrase: str | None = PASSPHRASE) -> ConnectError:
        with pytest.raises(ConnectError) as caught:
            self.call(stream_id, passphrase)
        return caught.value

    def wait_state(self, name: str, state: State) -> None:
        wait_until(lambda: self.registry.find(name).state is state, f"{name} to be {state}")

    def close(self) -> None:
        self.listener.close()
        self.ingest.close()
        for connection in self._connections:
            connection.close()
        self.doorkeeper.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def publish_id(name: str = "cam", key: str = KEY) -> str:
    return f"#!::r={name},m=publish,s={key}"


def link_of(publisher: Publisher) -> dict[str, object]:
    link = publisher.describe()["srt"]
    assert isinstance(link, dict)
    return link


class TestAdmission:
    @pytest.mark.parametrize(
        ("stream_id", "reason"),
        [
            (publish_id("nowhere"), RejectReason.NOT_FOUND),
            (publish_id(key="wrong"), RejectReason.UNAUTHORIZED),
            (publish_id(key=KEY + "x"), RejectReason.UNAUTHORIZED),
            ("#!::r=cam,m=publish", RejectReason.UNAUTHORIZED),
            ("publish:cam", RejectReason.UNAUTHORIZED),
            (publish_id("keyless", ""), RejectReason.FORBIDDEN),
            (publish_id("pulled"), RejectReason.FORBIDDEN),
            ("#!::m=publish", RejectReason.BAD_REQUEST),
        ],
    )
    def test_who_may_not(self, rig: Rig, stream_id: str, reason: RejectReason) -> None:
        assert rig.refused(stream_id).reject_code == reason
        assert all(stream.publisher is None for stream in rig.registry)

    @pytest.mark.parametrize("passphrase", ["another passphrase", None])
    def test_without_the_passphrase_nobody(self, rig: Rig, passphrase: str | None) -> None:
        assert rig.refused(publish_id(), passphrase).reason == "unauthorized"
        assert rig.registry.find("cam").publisher is None

    def test_a_key_is_not_guessed_at_will(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rig.ingest, "_knocks", RateLimiter(Rate(per_s=0.001, burst=1)))
        assert rig.refused(publish_id(key="wrong")).reject_code == RejectReason.UNAUTHORIZED
        assert rig.refused(publish_id()).reject_code == RejectReason.OVERLOADED

    def test_no_secret_in_the_log(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("DEBUG"):
            rig.refused(publish_id(key="wrong-but-private"))
            rig.refused(publish_id(), "another passphrase")
            rig.call(publish_id())
            rig.wait_state("cam", State.LIVE)
        assert "the publish key is wrong" in caplog.text
        for secret in (KEY, PASSPHRASE, "wrong-but-private", "another passphrase"):
            assert secret not in caplog.text

    @pytest.mark.parametrize("stream_id", [publish_id(), f"publish:cam:{KEY}"])
    def test_with_key_and_passphrase(self, rig: Rig, stream_id: str) -> None:
        rig.call(stream_id)
        rig.wait_state("cam", State.LIVE)
        publisher = rig.registry.find("cam").publisher
        assert publisher is not None
        assert publisher.protocol == "srt"
        assert link_of(publisher)["cipher"] == "AES-256"
        assert KEY not in str(publisher)

    def test_a_second_one_is_refused_and_the_first_stays(self, rig: Rig) -> None:
        rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)
        first = rig.registry.find("cam").publisher
        error = rig.refused(publish_id())
        assert error.reject_code == RejectReason.CONFLICT
        assert rig.registry.find("cam").publisher is first


class TestSuccession:
    def test_what_the_one_before_sent_last_is_taken_first(self, rig: Rig) -> None:
        first = rig.call(publish_id(), latency_ms=1000)
        rig.wait_state("cam", State.LIVE)
        cam = rig.registry.find("cam")
        before = cam.publisher
        assert before is not None
        for _ in range(20):
            first.send(NULL_PACKET * 7)
        wait_until(lambda: link_of(before)["packets_received"] == 20)
        first.close()
        rig.call(publish_id(), latency_ms=1000)
        wait_until(lambda: cam.publisher not in (None, before))
        demuxed = before.describe()["mpegts"]
        assert isinstance(demuxed, dict)
        assert demuxed["packets"] == 140

    def test_one_of_whom_nothing_comes_is_ended(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("streamer.ingest.srt.SILENT_S", 0.0)
        silent = rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)
        cam = rig.registry.find("cam")
        before = cam.publisher
        rig.call(publish_id())
        wait_until(lambda: cam.publisher not in (None, before))
        with pytest.raises(LinkError):
            while True:
                silent.receive()

    def test_one_whose_media_is_not_due_yet_is_not_silent(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamer.ingest.srt.SILENT_S", 0.0)
        first = rig.call(publish_id(), latency_ms=20_000)
        rig.wait_state("cam", State.LIVE)
        publisher = rig.registry.find("cam").publisher
        assert publisher is not None
        first.send(NULL_PACKET)
        wait_until(lambda: link_of(publisher)["packets_received"] == 1)
        assert rig.refused(publish_id()).reject_code == RejectReason.CONFLICT
        assert rig.registry.find("cam").publisher is publisher

    def test_of_two_who_wait_for_the_same_place_one_gets_it(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = rig.call(publish_id(), latency_ms=1000)
        rig.wait_state("cam", State.LIVE)
        cam = rig.registry.find("cam")
        before = cam.publisher
        first.send(NULL_PACKET)
        wait_until(lambda: link_of(before)["packets_received"] == 1)
        first.close()
        for _ in range(2):
            rig.call(publish_id(), latency_ms=1000)
        wait_until(lambda: cam.publisher not in (None, before))
        after = cam.publisher
        wait_until(lambda: "is being published by" in caplog.text)
        assert cam.publisher is after

    def test_another_machine_gives_way_at_once(self, rig: Rig) -> None:
        cam = rig.registry.find("cam")
        stopped: list[str] = []

        def stop() -> None:
            stopped.append("edge")
            threading.Thread(target=edge.close, args=("an encoder came",)).start()

        edge = cam.publish(Publisher("edge", "srt", "machine two", stop=stop, is_edge=True))
        assert cam.own_publisher is None
        rig.call(publish_id())
        wait_until(lambda: cam.own_publisher is not None)
        assert stopped == ["edge"]

    def test_so_does_one_that_is_fetched_from_in_that_moment(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cam = rig.registry.find("cam")
        publish, edges = cam.publish, list[Publication]()

        def stop() -> None:
            threading.Thread(target=edges[0].close, args=("an encoder came",)).start()

        def just_before(publisher: Publisher) -> Publication:
            monkeypatch.setattr(cam, "publish", publish)
            edges.append(publish(Publisher("edge", "srt", "machine two", stop=stop, is_edge=True)))
            return publish(publisher)

        monkeypatch.setattr(cam, "publish", just_before)
        rig.call(publish_id())
        wait_until(lambda: cam.own_publisher is not None)


class TestToken:
    @pytest.mark.parametrize("form", ["#!::r={},m=publish,s={}", "publish:{}:{}"])
    @pytest.mark.parametrize("name", ["open", "keyless"])
    def test_one_to_publish_lets_in(self, rig: Rig, form: str, name: str) -> None:
        rig.call(form.format(name, rig.doorkeeper.token(Action.PUBLISH, name)), None)
        rig.wait_state(name, State.LIVE)

    def test_one_for_something_else_does_not_suffice(self, rig: Rig) -> None:
        for action, stream in ((Action.WATCH, "open"), (Action.PUBLISH, "cam")):
            token = rig.doorkeeper.token(action, stream)
            assert rig.refused(publish_id("open", token), None).reject_code == RejectReason.FORBIDDEN

    def test_one_that_was_changed_does_not_count(self, rig: Rig) -> None:
        head, body, signature = rig.doorkeeper.token(Action.PUBLISH, "open").split(".")
        changed = f"{head}.{body}.{signature[::-1]}"
        assert rig.refused(publish_id("open", changed), None).reject_code == RejectReason.UNAUTHORIZED

    def test_its_end_ends_the_connection(self, rig: Rig) -> None:
        caller = rig.call(publish_id("open", rig.doorkeeper.token(Action.PUBLISH, "open", 1.5)), None)
        rig.wait_state("open", State.LIVE)
        rig.wait_state("open", State.AWAY)
        assert rig.registry.find("open").ingest.reason == "its time is over"
        with pytest.raises(LinkError):
            while True:
                caller.receive()


class TestLife:
    def test_one_that_leaves_is_waited_for(self, rig: Rig) -> None:
        rig.call(publish_id()).close()
        rig.wait_state("cam", State.AWAY)
        assert "ended" in rig.registry.find("cam").ingest.reason
        rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)

    def test_rubbish_is_not_the_servers_end(self, rig: Rig) -> None:
        connection = rig.call(publish_id())
        for size in (188, 1316, 1, 700):
            connection.send((b"\x47" + bytes(range(256)) * 6)[:size])
        rig.wait_state("cam", State.LIVE)
        other = rig.call(publish_id("open"), None)
        rig.wait_state("open", State.LIVE)
        other.close()
        rig.wait_state("open", State.AWAY)

    def test_a_removed_stream_ends_its_publisher(self, rig: Rig) -> None:
        caller = rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)
        rig.registry.apply({})
        with pytest.raises(LinkError):
            while True:
                caller.receive()
        assert rig.refused(publish_id()).reject_code == RejectReason.NOT_FOUND

    def test_a_rotated_key_ends_the_publisher_and_the_new_one_opens(self, rig: Rig) -> None:
        rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)
        before = rig.registry.find("cam")
        rotated = {"publish_key": "another-key", "passphrase": PASSPHRASE}
        rig.registry.apply(configuration(cam=rotated).streams)
        wait_until(lambda: before.publisher is None)
        assert rig.refused(publish_id()).reject_code == RejectReason.UNAUTHORIZED
        rig.call(publish_id(key="another-key"))
        rig.wait_state("cam", State.LIVE)

    def test_a_stream_taken_between_handshake_and_publishing(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        cam = rig.registry.find("cam")
        # The publisher is asked after in the handshake; this one comes right after that.
        taken = Publisher("other", "rtsp", "192.0.2.3")
        admit = rig.listener._admit
        rig.listener._admit = lambda *asked: (admit(*asked), cam.publish(taken))[0]
        with pytest.raises(LinkError):  # so soon that the caller may see it as a call that failed
            connection = rig.call(publish_id())
            while True:
                connection.receive()
        wait_until(lambda: "is being published by 192.0.2.3" in caplog.text)
        assert cam.publisher is taken

    def test_closing_ends_every_publisher(self, rig: Rig) -> None:
        rig.call(publish_id())
        rig.call(publish_id("open"), None)
        for name in ("cam", "open"):
            rig.wait_state(name, State.LIVE)
        rig.listener.close()
        rig.ingest.close()
        assert rig.registry.find("cam").publisher is None
        assert rig.registry.find("open").publisher is None

    def test_a_publisher_for_whom_there_is_no_thread_left_ends_alone(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        start = threading.Thread.start

        def exhausted(thread: threading.Thread) -> None:
            if thread.name.startswith("srt ") and not thread.name.startswith("srt-"):
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", exhausted)
            # Cut off, perhaps before it has seen that it was let in.
            with pytest.raises(LinkError):
                connection = rig.call(publish_id())
                while True:
                    connection.receive()
        wait_until(lambda: "no thread for it" in caplog.text)
        rig.call(publish_id())
        rig.wait_state("cam", State.LIVE)
        rig.ingest.close()
        assert rig.registry.find("cam").publisher is None
