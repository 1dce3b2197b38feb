from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.transport.srt.rig import Rig, eventually
from transport.srt import SrtConnection
from transport.srt.inbox import MOST_MESSAGES, Inbox, PolledInbox, open_inbox
from transport.srt.inbox_native import NativeInbox
from transport.srt.libsrt import Libsrt, load

#: Nothing here takes so long, unless it hangs.
_LONG_S = 60.0

Open = Callable[[SrtConnection], Inbox]


@pytest.fixture(params=[open_inbox, PolledInbox])
def open_one(request: pytest.FixtureRequest) -> Open:
    make: Callable[[Libsrt, int], Inbox] = request.param
    return lambda connection: make(load(), connection._socket)


def test_the_native_one_is_used_where_it_is_there(rig: Rig) -> None:
    assert isinstance(open_inbox(load(), rig.pair()[1]._socket), NativeInbox)


def test_messages_come_whole_and_in_order_and_no_more_than_were_asked_for(rig: Rig, open_one: Open) -> None:
    caller, accepted = rig.pair()
    inbox = open_one(accepted)
    sent = [bytes([number]) * (1 + number * 7) for number in range(180)]
    for message in sent:
        caller.send(message)
    received: list[bytes] = []
    while len(received) < len(sent):
        messages, is_over = inbox.wait(7, _LONG_S)
        assert 1 <= len(messages) <= 7
        assert not is_over
        received += messages
    assert received == sent


def test_it_waits_until_the_time_is_over_and_looks_once_if_it_already_is(rig: Rig, open_one: Open) -> None:
    caller, accepted = rig.pair()
    inbox = open_one(accepted)
    before = time.monotonic()
    assert inbox.wait(1, 0.05) == ([], False)
    assert time.monotonic() - before >= 0.05
    caller.send(b"x")
    eventually(lambda: inbox.wait(1, -1.0) == ([b"x"], False), "one look finds the message")


def test_the_end_is_told(rig: Rig, open_one: Open) -> None:
    caller, accepted = rig.pair()
    inbox = open_one(accepted)
    caller.close()
    assert inbox.wait(1, _LONG_S) == ([], True)
    assert inbox.wait(1, _LONG_S) == ([], True)


def test_stop_ends_the_wait_of_another_thread(rig: Rig, open_one: Open) -> None:
    _, accepted = rig.pair()
    inbox = open_one(accepted)
    results: list[tuple[list[bytes], bool]] = []
    waiting = threading.Thread(target=lambda: results.append(inbox.wait(1, _LONG_S)))
    waiting.start()
    inbox.stop()
    waiting.join(_LONG_S / 2)
    assert results == [([], False)]
    assert inbox.wait(1, _LONG_S) == ([], False)


@pytest.mark.parametrize("most", [0, -1, MOST_MESSAGES + 1])
def test_a_number_that_cannot_be_is_refused(rig: Rig, open_one: Open, most: int) -> None:
    with pytest.raises(ValueError, match=f"{most} messages, expected 1 to {MOST_MESSAGES}"):
        open_one(rig.pair()[1]).wait(most, 0.0)
