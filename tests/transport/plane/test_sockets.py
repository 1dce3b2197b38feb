import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from transport.errors import LinkError
from transport.plane import PlaneOptions, bind_sockets, open_plane
from transport.plane.interface import Plane
from transport.plane.reference import ReferencePlane


def opened(stack: ExitStack, host: str, port: int) -> tuple[socket.socket, socket.socket]:
    (udp,), (tcp,) = bind_sockets(host, port)
    stack.enter_context(udp)
    stack.enter_context(tcp)
    return udp, tcp


def test_both_protocols_get_the_same_port() -> None:
    with ExitStack() as stack:
        udp, tcp = opened(stack, "127.0.0.1", 0)
        assert udp.getsockname() == tcp.getsockname()
        assert not udp.getblocking() and not tcp.getblocking()


def test_no_address_means_both_families() -> None:
    with ExitStack() as stack:
        udp, _ = opened(stack, "", 0)
        port = udp.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", ("127.0.0.1", port))
        udp.setblocking(True)
        udp.settimeout(10)
        assert udp.recv(100) == b"hello"


@pytest.mark.parametrize(("kind", "name"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
def test_a_port_in_use_is_named(kind: socket.SocketKind, name: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LinkError, match=f"{name} port {port} on 127.0.0.1 is in use"):
            bind_sockets("127.0.0.1", port)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(LinkError, match="does not have that address"):
        bind_sockets("192.0.2.1", 0)


def test_a_host_name_is_refused() -> None:
    with pytest.raises(LinkError, match="not an IP address"):
        bind_sockets("localhost", 0)


class TestSeveralAddresses:
    """127.0.0.2 stands for another address of this machine: it is answered, and never preferred."""

    OWN = ("127.0.0.1", "127.0.0.2", "::1")

    def test_each_has_a_socket_beside_that_of_all(self) -> None:
        with ExitStack() as stack:
            udp, tcp = bind_sockets("0.0.0.0", 0, self.OWN)
            for sock in (*udp, *tcp):
                stack.enter_context(sock)
            port = tcp[0].getsockname()[1]
            assert [sock.getsockname() for sock in udp] == [
                ("0.0.0.0", port),
                ("127.0.0.1", port),
                ("127.0.0.2", port),
            ]
            # Nobody else can have the port, whatever he says.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                for host in ("0.0.0.0", "127.0.0.2", "127.0.0.3"):
                    with pytest.raises(OSError, match="in use"):
                        other.bind((host, port))

    @pytest.mark.parametrize(("host", "own"), [("127.0.0.1", OWN), ("0.0.0.0", ("127.0.0.1", "::1"))])
    def test_one_is_enough_where_there_is_one(self, host: str, own: tuple[str, ...]) -> None:
        with ExitStack() as stack:
            udp, tcp = bind_sockets(host, 0, own)
            for sock in (*udp, *tcp):
                stack.enter_context(sock)
            assert len(udp) == 1

    def test_one_that_is_gone_is_left_to_the_socket_of_all(self) -> None:
        with ExitStack() as stack:
            udp, tcp = bind_sockets("0.0.0.0", 0, (*self.OWN, "192.0.2.1"))
            for sock in (*udp, *tcp):
                stack.enter_context(sock)
            assert len(udp) == 3

    @pytest.mark.parametrize("make", [open_plane, ReferencePlane])
    def test_answers_come_from_where_was_asked(self, make: Callable[..., Plane]) -> None:
        many = [f"127.0.0.{number}" for number in range(1, 30)]
        udp, tcp = bind_sockets("0.0.0.0", 0, many)
        assert len(udp) == 16
        port = udp[0].getsockname()[1]
        plane = make(udp, tcp, PlaneOptions())
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as viewer:
                viewer.bind(("127.0.0.1", 0))
                viewer.settimeout(10)
                for host in ("127.0.0.1", "127.0.0.2", "127.0.0.15"):
                    # A check without credentials is answered with an error, which is an answer.
                    viewer.sendto(bytes.fromhex("000100002112a442") + bytes(12), (host, port))
                    data, source = viewer.recvfrom(1000)
                    assert data[:2] == b"\x01\x11"
                    assert source == (host, port)
        finally:
            plane.close()
