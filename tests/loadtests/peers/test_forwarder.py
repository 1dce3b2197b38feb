"""The cable without its devices: seqpackets stand for packets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from loadtests.peers.forwarder import Direction, set_impairment
from loadtests.peers.impairment import Impairment


class Cable:
    def __init__(self, stack: ExitStack) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        for end in (end for pair in pairs for end in pair):
            end.setblocking(False)
            stack.enter_context(end)
        (self.near, source), (sink, self.far) = pairs
        self.direction = Direction(source.fileno(), sink.fileno())

    def arrived(self) -> list[bytes]:
        packets = []
        while True:
            try:
                packets.append(self.far.recv(2048))
            except BlockingIOError:
                return packets


@pytest.fixture
def cable() -> Iterator[Cable]:
    with ExitStack() as stack:
        yield Cable(stack)


def packet(number: int) -> bytes:
    return b"\x45" + number.to_bytes(2, "big")


def test_packets_take_half_a_round_trip_and_stay_in_order(cable: Cable):
    cable.direction.impair(Impairment(rtt_ms=60), 0)
    for number in range(3):
        cable.near.send(packet(number))
        cable.direction.take(number / 100)
    assert cable.direction.due == pytest.approx(0.030)
    cable.direction.give(0.0299)
    assert cable.arrived() == []
    cable.direction.give(0.0401)
    assert cable.arrived() == [packet(0), packet(1)]
    cable.direction.give(1.0)
    assert cable.arrived() == [packet(2)] and cable.direction.due is None
    assert (cable.direction.carried, cable.direction.lost) == (3, 0)


def test_what_is_lost_is_counted(cable: Cable):
    cable.direction.impair(Impairment(0.5), 1)
    for number in range(1000):
        cable.near.send(packet(number))
        cable.direction.take(0.0)
        cable.direction.give(0.0)
        cable.arrived()
    assert cable.direction.carried + cable.direction.lost == 1000
    assert 400 < cable.direction.lost < 600


def test_a_narrow_cable_holds_a_queue(cable: Cable):
    # Three bytes take 30 ms.
    cable.direction.impair(Impairment(rtt_ms=20, kbps=0.8, queue_ms=50), 0)
    for number in range(4):
        cable.near.send(packet(number))
    cable.direction.take(0.0)
    assert (cable.direction.carried, cable.direction.lost) == (2, 2)
    assert cable.direction.due == pytest.approx(0.04)
    cable.direction.give(0.069)
    assert cable.arrived() == [packet(0)]
    cable.direction.give(0.071)
    assert cable.arrived() == [packet(1)]


def test_only_ipv4_is_part_of_the_experiment(cable: Cable):
    cable.near.send(b"\x60neighbour discovery")
    cable.near.send(packet(1))
    cable.direction.take(0.0)
    cable.direction.give(0.0)
    assert cable.arrived() == [packet(1)] and cable.direction.carried == 1


def test_a_line_of_json_impairs_both_directions(cable: Cable):
    directions = cable.direction, Direction(cable.far.fileno(), cable.near.fileno())
    line = json.dumps({"loss": 0.0, "burst": 1.0, "rtt_ms": 100, "seed": 3})
    assert set_impairment(directions, line) == {"carried": [0, 0], "lost": [0, 0]}
    cable.near.send(packet(1))
    directions[0].take(0.0)
    assert directions[0].due == pytest.approx(0.05)
    assert set_impairment(directions, "{}") == {"carried": [1, 0], "lost": [0, 0]}
