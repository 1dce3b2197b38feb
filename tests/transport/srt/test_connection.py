from __future__ import annotations

import threading
import time

import pytest

from tests.transport.srt.rig import PASSPHRASE, WAIT_S, HandshakesLate, Rig, eventually
from transport.errors import LinkError
from transport.srt import SrtConnection, SrtOptions, SrtTarget, connect


def _receive_all(connection: SrtConnection) -> list[bytes]:
    messages: list[bytes] = []
    with pytest.raises(LinkError) as caught:
        while True:
            messages += connection.receive_many()
    assert caught.value.reason == "ended"
    return messages


def test_messages_keep_their_borders_and_order(rig: Rig) -> None:
    caller, accepted = rig.pair()
    sent = [bytes([number]) * (1 + number * 7) for number in range(180)]
    for message in sent:
        caller.send(message)
    received: list[bytes] = []
    while len(received) < len(sent):
        batch = accepted.receive_many(10)
        assert 1 <= len(batch) <= 10
        received += batch
    assert received == sent


def test_the_longest_message_fits() -> None:
    rig = Rig()
    try:
        caller, accepted = rig.pair(options=SrtOptions(passphrase=PASSPHRASE, payload_bytes=1456))
        caller.send(b"x" * 1456)
        assert accepted.receive() == b"x" * 1456
    finally:
        rig.close()


def test_due_messages_are_taken_together_and_waiting_works_again_afterwards(rig: Rig) -> None:
    caller, accepted = rig.pair()
    for _ in range(20):
        caller.send(b"x")
    eventually(lambda: accepted.statistics().packets_received == 20, "20 packets arrived")
    # All are due once the last one is: the latency after it was sent.
    eventually(lambda: accepted.statistics().buffer_packets == 20, "20 packets wait")
    due = time.monotonic() + accepted.statistics().latency_ms / 1000
    eventually(lambda: time.monotonic() > due, "the latency is over")
    assert accepted.receive_many(64) == [b"x"] * 20
    caller.send(b"y")
    assert accepted.receive_many(64) == [b"y"]


def test_what_arrived_before_the_peer_left_is_handed_out() -> None:
    rig = Rig(SrtOptions(latency_ms=700))
    try:
        caller, accepted = rig.pair()
        sent = [bytes([number]) for number in range(50)]
        for message in sent:
            caller.send(message)
        eventually(lambda: accepted.statistics().packets_received == 50, "everything arrived")
        caller.close()
        assert _receive_all(accepted) == sent
    finally:
        rig.close()


def test_what_arrived_is_handed_out_also_when_the_handshake_came_late() -> None:
    """Messages are due by the time at which the handshake was read: a busy machine reads it late."""
    rig = Rig(SrtOptions(latency_ms=300))
    try:
        with HandshakesLate(rig.port, 0.6) as port:
            caller = connect(
                SrtTarget("caller", "127.0.0.1", port, "publish:cam", 0, SrtOptions(passphrase=PASSPHRASE))
            )
            accepted = rig.accepted.get(timeout=WAIT_S)
            caller.send(b"late")
            eventually(lambda: accepted.statistics().packets_received == 1, "it arrived")
            caller.close()
            assert _receive_all(accepted) == [b"late"]
    finally:
        rig.close()


def test_a_peer_that_left_is_over_before_its_last_messages_are_due() -> None:
    rig = Rig(SrtOptions(latency_ms=900))
    try:
        caller, accepted = rig.pair()
        assert accepted.latency_s == 0.9
        assert not accepted.is_over
        caller.send(b"last")
        eventually(lambda: accepted.statistics().packets_received == 1, "it arrived")
        caller.close()
        eventually(lambda: accepted.is_over, "the goodbye arrived")
        assert _receive_all(accepted) == [b"last"]
    finally:
        rig.close()


def test_silence_counts_from_the_last_message(rig: Rig) -> None:
    caller, accepted = rig.pair()
    before = time.monotonic()
    eventually(lambda: accepted.silent_s > 0.2, "0.2 s of silence")
    caller.send(b"x")
    eventually(lambda: accepted.silent_s == 0, "a message waits for its time")
    accepted.receive()
    assert 0 < accepted.silent_s < time.monotonic() - before


def test_close_from_another_thread_ends_a_waiting_receive(rig: Rig) -> None:
    _, accepted = rig.pair()
    reasons: list[str] = []
    waiting = threading.Event()

    def receive() -> None:
        waiting.set()
        try:
            accepted.receive()
        except LinkError as error:
            reasons.append(error.reason)

    thread = threading.Thread(target=receive)
    thread.start()
    assert waiting.wait(WAIT_S)
    accepted.close()
    thread.join(WAIT_S)
    assert reasons == ["ended"]
    accepted.close()


def test_everything_says_ended_after_close(rig: Rig) -> None:
    caller, accepted = rig.pair()
    caller.close()
    for call in (caller.receive, caller.statistics, lambda: caller.send(b"x"), lambda: caller.key_bytes):
        with pytest.raises(LinkError) as caught:
            call()
        assert caught.value.reason == "ended"
    assert _receive_all(accepted) == []


def test_a_peer_without_media_is_a_timeout_and_may_come_back() -> None:
    rig = Rig(SrtOptions(receive_timeout_ms=30))
    try:
        caller, accepted = rig.pair()
        with pytest.raises(LinkError, match="no media from the peer") as caught:
            accepted.receive()
        assert caught.value.reason == "timeout"
        caller.send(b"back")

        def came() -> bool:
            try:
                return accepted.receive() == b"back"
            except LinkError as error:
                assert error.reason == "timeout"
                return False

        eventually(came, "the message came")
    finally:
        rig.close()


def test_messages_out_of_range_are_our_own_fault(rig: Rig) -> None:
    caller, _ = rig.pair()
    for message in (b"", bytes(1317)):
        with pytest.raises(ValueError, match="expected 1 to 1316"):
            caller.send(message)


def test_statistics_of_both_sides(rig: Rig) -> None:
    caller, accepted = rig.pair(options=SrtOptions(passphrase=PASSPHRASE, latency_ms=200))
    for _ in range(100):
        caller.send(bytes(1316))
    received = 0
    while received < 100:
        received += len(accepted.receive_many())
    ours, theirs = accepted.statistics(), caller.statistics()
    assert ours.packets_received >= 100
    assert ours.packets_received + ours.packets_dropped >= 100
    assert theirs.packets_sent >= 100
    assert ours.packets_undecrypted == 0
    assert ours.latency_ms == theirs.peer_latency_ms == 200
    assert 0 < ours.rtt_ms < 1000
    assert ours.receive_bps > 0
    assert theirs.send_bps > 0
    assert (ours.buffer_packets, ours.buffer_bytes, ours.buffer_ms) == (0, 0, 0)
    assert ours.cipher == "AES-256"


def test_a_waiting_buffer_is_counted() -> None:
    rig = Rig(SrtOptions(latency_ms=5000))
    try:
        caller, accepted = rig.pair()
        for _ in range(50):
            caller.send(bytes(1000))
        eventually(lambda: accepted.statistics().buffer_packets == 50, "50 packets wait")
        assert 50 * 1000 <= accepted.statistics().buffer_bytes <= 50 * 1100
        assert accepted.statistics().latency_ms == 5000
    finally:
        rig.close()


def test_statistics_can_be_read_while_another_thread_receives(rig: Rig) -> None:
    caller, accepted = rig.pair()
    thread = threading.Thread(target=_receive_all, args=(accepted,))
    thread.start()
    for _ in range(50):
        caller.send(bytes(1316))
        assert accepted.statistics().key_state == "secured"
    caller.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
