from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.transport.srt.rig import Rig, eventually
from transport.errors import LinkError
from transport.srt import SrtConnection, SrtOptions, send_to_all
from transport.srt.abi import Option
from transport.srt.libsrt import Libsrt, load
from transport.srt.outbox import Outbox, PlainOutbox, open_outbox
from transport.srt.outbox_native import NativeOutbox

#: A listener whose connections have room for 32 messages to be sent, and give nothing up.
_NARROW = SrtOptions(receive_buffer_bytes=48_000, flow_control_packets=64, tlpktdrop=False)
_MESSAGES = [bytes([number]) * (1 + number * 7) for number in range(180)]


@pytest.fixture(params=[open_outbox, PlainOutbox])
def outbox(request: pytest.FixtureRequest) -> Outbox:
    make: Callable[[Libsrt], Outbox] = request.param
    return make(load())


@pytest.fixture
def narrow() -> Iterator[Rig]:
    rig = Rig(_NARROW)
    yield rig
    rig.close()


def _socket(connection: SrtConnection) -> int:
    load().set_option(connection._socket, Option.SNDSYN, False)
    return connection._socket


def _take(connection: SrtConnection, count: int) -> list[bytes]:
    taken: list[bytes] = []
    while len(taken) < count:
        taken += connection.receive_many()
    return taken


def test_the_native_one_is_used_where_it_is_there() -> None:
    assert isinstance(open_outbox(load()), NativeOutbox)
    assert open_outbox(load()) is open_outbox(load())


def test_all_get_the_same_whole_and_in_order(rig: Rig, outbox: Outbox) -> None:
    pairs = [rig.pair() for _ in range(3)]
    sockets = [_socket(accepted) for _, accepted in pairs]
    assert outbox.send(sockets, _MESSAGES) == [len(_MESSAGES)] * 3
    for caller, _ in pairs:
        assert _take(caller, len(_MESSAGES)) == _MESSAGES


def test_one_that_is_full_takes_the_first_and_the_others_all(rig: Rig, narrow: Rig, outbox: Outbox) -> None:
    slow, slows = narrow.pair("publish:open", SrtOptions())
    quick, quicks = rig.pair()
    many = _MESSAGES * 3
    first, all_of_them = outbox.send([_socket(slows), _socket(quicks)], many)
    assert first is not None
    assert 0 < first < len(many) == all_of_them
    assert _take(quick, len(many)) == many
    assert _take(slow, first) == many[:first]
    eventually(lambda: outbox.send([slows._socket], [b"room"]) == [1], "there is room again")


def test_one_that_is_over_is_told_and_the_others_get_theirs(rig: Rig, outbox: Outbox) -> None:
    _, gone = rig.pair()
    caller, accepted = rig.pair()
    sockets = [_socket(gone), _socket(accepted), 12345]
    gone.close()
    assert outbox.send(sockets, _MESSAGES) == [None, len(_MESSAGES), None]
    assert _take(caller, len(_MESSAGES)) == _MESSAGES


def test_nothing_for_somebody_and_something_for_nobody(rig: Rig, outbox: Outbox) -> None:
    _, accepted = rig.pair()
    assert outbox.send([_socket(accepted)], []) == [0]
    assert outbox.send([], _MESSAGES) == []


def test_what_is_no_message_is_our_own_fault(rig: Rig) -> None:
    caller, accepted = rig.pair()
    for wrong in (b"", bytes(1317)):
        with pytest.raises(ValueError, match="expected 1 to 1316"):
            send_to_all([accepted], [b"right", wrong, b"right"])
    assert send_to_all([accepted], [b"first"]) == [1]
    assert caller.receive() == b"first"
    with pytest.raises(TypeError):
        open_outbox(load()).send([accepted._socket], ["text"])  # type: ignore[list-item]


def test_to_send_now_waits_for_no_room_and_tells_of_the_end(narrow: Rig) -> None:
    caller, accepted = narrow.pair("publish:open", SrtOptions())
    taken = accepted.send_now(_MESSAGES)
    assert 0 < taken < len(_MESSAGES)
    assert _take(caller, taken) == _MESSAGES[:taken]
    accepted.close()
    with pytest.raises(LinkError) as caught:
        accepted.send_now([b"late"])
    assert caught.value.reason == "ended"
