from __future__ import annotations

import socket
from pathlib import Path

import pytest

from loadtests.crowd import filters, kernel

_LAST = b"\x00\x01the last one"


def _may_load_filters() -> bool:
    """CAP_SYS_ADMIN or CAP_BPF, by linux/capability.h."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line]
    return bool(int(line.split()[1], 16) & (1 << 21 | 1 << 39))


@pytest.fixture(params=["classic", "shared"])
def pair(request, monkeypatch):
    if request.param == "classic":
        monkeypatch.setattr(filters, "shared", lambda lines: None)
    elif filters.shared(filters.BY_SIZE) is None:
        assert not _may_load_filters()
        pytest.skip("this process lacks CAP_BPF")
    with (
        socket.socket(type=socket.SOCK_DGRAM) as near,
        socket.socket(type=socket.SOCK_DGRAM) as far,
    ):
        near.bind(("127.0.0.1", 0))
        near.settimeout(10)
        far.connect(near.getsockname())
        yield near, far


def arrived(near: socket.socket) -> list[bytes]:
    """Everything up to the datagram that ends each test; loopback keeps the order."""
    found = []
    while (data := near.recv(2048)) != _LAST:
        found.append(data)
    return found


PASS = [bytes([first, 1, 2, 3]) for first in (0, 1, 3, 20, 22, 63)] + [
    bytes([first, second]) for first in (128, 0x81, 191) for second in (192, 200, 201, 223)
]
DROP = [bytes([first, 200, 2, 3]) for first in (4, 19, 64, 127, 192, 255)] + [
    bytes([first, second]) + bytes(1200)
    for first in (128, 0x90, 191)
    for second in (0, 96, 108, 111, 0x80 | 108, 191, 224, 255)
]


@pytest.mark.parametrize("has_keys", [False, True])
def test_only_stun_dtls_and_rtcp_come_through(pair, has_keys):
    near, far = pair
    kernel.drop_media(near, has_keys=has_keys)
    for datagram in (*DROP, *PASS, *DROP, _LAST):
        far.send(datagram)
    assert arrived(near) == PASS
    assert kernel.dropped(near) == 2 * len(DROP)


def test_a_large_flight_comes_through_until_there_are_keys(pair):
    near, far = pair
    flight = b"\x16\xfe\xfd" + bytes(1100)
    kernel.drop_media(near)
    far.send(flight)
    assert near.recv(2048) == flight
    kernel.drop_media(near, has_keys=True)
    for datagram in (flight, bytes([0x80, 200]) + bytes(797), _LAST):
        far.send(datagram)
    assert arrived(near) == [bytes([0x80, 200]) + bytes(797)]
    assert kernel.dropped(near) == 1


def test_too_short_a_datagram_is_dropped_and_counted(pair):
    near, far = pair
    kernel.drop_media(near)
    for datagram in (b"", b"\x80", _LAST):
        far.send(datagram)
    assert arrived(near) == []
    assert kernel.dropped(near) == 2


def test_without_the_filter_everything_comes(pair):
    near, far = pair
    kernel.widen(near, 1 << 20)
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 1 << 20
    for datagram in (*DROP, _LAST):
        far.send(datagram)
    assert arrived(near) == DROP
    assert kernel.dropped(near) == 0


def test_segments_of_one_large_send_are_counted_one_by_one(pair):
    near, far = pair
    kernel.drop_media(near)
    far.setsockopt(17, 103, 100)  # SOL_UDP, UDP_SEGMENT
    far.send((b"\x80\x6c" + bytes(98)) * 9)
    far.setsockopt(17, 103, 0)
    far.send(_LAST)
    assert arrived(near) == []
    assert kernel.dropped(near) == 9


def test_a_run_is_taken_together_and_can_be_told_apart(pair):
    near, far = pair
    kernel.receive_runs(near)
    sent = [bytes([0x80, 0x6C]) + bytes([number]) * 98 for number in range(9)] + [b"\x80\x6cshort"]
    far.setsockopt(17, 103, 100)  # SOL_UDP, UDP_SEGMENT
    far.send(b"".join(sent))
    far.setsockopt(17, 103, 0)
    far.send(_LAST)
    room = memoryview(bytearray(1 << 16))
    assert kernel.take_run(near, room) == (907, 100)
    assert bytes(room[:907]) == b"".join(sent)
    assert kernel.take_run(near, room) == (len(_LAST), len(_LAST))
