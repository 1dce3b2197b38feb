from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.wait import wait_until
from tests.transport.rtmp.ingest import Authority
from tests.transport.rtsp.caller import RtspCaller
from transport.errors import LinkError
from transport.rtsp.batch import Batch, Portion
from transport.rtsp.listener import RtspConnection, RtspListener
from transport.rtsp.server import Asking, Starting, State

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
URI = "rtsp://h/cam"


class Host:
    """Lets everybody read, and sends what a test gives it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections: list[RtspConnection] = []
        self.ends: queue.Queue[LinkError] = queue.Queue()
        self.to_send: queue.Queue[bytes] = queue.Queue()
        self.is_behind = False
        self.listener = RtspListener(("127.0.0.1", 0), self._serve, tls, udp=False)

    def _serve(self, connection: RtspConnection) -> None:
        self.connections.append(connection)
        try:
            connection.greet()
            connection.ask()
            connection.admit()
            connection.session.describe(b"v=0\r\n", [1])
            while True:
                for event in connection.events(5):
                    if isinstance(event, Starting):
                        connection.start()
                    elif isinstance(event, Asking):
                        connection.session.reject(404, "once is enough")
                while not (self.is_behind or self.to_send.empty()):
                    self.is_behind = connection.send(Batch(0, Portion(0, 0.0, [self.to_send.get()]))) > 0
        except LinkError as error:
            self.ends.put(error)
        finally:
            connection.finish()

    def playing(self, tls: ssl.SSLContext | None = None) -> RtspCaller:
        caller = RtspCaller(self.listener.address, tls)
        assert caller.ask("DESCRIBE", URI)[0] == 200
        assert caller.ask("SETUP", f"{URI}/trackID=0", Transport=TCP)[0] == 200
        assert caller.ask("PLAY", URI)[0] == 200
        return caller


@pytest.fixture
def make() -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(tls: ssl.SSLContext | None = None) -> Host:
        made.append(Host(tls))
        return made[-1]

    yield make
    for host in made:
        host.listener.close()


def test_packets_go_out_when_it_is_woken(make: Callable[..., Host]) -> None:
    host = make()
    with host.playing() as caller:
        (connection,) = host.connections
        assert (connection.is_live, connection.encryption, connection.key_bits) == (True, "none", 0)
        for packet in (b"one", b"two"):
            host.to_send.put(packet)
        connection.wake()
        assert caller.receive(2) == [(0, b"one"), (0, b"two")]
        assert caller.ask("OPTIONS", "*")[0] == 200
        assert caller.ask("TEARDOWN", URI)[0] == 200
        assert caller.ask("PAUSE", URI)[0] == 454
        caller.sock.shutdown(socket.SHUT_WR)
        assert caller.ends()
    assert str(host.ends.get(timeout=10)) == "the client left"


def test_one_port_takes_both(make: Callable[..., Host], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    host = make(authority.context("localhost"))
    context = ssl.create_default_context(cafile=str(authority.file))
    packets = [bytes([number]) * 1400 for number in range(200)]
    with host.playing(context) as secure, host.playing() as plain:
        first, second = host.connections
        assert first.encryption.startswith("TLSv1.")
        assert first.key_bits in (128, 256)
        assert second.encryption == "none"
        for caller, connection in ((secure, first), (plain, second)):
            for packet in packets:
                host.to_send.put(packet)
            connection.wake()
            assert [packet for _, packet in caller.receive(200)] == packets
            assert caller.ask("GET_PARAMETER", URI)[0] == 200


def test_what_is_not_taken_fills_no_memory(make: Callable[..., Host]) -> None:
    host = make()
    with host.playing():
        (connection,) = host.connections
        packet = bytes(64_000)
        for _ in range(2000):
            host.to_send.put(packet)
        connection.wake()
        wait_until(lambda: host.is_behind, "the network to take no more")
        assert host.to_send.qsize() > 0
        assert connection._shared._waiting_bytes <= 64_004  # what has begun
        connection.close()
        assert str(host.ends.get(timeout=10)) == "closed"


def test_without_a_certificate_rtsps_is_told_of(make: Callable[..., Host]) -> None:
    host = make()
    with pytest.raises((ssl.SSLError, OSError)):
        RtspCaller(host.listener.address, ssl.create_default_context())
    end = host.ends.get(timeout=10)
    assert (end.reason, str(end)) == ("unsupported", "it speaks RTSPS, and this server has no certificate")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ended"),
        (b"\xff" * 100_000, "unsupported"),
        (b"DESCRIBE rtsp://h/cam RTSP/1.0\r\n" + b"x" * 100_000, "unsupported"),
        (b"ANNOUNCE * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999\r\n\r\n", "unsupported"),
        (b"$\x00\xff\xff", "ended"),
        (b"\x16\x03\x01\x00\x05hello", "ended"),
        (b"", "ended"),
    ],
)
def test_nonsense_ends_alone(make: Callable[..., Host], tmp_path: Path, said: bytes, reason: str) -> None:
    host = make(Authority(tmp_path).context("localhost"))
    with host.playing() as caller:
        with socket.create_connection(host.listener.address) as stranger:
            with contextlib.suppress(OSError):  # it may have been hung up on already
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
            end = host.ends.get(timeout=10)
            if reason == "unsupported":
                assert stranger.recv(100).startswith(b"RTSP/1.0 400 rtsp: ")
        assert end.reason == reason
        assert caller.ask("OPTIONS", "*")[0] == 200


def test_who_closes_one_half_has_left(make: Callable[..., Host]) -> None:
    host = make()
    with host.playing() as caller:
        caller.sock.shutdown(socket.SHUT_WR)
        assert str(host.ends.get(timeout=10)) == "the client left"


def test_requests_without_end_are_not_kept(make: Callable[..., Host]) -> None:
    """Who is being asked about elsewhere has not more to say than fits."""
    may_go_on = threading.Event()
    came: list[RtspConnection] = []

    def serve(connection: RtspConnection) -> None:
        came.append(connection)
        connection.greet()
        connection.ask()
        try:
            while not may_go_on.is_set():
                connection.exchange(0.01)
        except LinkError:
            return

    listener = RtspListener(("127.0.0.1", 0), serve, udp=False)
    with socket.create_connection(listener.address) as caller:
        caller.sendall(b"DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        caller.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                caller.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1000)
        assert came[0].session.is_full
    may_go_on.set()
    listener.close()


@pytest.mark.parametrize("said", [b"", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"])
def test_who_does_not_begin_is_not_waited_for(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr("transport.rtsp.listener._OPENING_S", 0.3)
    host = make()
    with socket.create_connection(host.listener.address) as caller:
        caller.sendall(said)
        assert host.ends.get(timeout=10).reason == "timeout"


def test_who_is_let_in_and_does_not_begin(make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.rtsp.listener._SETTING_UP_S", 0.1)
    host = make()
    with RtspCaller(host.listener.address) as caller:
        caller.ask("DESCRIBE", URI)
        assert str(host.ends.get(timeout=10)) == "it did not begin in time"


def test_who_plays_and_is_not_heard_of(make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> None:
    host = make()
    with host.playing():
        monkeypatch.setattr("transport.rtsp.listener.SESSION_TIMEOUT_S", 0)
        host.connections[0].wake()
        assert host.ends.get(timeout=10).reason == "timeout"
        assert host.connections[0].session.state is State.PLAYING


def test_strangers_make_room_and_players_do_not(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.listening.MAX_STRANGERS", 3)
    host = make()
    with host.playing():
        strangers = [socket.create_connection(host.listener.address) for _ in range(5)]
        assert [str(host.ends.get(timeout=10)) for _ in range(2)] == ["closed", "closed"]
        assert host.connections[0].is_live
        for stranger in strangers:
            stranger.close()


def test_nothing_is_left_of_those_who_were_there() -> None:
    before = threading.active_count()
    host = Host()
    for _ in range(10):
        host.playing().sock.close()
    wait_until(lambda: not host.listener._threads, "the threads to end")
    host.listener.close()
    assert threading.active_count() == before
