import socket
from contextlib import ExitStack

import pytest

from transport.errors import LinkError
from transport.plane import bind_sockets


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
