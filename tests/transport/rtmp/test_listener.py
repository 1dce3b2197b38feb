from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.fakes.wait import until, wait_until
from tests.transport.media.sources import picture_units
from tests.transport.rtmp.ingest import Authority
from tests.transport.rtmp.test_session import RANDOM, TARGET
from transport.errors import LinkError
from transport.media import Codec
from transport.output import Push, PushOptions
from transport.push import push_to
from transport.rtmp.listener import RtmpConnection, RtmpListener
from transport.rtmp.server import Metadata, Publishing, Tag
from transport.rtmp.session import ClientSession
from transport.rtmp.session import State as SessionState
from transport.rtmp.wire import MessageType


class Host:
    """Takes everybody, or refuses."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.refuses = ""
        self.asked: queue.Queue[Publishing] = queue.Queue()
        self.connections: list[RtmpConnection] = []
        self.media: list[Tag | Metadata] = []
        self.ends: queue.Queue[LinkError] = queue.Queue()
        self.listener = RtmpListener(("127.0.0.1", 0), self._serve, tls)

    def url(self, scheme: str = "rtmp", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.listener.address[1]}/live"

    def _serve(self, connection: RtmpConnection) -> None:
        self.connections.append(connection)
        try:
            self.asked.put(connection.ask())
            if self.refuses:
                connection.reject(self.refuses, "NetStream.Publish.Denied")
                return
            connection.accept()
            for each in connection.media():
                self.media.append(each)
        except LinkError as error:
            self.ends.put(error)


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(tls: ssl.SSLContext | None = None) -> Host:
        made.append(Host(tls))
        return made[-1]

    yield make
    for host in made:
        await asyncio.to_thread(host.listener.close)


async def pushed(url: str, ca_file: str = "") -> Push:
    push = push_to(url, "cam?key=secret", PushOptions(ca_file=ca_file))
    units = picture_units(Codec.H264, 10)
    push.announce((units[0].track,))
    await push.connect()
    for unit in units:
        push.write(unit)
    return push


async def test_media_comes_and_the_goodbye(make: Callable[..., Host]) -> None:
    host = make()
    push = await pushed(host.url())
    await until(lambda: len(host.media) == 12)  # the description, the configuration, ten pictures
    assert isinstance(host.media[0], Metadata)
    assert host.asked.get_nowait() == Publishing("live", "cam?key=secret")
    (connection,) = host.connections
    assert (connection.is_live, connection.encryption, connection.key_bits) == (True, "none", 0)
    assert connection.bytes_received > 1000
    await push.close()
    end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert (end.reason, str(end)) == ("ended", "the publisher left")


async def test_one_port_takes_both(make: Callable[..., Host], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    host = make(authority.context("localhost"))
    secure = await pushed(host.url("rtmps", "localhost"), str(authority.file))
    plain = await pushed(host.url())
    await until(lambda: len(host.media) == 24)
    first, second = host.connections
    assert first.encryption.startswith("TLSv1.")
    assert first.key_bits in (128, 256)
    assert second.encryption == "none"
    await secure.close()
    await plain.close()


async def test_the_end_of_tls_is_said(make: Callable[..., Host], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    host = make(authority.context("localhost"))
    client = ssl.create_default_context(cafile=str(authority.file))

    def talk() -> bytes:
        with (
            socket.create_connection(host.listener.address, 10) as plain,
            # Raises where the connection ends without it.
            client.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secure,
        ):
            secure.sendall(b"GET / HTTP/1.1")
            return secure.recv(1)

    assert await asyncio.to_thread(talk) == b""


@pytest.mark.parametrize("secure", [False, True])
async def test_the_goodbye_counts_of_who_is_gone_already(tmp_path: Path, secure: bool) -> None:
    authority = Authority(tmp_path)
    ended: queue.Queue[LinkError] = queue.Queue()
    has_begun, is_gone = threading.Event(), threading.Event()

    def serve(connection: RtmpConnection) -> None:
        connection.ask()
        connection.accept()
        try:
            for _ in connection.media():
                has_begun.set()
                is_gone.wait()
        except LinkError as error:
            ended.put(error)

    def publish_and_leave(port: int) -> None:
        client = ClientSession(TARGET, RANDOM, 0.0)
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            context = ssl.create_default_context(cafile=str(authority.file))
            sock = context.wrap_socket(sock, server_hostname="localhost")
        with sock:
            sock.sendall(client.take_output())
            while client.state is not SessionState.LIVE:
                client.receive(sock.recv(1 << 16), 0.0)
                sock.sendall(client.take_output())
            head, body = client.media(MessageType.AUDIO, 0, b"\xaf\x00\x11\x90")
            sock.sendall(head + body)
            has_begun.wait(10)
            client.finish()
            sock.sendall(client.take_output())
            # Closing resets the connection.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        is_gone.set()

    listener = RtmpListener(("127.0.0.1", 0), serve, authority.context("localhost") if secure else None)
    await asyncio.to_thread(publish_and_leave, listener.address[1])
    end = await asyncio.to_thread(ended.get, timeout=10)
    assert str(end) == "the publisher left"
    await asyncio.to_thread(listener.close)


async def test_without_a_certificate_rtmps_is_told_of(make: Callable[..., Host]) -> None:
    host = make()
    with pytest.raises(LinkError):
        await pushed(host.url("rtmps", "localhost"))
    end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert (end.reason, str(end)) == ("unsupported", "it speaks RTMPS, and this server has no certificate")


async def test_who_is_refused_hears_why(make: Callable[..., Host]) -> None:
    host = make()
    host.refuses = "wrong key"
    with pytest.raises(LinkError, match="wrong key"):
        await pushed(host.url())


async def test_closing_ends_it_at_once(make: Callable[..., Host]) -> None:
    host = make()
    push = await pushed(host.url())
    await until(lambda: bool(host.media))
    host.connections[0].close()
    end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert (end.reason, str(end)) == ("ended", "closed")
    assert (await push.ended()).reason == "ended"
    await push.close()


async def test_closing_ends_a_secure_one_too(make: Callable[..., Host], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    host = make(authority.context("localhost"))
    push = await pushed(host.url("rtmps", "localhost"), str(authority.file))
    await until(lambda: bool(host.media))
    await asyncio.to_thread(host.listener.close)
    assert str(await asyncio.to_thread(host.ends.get, timeout=10)) == "closed"
    await push.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(2000), "unsupported"),
        (b"\x16\x03\x01\x00\x05hello", "ended"),
        (b"", "ended"),
    ],
)
async def test_nonsense_ends_alone(
    make: Callable[..., Host], tmp_path: Path, said: bytes, reason: str
) -> None:
    host = make(Authority(tmp_path).context("localhost"))
    push = await pushed(host.url())
    with socket.create_connection(host.listener.address) as stranger:
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert end.reason == reason
    await until(lambda: len(host.media) == 12)
    await push.close()


async def test_who_says_nothing_is_not_waited_for(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.rtmp.listener._OPENING_S", 0.05)
    host = make()
    with socket.create_connection(host.listener.address):
        end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert end.reason == "timeout"


async def test_a_publisher_that_falls_silent_ends(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.rtmp.listener._SILENCE_S", 0.1)
    host = make()
    push = await pushed(host.url())
    end = await asyncio.to_thread(host.ends.get, timeout=10)
    assert (end.reason, str(end)) == ("timeout", "no media for 0.1 s")
    await push.close()


async def test_strangers_make_room_and_publishers_do_not(
    make: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.listening.MAX_STRANGERS", 3)
    host = make()
    push = await pushed(host.url())
    await until(lambda: len(host.media) == 12)
    strangers = [socket.create_connection(host.listener.address) for _ in range(5)]
    ends = [await asyncio.to_thread(host.ends.get, timeout=10) for _ in range(2)]
    assert [str(end) for end in ends] == ["closed", "closed"]
    assert host.connections[0].is_live
    for stranger in strangers:
        stranger.close()
    await push.close()


def test_strangers_who_are_put_out_and_linger_make_no_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.listening.MAX_STRANGERS", 3)
    may_end = threading.Event()
    came: list[RtmpConnection] = []

    def serve(connection: RtmpConnection) -> None:
        came.append(connection)
        may_end.wait()  # as who is being asked about elsewhere

    listener = RtmpListener(("127.0.0.1", 0), serve)
    strangers = []
    for number in range(9):
        strangers.append(socket.create_connection(listener.address))
        wait_until(lambda number=number: len(came) > number, "the stranger to be let in")
    assert [each.is_closed for each in came] == [True] * 6 + [False] * 3
    may_end.set()
    listener.close()
    for stranger in strangers:
        stranger.close()


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
    ],
)
def test_half_an_ipv6_address_is_one_network(host: str, network: str) -> None:
    class Socket(socket.socket):
        def getpeername(self) -> tuple[str, int, int, int]:
            return host, 4000, 0, 0

    with Socket() as sock:
        assert RtmpConnection(sock, None).network == network


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_address_is_of_both_families(host: str) -> None:
    came: queue.Queue[str] = queue.Queue()
    listener = RtmpListener(("::", 0), lambda connection: came.put(connection.peer_address[0]))
    with socket.create_connection((host, listener.address[1])):
        assert came.get(timeout=10) == host
    listener.close()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(LinkError, match=r"cannot listen on 127\.0\.0\.1 port"):
            RtmpListener(taken.getsockname(), lambda connection: None)


def test_nothing_is_left_of_those_who_were_there() -> None:
    before = threading.active_count()
    listener = RtmpListener(("127.0.0.1", 0), lambda connection: None)
    for _ in range(20):
        socket.create_connection(listener.address).close()
    wait_until(lambda: not listener._threads, "the threads to end")
    listener.close()
    assert threading.active_count() == before
