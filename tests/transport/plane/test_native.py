import socket
from collections.abc import Callable

from tests.transport.plane.contract import PlaneContract
from transport.plane.interface import Plane, PlaneOptions
from transport.plane.native import NativePlane


class TestNativePlane(PlaneContract):
    @staticmethod
    def open_plane(
        udp: list[socket.socket],
        tcp: list[socket.socket],
        options: PlaneOptions,
        *,
        clock: Callable[[], float],
    ) -> Plane:
        return NativePlane(udp, tcp, options, clock)
