"""A real cable between two network namespaces; needs root."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from loadtests.peers.impairment import Impairment
from loadtests.peers.link import Traffic, has_netem, link, redirection, tc_counts
from loadtests.peers.namespace import ip, namespace, run
from loadtests.rig.process import Process, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

_RUN_OF_NINE = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
for _ in range(40):
    sender.sendto(bytes(9000), (sys.argv[1], 9))
"""
_CONNECT = """
import socket, sys, time
begin = time.monotonic()
for _ in range(3):
    try:
        socket.create_connection((sys.argv[1], 9), timeout=10)
    except ConnectionRefusedError:
        pass
print((time.monotonic() - begin) / 3)
"""

# What passes a device, by length: Ethernet, IP and UDP take 42 bytes.
_LENGTHS = """
import socket, sys
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
capture.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
capture.bind((sys.argv[1], 0))
print("ready", flush=True)
while True:
    print(len(capture.recv(65536)), flush=True)
"""


def test_shares_of_what_was_lost_between_two_moments():
    earlier, later = Traffic((100, 50), (10, 0)), Traffic((190, 50), (20, 0))
    assert later.loss_since(earlier) == (pytest.approx(0.1), 0.0)


def test_what_tc_counts():
    text = '[{"kind":"ingress","packets":1,"drops":0},{"kind":"netem","root":true,"packets":190,"drops":10}]'
    assert tc_counts(text) == (190, 10)


@needs_root
def test_a_perfect_cable_at_first_and_then_a_slow_one():
    with namespace() as server, link(server, "tun") as cable:

        def round_trip_s() -> float:
            return float(run(*cable.space.command([sys.executable, "-c", _CONNECT, cable.space.near])))

        before = cable.traffic()
        assert round_trip_s() < 0.1
        cable.impair(Impairment(rtt_ms=200), 1)
        assert 0.2 <= round_trip_s() < 0.4
        after = cable.traffic()
        assert after.lost == (0, 0)
        assert all(now - then >= 6 for now, then in zip(after.carried, before.carried, strict=True))


@needs_root
def test_packets_of_a_run_are_lost_one_by_one():
    with namespace() as server, link(server, "tun") as cable:
        cable.impair(Impairment(0.1), 1)
        run(*server.command([sys.executable, "-c", _RUN_OF_NINE, cable.space.far]))
        wait_until(lambda: sum(t[0] for t in _counts(cable.traffic())) >= 360, 10, "all packets")
        carried, lost = (count[0] for count in _counts(cable.traffic()))
        assert carried + lost == 360
        assert 18 <= lost <= 60 and lost % 9


def _counts(traffic: Traffic) -> tuple[tuple[int, int], tuple[int, int]]:
    return traffic.carried, traffic.lost


@needs_root
def test_nothing_is_left_of_it():
    with namespace() as server, link(server, "tun") as cable:
        names = server.name, cable.space.name
    listed = run("ip", "netns", "list") + run("ip", "-br", "link")
    assert not [name for name in (*names, *server.devices, *cable.space.devices) if name in listed.split()]


@needs_root
def test_what_arrives_goes_through_another_device_first_one_by_one():
    """Netem's cable but for netem, which not every kernel has: another queue stands for it."""
    with namespace() as server, namespace(server) as space:
        ip("-n", server.name, "link", "set", space.devices[0], "gso_max_segs", "1")
        ip("-n", space.name, "link", "add", "ifb-in", "type", "ifb")
        ip("-n", space.name, "link", "set", "ifb-in", "up")
        for command in redirection(space.devices[1], "ifb-in"):
            run("tc", "-n", space.name, *command)
        run("tc", "-n", space.name, "qdisc", "add", "dev", "ifb-in", "root", "pfifo", "limit", "1000")
        with Process(space.command([sys.executable, "-c", _LENGTHS, "ifb-in"])) as capture:
            wait_until(lambda: "ready" in capture.output, 10, "the capture")
            run(*server.command([sys.executable, "-c", _RUN_OF_NINE, space.far]))
            wait_until(lambda: capture.output.count("1042") == 360, 10, "all packets, each on its own")


@needs_root
def test_netem_where_the_kernel_has_it():
    with namespace() as server:
        if not has_netem():
            with pytest.raises(RuntimeError, match="netem"), link(server, "netem"):
                pass
            return
        with link(server, "netem") as cable:
            cable.impair(Impairment(0.5, rtt_ms=20), 0)
            subprocess.run(server.command([sys.executable, "-c", _RUN_OF_NINE, cable.space.far]), check=True)
            wait_until(lambda: cable.traffic().lost[0] > 0, 10, "losses")
