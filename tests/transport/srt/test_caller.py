from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.transport.srt.rig import PASSPHRASE, WAIT_S, Refusing, Rig
from transport.errors import LinkError, StateError
from transport.srt import ConnectError, SrtConnection, SrtOptions, SrtTarget, connect, parse_srt_url
from transport.srt.abi import State
from transport.srt.libsrt import Libsrt


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A UDP port where nobody answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


def test_connects_by_url(rig: Rig) -> None:
    url = (
        f"srt://127.0.0.1:{rig.port}?streamid=#!::r=cam,m=publish&passphrase={PASSPHRASE.replace(' ', '%20')}"
    )
    caller = connect(parse_srt_url(url))
    accepted = rig.accepted.get(timeout=WAIT_S)
    caller.send(b"hello")
    assert accepted.receive() == b"hello"
    accepted.send(b"and back")
    assert caller.receive() == b"and back"
    caller.close()


def test_what_libsrt_says_between_connecting_and_connected_is_no_hang_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Libsrt.state
    between: list[int] = []

    def late(library: Libsrt, socket: int) -> int:
        if (true := state(library, socket)) != State.CONNECTED or between:
            return true
        between.append(true)
        return State.BROKEN

    monkeypatch.setattr(Libsrt, "state", late)
    caller, accepted = rig.pair()
    assert between == [State.CONNECTED]
    caller.send(b"hello")
    assert accepted.receive() == b"hello"


def test_silence_is_a_timeout(silent_port: int) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(SrtTarget("caller", "127.0.0.1", silent_port), SrtOptions(connect_timeout_ms=100))
    assert (caught.value.reason, caught.value.reject_code) == ("timeout", 16)


def test_waiting_can_be_cancelled(silent_port: int) -> None:
    cancelled = threading.Event()
    options = SrtOptions(connect_timeout_ms=60_000)
    errors: list[ConnectError] = []

    def call() -> None:
        try:
            connect(SrtTarget("caller", "127.0.0.1", silent_port), options, cancelled=cancelled)
        except ConnectError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    cancelled.set()
    thread.join(WAIT_S)
    assert [error.reason for error in errors] == ["ended"]


def test_a_name_without_address_is_unreachable() -> None:
    with pytest.raises(LinkError) as caught:
        connect(SrtTarget("caller", "a..b", 9000))
    assert caught.value.reason == "unreachable"


def test_a_listener_target_is_our_own_fault() -> None:
    with pytest.raises(StateError):
        connect(SrtTarget("listener", "", 9000))


def test_a_key_shorter_than_we_demand_is_refused() -> None:
    rig = Rig(SrtOptions(pbkeylen=16))
    try:
        error = rig.rejected("publish:cam", SrtOptions(passphrase=PASSPHRASE, pbkeylen=32))
        assert error.reason == "unauthorized"
        assert "encrypts with AES-128, we demand AES-256" in str(error)
    finally:
        rig.close()


def test_a_foreign_stream_id_is_sent_as_it_stands(rig: Rig) -> None:
    # Not one of our forms: our own listener refuses it, which shows that it got there.
    error = rig.rejected("uplive.example.org/live/stream?x=:1")
    assert error.reject_code == 1400


def test_a_listener_that_does_not_say_why_it_refuses() -> None:
    listener = Refusing(2)
    try:
        with pytest.raises(ConnectError, match="the listener does not say why it refuses") as caught:
            connect(SrtTarget("caller", "127.0.0.1", listener.port, "read:cam", options=SrtOptions()))
        assert (caught.value.reason, caught.value.reject_code) == ("refused", 2)
    finally:
        listener.close()


def _free_ports() -> tuple[int, int]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second,
    ):
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def test_two_peers_meet_in_a_rendezvous() -> None:
    ports = _free_ports()
    options = SrtOptions(passphrase=PASSPHRASE, connect_timeout_ms=10_000)
    met: dict[int, SrtConnection] = {}

    def meet(local: int, remote: int) -> None:
        met[local] = connect(SrtTarget("rendezvous", "127.0.0.1", remote, "", local, options))

    threads = [threading.Thread(target=meet, args=pair) for pair in (ports, ports[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    left, right = met[ports[0]], met[ports[1]]
    left.send(b"hello")
    assert right.receive() == b"hello"
    assert right.statistics().cipher == "AES-256"
    left.close()
    right.close()


def test_a_rendezvous_with_nobody_takes_no_longer_than_told(silent_port: int) -> None:
    options = SrtOptions(connect_timeout_ms=100)
    target = SrtTarget("rendezvous", "127.0.0.1", silent_port, "", _free_ports()[0], options)
    began = time.monotonic()
    with pytest.raises(ConnectError) as caught:
        connect(target)
    assert caught.value.reason == "timeout"
    # libsrt by itself would take ten times connect_timeout_ms and a three-second margin.
    assert time.monotonic() - began < WAIT_S
