from __future__ import annotations

import socket

import pytest

from transport.plane.routes import TcpRoute


@pytest.mark.parametrize("is_proved", [False, True])
def test_a_stranger_who_reads_nothing_is_closed_sooner_than_a_viewer(is_proved: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        route = TcpRoute(ours, ("127.0.0.1", 1), 0.0)
        route.is_proved = is_proved
        for _ in range(2000):
            route.send([bytes(1000)])
        assert route.is_open == is_proved
