"""Publishers whose key is known: what is taken of them is opened, and what is not theirs is left out."""

from __future__ import annotations

import dataclasses
import os

import pytest

from tests.fakes.viewer import PATIENCE_S, FakeViewer
from tests.transport.plane.bench import Bench
from tests.transport.plane.contract.base import Contract
from tests.transport.plane.contract.collecting import Taker, send_all, take, take_all
from transport.plane.interface import Peer, SrtpProfile
from transport.plane.srtp import SrtpSession
from transport.rtp import header, rtcp
from transport.rtp.header import RtpPacket

_LONG_S = 3600.0
#: How far behind the newest a packet may be.
_WINDOW = 1024
PACKET = RtpPacket(96, 0, 90_000, 0x1234, b"payload" * 20)


def rtp(number: int, ssrc: int = 0x1234) -> bytes:
    """With this extended sequence number; headers have all shapes, payloads all lengths."""
    extensions = ((1, b"abc"), (14, bytes(16)))[: number % 3]
    csrcs = tuple(range(number % 2))
    packet = dataclasses.replace(
        PACKET,
        seq=number & 0xFFFF,
        ssrc=ssrc,
        payload=b"\xa5" * (number % 1200),
        extensions=extensions,
        csrcs=csrcs,
        marker=number % 7 == 0,
    )
    return header.serialize(packet)


def report(number: int, ssrc: int = 0x1234) -> bytes:
    return rtcp.serialize_compound([rtcp.SenderReport(ssrc, number, number, 1, 1)])


class Publishing:
    """A publisher with keys, whose plane knows them."""

    def __init__(self, bench: Bench, profile: SrtpProfile = SrtpProfile.AEAD_AES_256_GCM) -> None:
        size = profile.key_bytes + profile.salt_bytes
        self.profile, self.key = profile, os.urandom(size)
        self.srtp = SrtpSession(profile, self.key, os.urandom(size))
        self.peer, self.fake = bench.peer(collects=True)
        self.fake.connect()

    def open(self) -> Peer:
        self.peer.open_with(self.profile, self.key)
        return self.peer

    def protect(self, packet: bytes) -> bytes:
        protected = self.srtp.protect_rtcp(packet) if rtcp.is_rtcp(packet) else self.srtp.protect(packet)
        assert protected is not None
        return protected

    def send(self, *packets: bytes) -> FakeViewer:
        send_all(self.fake, [self.protect(packet) for packet in packets])
        return self.fake


class Opening(Contract):
    @pytest.mark.parametrize("profile", SrtpProfile)
    def test_what_is_taken_is_opened(self, bench: Bench, profile: SrtpProfile) -> None:
        publishing = Publishing(bench, profile)
        peer = publishing.open()
        sent = [report(n) if n % 9 == 0 else rtp(n) for n in range(300)]
        publishing.send(*sent)
        assert take_all(peer, len(sent)) == sent
        assert peer.datagrams_refused == 0

    def test_also_what_was_there_before_the_key(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        publishing.send(rtp(1), report(2), rtp(3))
        assert take_all(publishing.open(), 3) == [rtp(1), report(2), rtp(3)]

    @pytest.mark.parametrize("profile", SrtpProfile)
    def test_rollovers_are_counted_for_each_source(self, bench: Bench, profile: SrtpProfile) -> None:
        publishing = Publishing(bench, profile)
        peer = publishing.open()
        numbers = [*range(0, 200_000, 1500), 199_499, 200_500, 200_499]
        sent = [rtp(number, ssrc) for number in numbers for ssrc in (1, 2)]
        sent.insert(len(sent) // 2, rtp(9, 3))
        publishing.send(*sent)
        assert take_all(peer, len(sent)) == sent

    def test_over_the_edge_in_another_order(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        numbers = [0xFFF0, 0xFFFE, 0x10001, 0xFFFF, 0x10000, 0x10003, 0xFFF1]
        inorder = {number: publishing.protect(rtp(number)) for number in sorted(numbers)}
        send_all(publishing.fake, [inorder[number] for number in numbers])
        assert take_all(peer, len(numbers)) == [rtp(number) for number in numbers]

    @pytest.mark.parametrize("profile", SrtpProfile)
    def test_what_was_changed_on_the_way_is_left_out(self, bench: Bench, profile: SrtpProfile) -> None:
        publishing = Publishing(bench, profile)
        peer = publishing.open()
        changed: list[bytes] = []
        for packet in (rtp(50), rtp(51), report(52)):
            protected = publishing.protect(packet)
            changed += [
                protected[:at] + bytes([protected[at] ^ 1]) + protected[at + 1 :]
                for at in (3, 5, 9, len(protected) // 2, len(protected) - 1)
            ]
            changed += [protected[:-1], protected[:20], protected[:12], protected[:2]]
        changed += [b"\x9f" + bytes(11), b"\x90" + bytes(13), b"\x90\x60" + b"\xff" * 90]
        send_all(publishing.fake, changed)
        publishing.send(rtp(53))
        assert take(peer, 999, PATIENCE_S) == [rtp(53)]
        assert peer.datagrams_refused == len(changed)

    def test_nothing_comes_twice(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        datagrams = [publishing.protect(packet) for n in range(30) for packet in (rtp(n), report(n))]
        send_all(publishing.fake, datagrams)
        assert len(take_all(peer, 60)) == 60
        send_all(publishing.fake, datagrams)
        publishing.send(rtp(30))
        assert take(peer, 999, PATIENCE_S) == [rtp(30)]
        assert peer.datagrams_refused == 60

    def test_what_is_late_is_opened_unless_it_is_very_late(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        late = [publishing.protect(rtp(number)) for number in (100, 101, 102)]
        publishing.send(rtp(90), rtp(101 + _WINDOW - 1))
        send_all(publishing.fake, late)
        assert take_all(peer, 4)[2:] == [rtp(101), rtp(102)]
        assert peer.datagrams_refused == 1

    def test_many_sources_come_and_those_that_go_on_are_known(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        publishing.send(rtp(0xFFFF, 7), rtp(0x10000, 7))
        take_all(peer, 2)
        for number in range(1, 60):
            sent = [rtp(number, 1000 + number), report(number, 1000 + number), rtp(0x10000 + number, 7)]
            publishing.send(*sent)
            assert take_all(peer, 3) == sent

    def test_whoever_waits_sleeps_on_when_nothing_could_be_opened(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        taker = Taker(peer)
        for _ in range(3):
            send_all(publishing.fake, [bytes((0x80, 96)) + bytes(200)])
        publishing.send(rtp(1))
        assert taker.result() == [rtp(1)]
        assert peer.datagrams_refused == 3
        send_all(publishing.fake, [bytes((0x80, 96)) + bytes(200)] * 5)
        assert take(peer, 9, 0.01) == []
        assert peer.datagrams_refused == 8

    def test_the_first_key_counts(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        peer = publishing.open()
        peer.open_with(publishing.profile, bytes(44))
        publishing.send(rtp(1))
        assert take(peer, 1, PATIENCE_S) == [rtp(1)]

    def test_keys_fit_and_are_a_publishers(self, bench: Bench) -> None:
        publishing = Publishing(bench)
        for profile in SrtpProfile:
            with pytest.raises(ValueError, match=profile.value):
                publishing.peer.open_with(profile, bytes(profile.key_bytes + profile.salt_bytes - 1))
        viewer, _ = bench.peer()
        with pytest.raises(ValueError, match="viewer"):
            viewer.open_with(publishing.profile, publishing.key)
        assert viewer.datagrams_refused == 0
