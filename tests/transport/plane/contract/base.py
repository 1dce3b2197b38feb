"""What the parts of the contract have in common: a plane on a bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import ClassVar

import pytest

from tests.transport.plane.bench import Bench, Clock, Sockets
from transport.plane.interface import Plane, PlaneOptions


class Contract:
    """Inherit and say how one is opened: on its UDP and TCP sockets, with options and a clock."""

    open_plane: ClassVar[Callable[[Sockets, Sockets, PlaneOptions, Clock], Plane]]

    @pytest.fixture
    def stack(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            yield stack

    @pytest.fixture
    def bench(self, stack: ExitStack) -> Bench:
        return Bench(self.open_plane, PlaneOptions(), stack)
