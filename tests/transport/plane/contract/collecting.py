"""Publishers: their RTP and RTCP is kept as it came, for whoever takes it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from tests.fakes.viewer import PATIENCE_S, FakeViewer
from tests.transport.plane.bench import Bench
from tests.transport.plane.contract.base import Contract
from transport.errors import StateError
from transport.plane.interface import AddressLearned, ConsentLost, DtlsReceived, Peer
from transport.plane.stun import BINDING_SUCCESS

#: What one inbox holds.
MAX_DATAGRAMS, MAX_DATAGRAM_BYTES = 2048, 2048
#: Longer than anybody waits here for a thread.
_LONG_S = 3600.0
PROTOCOLS = ["udp", "tcp"]


def rtp(number: int, size: int = 200, *, marker: bool = False) -> bytes:
    return (bytes((0x80, marker << 7 | 96)) + number.to_bytes(4, "big")).ljust(size, b"\xa5")


def rtcp(number: int) -> bytes:
    return (bytes((0x81, 200 + number % 8)) + number.to_bytes(4, "big")).ljust(60, b"\x5a")


def garbage(bench: Bench) -> int:
    return int(cast(Any, bench.plane).garbage)


def take(peer: Peer, most: int, seconds: float, pause: float = 0.0) -> list[bytes]:
    """What came, without the times."""
    return [datagram for datagram, _ in peer.take(most, seconds, pause)]


def take_all(peer: Peer, count: int) -> list[bytes]:
    """So many, in as many pieces as it takes."""
    taken: list[bytes] = []
    while len(taken) < count:
        more = take(peer, count - len(taken), PATIENCE_S)
        assert more, f"{len(taken)} of {count} came"
        taken += more
    return taken


def send_all(publisher: FakeViewer, datagrams: list[bytes]) -> None:
    """As fast as the plane takes them: what follows a check arrived before its answer."""
    for at in range(0, len(datagrams), 100):
        for datagram in datagrams[at : at + 100]:
            publisher.send(datagram)
        publisher.connect()


class Taker(threading.Thread):
    """Waits for one publisher, long, until something comes or nothing can come any more."""

    def __init__(self, peer: Peer, most: int = 1, pause: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.taken: list[bytes] | None = None
        self._peer = peer
        self._most = most
        self._pause = pause
        self.start()
        while not self._is_waiting():
            self.join(0.001)

    def run(self) -> None:
        while self.taken is None:
            try:
                self.taken = take(self._peer, self._most, _LONG_S, self._pause)
            except StateError:
                time.sleep(0.001)  # `_is_waiting` just looked

    def _is_waiting(self) -> bool:
        try:
            self._peer.take(1, 0.0)
        except StateError:
            return True
        return False

    def result(self) -> list[bytes]:
        self.join(PATIENCE_S)
        assert self.taken is not None, "it still waits"
        return self.taken


class Collecting(Contract):
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_what_a_publisher_sends_is_kept_as_it_came(self, bench: Bench, protocol: str) -> None:
        peer, publisher = bench.peer(collects=True, protocol=protocol)
        publisher.connect()
        sent = [rtcp(n) if n % 5 == 0 else rtp(n, 12 + n % 1200) for n in range(300)]
        sent += [b"\x80\0", b"\xbf\xff", rtp(300, MAX_DATAGRAM_BYTES)]
        send_all(publisher, sent)
        assert take_all(peer, len(sent)) == sent
        assert take(peer, 1, 0.0) == []
        assert peer.datagrams_dropped == 0

    def test_of_several_publishers_each_has_its_own(self, bench: Bench) -> None:
        publishers = [bench.peer(collects=True, protocol=PROTOCOLS[n % 2]) for n in range(6)]
        for number, (_, publisher) in enumerate(publishers):
            publisher.connect()
            send_all(publisher, [rtp(number * 1000 + n) for n in range(50)])
        for number, (peer, _) in enumerate(publishers):
            assert take_all(peer, 50) == [rtp(number * 1000 + n) for n in range(50)]

    def test_no_more_are_taken_than_wanted(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(n) for n in range(10)])
        assert take(peer, 3, PATIENCE_S) == [rtp(0), rtp(1), rtp(2)]
        assert take(peer, 1 << 40, PATIENCE_S) == [rtp(n) for n in range(3, 10)]

    def test_what_finds_no_room_is_counted(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(n) for n in range(MAX_DATAGRAMS + 10)])
        assert peer.datagrams_dropped == 10
        assert take(peer, 1, 0.0) == [rtp(0)]
        send_all(publisher, [rtp(9000), rtp(9001)])
        assert peer.datagrams_dropped == 11
        kept = take(peer, 3 * MAX_DATAGRAMS, 0.0)
        assert kept == [rtp(n) for n in range(1, MAX_DATAGRAMS)] + [rtp(9000)]
        for number in range(3):  # once around, and over the edge
            again = [rtp(number * 2000 + n) for n in range(1500)]
            send_all(publisher, again)
            assert take_all(peer, 1000) == again[:1000]
            send_all(publisher, again[:900])
            assert take_all(peer, 1400) == again[1000:] + again[:900]
        assert peer.datagrams_dropped == 11

    def test_only_proved_addresses_are_heard(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.send(rtp(1))
        publisher.connect(pwd="guessed-guessed-guessed")
        publisher.send(rtp(2))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(rtp(3), bench.address)
        publisher.connect()
        assert garbage(bench) == 4
        publisher.send(rtp(4))
        assert take(peer, 10, PATIENCE_S) == [rtp(4)]

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_a_publisher_goes_on_from_where_it_moved(self, bench: Bench, protocol: str) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(0)])
        publisher.protocol = protocol
        with publisher.move() as former:
            publisher.send(rtp(1))
            publisher.connect()
            assert peer.address == publisher.address and peer.protocol == protocol
            former.sendto(rtp(2), bench.address)  # still its own
            assert take_all(peer, 2) == [rtp(0), rtp(2)]
            send_all(publisher, [rtp(3), rtcp(4)])
            assert take_all(peer, 2) == [rtp(3), rtcp(4)]
        moved = [e.address for e in bench.wait_for_event(AddressLearned) if isinstance(e, AddressLearned)]
        assert moved[-1] == publisher.address

    def test_an_address_that_another_publisher_proves_is_its_own_from_then_on(self, bench: Bench) -> None:
        first, publisher = bench.peer(collects=True)
        second, other = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(1)])
        publisher.ufrag, publisher.pwd = other.ufrag, other.pwd
        publisher.connect()
        send_all(publisher, [rtp(2)])
        assert take(second, 10, PATIENCE_S) == [rtp(2)]
        assert take(first, 10, PATIENCE_S) == [rtp(1)]

    def test_dtls_and_checks_pass_as_of_viewers(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        publisher.send(b"\x16hello")
        assert bench.wait_for_event(DtlsReceived) == [DtlsReceived(peer, b"\x16hello")]
        peer.send(b"\x16answer")
        publisher.wait(lambda: publisher.dtls == [b"\x16answer"])
        before = publisher.undecipherable
        peer.send(rtcp(0))  # protected by whoever takes what comes
        publisher.wait(lambda: publisher.undecipherable == before + 1)
        publisher.connect()
        assert publisher.stun[-1].message_type == BINDING_SUCCESS
        assert take(peer, 1, 0.0) == []

    def test_neither_rtp_nor_rtcp_is_consent(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        heard = bench.counters(peer)["last_heard_s"]
        bench.clock.advance(20)
        for datagram in (rtp(1), rtcp(2)):
            publisher.send(datagram)
        assert take_all(peer, 2) == [rtp(1), rtcp(2)]
        assert bench.counters(peer)["last_heard_s"] == heard
        assert not [event for event in bench.poll() if isinstance(event, ConsentLost)]
        bench.clock.advance(10.5)
        assert bench.wait_for_event(ConsentLost) == [ConsentLost(peer)]

    def test_what_came_before_consent_was_lost_is_still_there(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(1)])
        bench.clock.advance(31)
        bench.wait_for_event(ConsentLost)
        _, other = bench.peer()
        before = garbage(bench)
        publisher.send(rtp(2))
        other.wait(lambda: garbage(bench) == before + 1)
        assert take(peer, 10, _LONG_S) == [rtp(1)]
        assert take(peer, 10, _LONG_S) == []

    def test_time_passes(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        for seconds in (-1.0, 0.0, 0.01, float("nan")):
            assert take(peer, 1, seconds) == []
        send_all(publisher, [rtp(1)])
        assert take(peer, 1, float("inf")) == [rtp(1)]

    def test_each_has_the_time_of_its_arrival(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        before = bench.clock()
        send_all(publisher, [rtp(1)])
        between = bench.clock()
        bench.clock.advance(5)
        send_all(publisher, [rtp(2)])
        (_, first_at), (_, second_at) = peer.take(2, PATIENCE_S)
        assert before <= first_at <= between < between + 5 <= second_at <= bench.clock()

    def test_whoever_pauses_is_woken_by_the_end_of_a_picture_by_rtcp_and_by_enough(
        self, bench: Bench
    ) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        ends = [rtp(9, marker=True), rtcp(9), rtp(9)]
        for end, most in zip(ends, (50, 50, 4), strict=True):
            send_all(publisher, [rtp(0)])
            assert take(peer, 1, PATIENCE_S) == [rtp(0)]
            taker = Taker(peer, most, _LONG_S)
            send_all(publisher, [rtp(1), rtp(2), rtp(3)])
            with pytest.raises(StateError):  # it sleeps on
                peer.take(1, 0.0)
            publisher.send(end)
            assert taker.result() == [rtp(1), rtp(2), rtp(3), end]

    def test_a_picture_that_is_complete_is_not_paused_for(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(0), rtp(1), rtp(2, marker=True), rtp(3)])
        assert take(peer, 1, PATIENCE_S) == [rtp(0)]
        assert take(peer, 9, _LONG_S, _LONG_S) == [rtp(1), rtp(2, marker=True), rtp(3)]

    def test_a_pause_ends_with_the_time_to_wait_with_itself_and_with_the_publisher(
        self, bench: Bench
    ) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(0), rtp(1)])
        assert take(peer, 1, PATIENCE_S) == [rtp(0)]
        assert take(peer, 9, 0.01, _LONG_S) == [rtp(1)]
        send_all(publisher, [rtp(2)])
        assert take(peer, 9, _LONG_S, 0.01) == [rtp(2)]
        taker = Taker(peer, 9, _LONG_S)
        peer.close()
        assert taker.result() == []

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_whoever_waits_is_woken_by_what_arrives(self, bench: Bench, protocol: str) -> None:
        peer, publisher = bench.peer(collects=True, protocol=protocol)
        publisher.connect()
        for number in range(20):
            taker = Taker(peer)
            publisher.send(rtp(number))
            assert taker.result() == [rtp(number)]

    def test_whoever_waits_is_woken_by_the_end(self, bench: Bench) -> None:
        ends: dict[str, Callable[[Peer, FakeViewer], object]] = {
            "closed": lambda peer, _: peer.close(),
            "its connection ended": lambda _, publisher: publisher.close(),
            "no consent": lambda *_: bench.clock.advance(31),
            "the plane closed": lambda *_: bench.plane.close(),
        }
        for why, end in ends.items():
            peer, publisher = bench.peer(collects=True, protocol="tcp")
            publisher.connect()
            taker = Taker(peer)
            end(peer, publisher)
            assert taker.result() == [], why
            assert take(peer, 1, _LONG_S) == [], why

    def test_of_a_publisher_that_was_closed_nothing_is_taken(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(1)])
        peer.close()
        peer.close()
        assert take(peer, 1, _LONG_S) == []
        bench.plane.close()
        late = bench.plane.peer("late", "password-of-twenty-two-chars", collects=True)
        assert take(late, 1, _LONG_S) == []

    def test_only_one_thread_takes(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        taker = Taker(peer)
        with pytest.raises(StateError, match="another thread"):
            peer.take(1, 0.0)
        publisher.send(rtp(1))
        assert taker.result() == [rtp(1)]

    def test_nothing_is_collected_of_a_viewer(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        viewer.connect()
        before = garbage(bench)
        viewer.send(rtp(1))
        viewer.connect()
        assert garbage(bench) == before + 1
        with pytest.raises(ValueError, match="viewer"):
            peer.take(1, 0.0)
        assert peer.datagrams_dropped == 0

    def test_nothing_cannot_be_asked_for(self, bench: Bench) -> None:
        peer, publisher = bench.peer(collects=True)
        publisher.connect()
        send_all(publisher, [rtp(1)])
        for most in (0, -1):
            with pytest.raises(ValueError, match=f"{most} datagrams"):
                peer.take(most, _LONG_S)
        assert take(peer, 1, 0.0) == [rtp(1)]

    def test_publishers_come_and_go_while_others_are_taken_from(self, bench: Bench) -> None:
        """All of them at once, and some are closed with everything under way."""
        turns = [[bench.peer(collects=True, protocol=PROTOCOLS[n % 2]) for n in range(5)] for _ in range(4)]

        def publish(number: int) -> None:
            sent = [rtp(number * 1000 + n) for n in range(300)]
            for turn, (peer, publisher) in enumerate(turns[number]):
                taken: list[bytes] = []

                def take_on(peer: Peer = peer, taken: list[bytes] = taken) -> None:
                    while more := take(peer, 50, _LONG_S):
                        taken += more

                taker = threading.Thread(target=take_on, daemon=True)
                taker.start()
                publisher.connect()
                send_all(publisher, sent)
                if turn % 3 == 0:
                    publisher.wait(lambda taken=taken: len(taken) == len(sent))  # type: ignore[misc]
                peer.close()
                taker.join(PATIENCE_S)
                assert not taker.is_alive()
                assert taken == sent[: len(taken)]

        with ThreadPoolExecutor(len(turns)) as pool:
            list(pool.map(publish, range(len(turns))))
