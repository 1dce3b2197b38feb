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


def test_many_wait_at_once_and_each_is_given_its_own(rig: Rig, open_one: Open) -> None:
    """Whoever looks for the others leaves as soon as it has something; the rest must go on being served."""
    pairs = [rig.pair() for _ in range(4)]
    inboxes = [open_one(accepted) for _, accepted in pairs]
    received: list[list[bytes]] = [[] for _ in pairs]
    over = [False] * len(pairs)

    def take(at: int) -> None:
        while not over[at]:
            messages, over[at] = inboxes[at].wait(8, _LONG_S)
            received[at] += messages

    threads = [threading.Thread(target=take, args=(at,)) for at in range(len(pairs))]
    for thread in threads:
        thread.start()
    for number in range(120):
        # Each in turn falls silent and another one speaks.
        caller, _ = pairs[number // 10 % len(pairs)]
        caller.send(b"%d" % number)
        if number % 10 == 9:
            at = number // 10 % len(pairs)
            eventually(lambda last=b"%d" % number, at=at: received[at][-1:] == [last], "it arrives")  # type: ignore[misc]
    for at, (caller, _) in enumerate(pairs):
        caller.close()
        threads[at].join(_LONG_S)
        assert over[at]
        assert received[at] == [b"%d" % number for number in range(120) if number // 10 % len(pairs) == at]


def test_a_wait_beside_another_ends_in_its_own_time(rig: Rig, open_one: Open) -> None:
    first, second = (open_one(rig.pair()[1]) for _ in range(2))
    waiting = threading.Thread(target=first.wait, args=(1, _LONG_S))
    waiting.start()
    assert second.wait(1, 0.05) == ([], False)
    stopped = threading.Timer(0.05, second.stop)
    stopped.start()
    assert second.wait(1, _LONG_S) == ([], False)
    assert waiting.is_alive()
    first.stop()
    waiting.join(_LONG_S)
    assert not waiting.is_alive()
