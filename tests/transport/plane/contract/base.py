"""What the parts of the contract have in common: a plane on a bench."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.transport.plane.bench import Bench
from transport.plane.interface import Plane, PlaneOptions


class Contract:
    """Inherit and implement `open_plane`."""

    @staticmethod
    def open_plane(
        udp: list[socket.socket],
        tcp: list[socket.socket],
        options: PlaneOptions,
        *,
        clock: Callable[[], float],
    ) -> Plane:
        raise NotImplementedError

    @pytest.fixture
    def stack(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            yield stack

    @pytest.fixture
    def bench(self, stack: ExitStack) -> Bench:
        return Bench(self.open_plane, PlaneOptions(), stack)
