"""ICE: who may be sent to, and where; DTLS passes by the way."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import pytest

from tests.fakes.media import gop, h264_unit
from tests.fakes.viewer import FakeViewer, video_subscription
from tests.transport.plane.bench import VIDEO_SSRC, Bench, assert_contiguous, units_of, write_all
from tests.transport.plane.contract.base import Contract
from transport.plane import stun
from transport.plane.framing import frame
from transport.plane.interface import AddressLearned, ConsentLost, DtlsReceived, PlaneOptions

#: What of one peer's DTLS waits to be polled at most, and of all in the native plane.
DTLS_EACH, EVENTS = 32, 2048


class Addresses(Contract):
    def test_a_check_without_the_password_gains_nothing(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 3))
        peer, viewer = bench.peer()
        viewer.give_keys(peer)
        peer.subscribe(feed, video_subscription())
        viewer.connect(pwd="guessed-guessed-guessed")
        assert viewer.stun[-1].error_code == 401
        assert peer.address is None and peer.protocol == ""
        viewer.send(b"\x16dtls from nobody")
        viewer.connect()
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        assert viewer.stun[-1].xor_mapped_address == viewer.address == peer.address
        assert viewer.stun[-1].is_signed_with(viewer.pwd)
        assert [type(event) for event in bench.poll()] == [AddressLearned]

    def test_a_spoofed_check_does_not_move_a_viewer(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: viewer.packets(VIDEO_SSRC))
        spoofer = FakeViewer(bench.address, viewer.ufrag, "not-the-password-at-all")
        spoofer.connect()
        spoofer.close()
        assert peer.address == viewer.address
        feed.write(h264_unit(3000, keyframe=False))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 2)

    def test_a_viewer_moves_when_it_nominates_another_address(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 2))
        peer, viewer = bench.join((feed, video_subscription()))
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 2)
        first = viewer.address
        assert [e.address for e in bench.wait_for_event(AddressLearned) if isinstance(e, AddressLearned)] == [
            first
        ]
        with viewer.move():
            viewer.connect(nominate=False)
            assert peer.address == first
            viewer.connect()
            assert peer.address == viewer.address != first
            write_all(feed, [h264_unit(n * 3000, keyframe=False) for n in range(2, 5)])
            viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 5)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        learned = bench.wait_for_event(AddressLearned, 2)
        assert [e.address for e in learned if isinstance(e, AddressLearned)] == [first, viewer.address]

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    @pytest.mark.parametrize("protocol", ["udp", "tcp"])
    def test_one_socket_serves_both_families(self, stack: ExitStack, host: str, protocol: str) -> None:
        bench = Bench(self.open_plane, PlaneOptions(), stack, host="")
        bench.address = (host, bench.address[1])
        feed = bench.feed()
        pictures = gop(0, 5)
        write_all(feed, pictures)
        others = [bench.join((feed, video_subscription()), protocol=protocol) for _ in range(3)]
        for peer, viewer in others:
            assert peer.address == viewer.address == viewer.stun[-1].xor_mapped_address
            viewer.wait(lambda viewer=viewer: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 5)  # type: ignore[misc]
            assert units_of(viewer.packets(VIDEO_SSRC)) == [unit.data for unit in pictures]

    def test_a_viewer_may_go_from_udp_to_tcp_and_back(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        peer, viewer = bench.join((feed, video_subscription()))
        bench.wait_for_event(AddressLearned)
        with FakeViewer(bench.address, viewer.ufrag, viewer.pwd, protocol="tcp").socket as connection:
            request = {stun.USERNAME: f"{viewer.ufrag}:x".encode(), stun.USE_CANDIDATE: b""}
            connection.send(frame(stun.serialize(stun.BINDING_REQUEST, bytes(12), request, viewer.pwd)))
            bench.wait_for_event(AddressLearned, 2)
            assert peer.protocol == "tcp"
        # The connection ended, the UDP address is still there.
        bench.wait_for_event(AddressLearned, 3)
        assert peer.protocol == "udp" and peer.address == viewer.address
        assert not [event for event in bench.events if isinstance(event, ConsentLost)]

    def test_a_restart_accepts_new_credentials_and_the_old_ones_for_a_while(self, bench: Bench) -> None:
        peer, viewer = bench.join()
        peer.set_credentials("renewed", "renewed-password-of-22+")
        viewer.connect()
        viewer.ufrag, viewer.pwd = "renewed", "renewed-password-of-22+"
        viewer.connect()
        assert viewer.stun[-1].message_type == stun.BINDING_SUCCESS

    def test_a_viewer_that_was_closed_takes_no_credentials(self, bench: Bench) -> None:
        peer, _ = bench.join()
        peer.close()
        with pytest.raises(ValueError, match="this viewer was closed"):
            peer.set_credentials("renewed", "renewed-password-of-22+")
        bench.plane.peer("renewed", "renewed-password-of-22+")  # nobody has that name

    def test_a_controlled_viewer_is_told_of_the_conflict(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        viewer.connect(attributes={stun.ICE_CONTROLLED: bytes(8)})
        assert viewer.stun[-1].error_code == 487 and peer.address is None

    def test_a_check_without_priority_and_role_is_good(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        viewer.connect(attributes={})
        assert viewer.stun[-1].message_type == stun.BINDING_SUCCESS and peer.address == viewer.address

    def test_dtls_passes_both_ways(self, bench: Bench) -> None:
        peer, viewer = bench.peer()
        peer.send(b"\x16lost, as nobody knows where to")
        viewer.connect()
        viewer.send(b"\x16hello")
        (event,) = bench.wait_for_event(DtlsReceived)
        assert event == DtlsReceived(peer, b"\x16hello")
        peer.send(b"\x16answer")
        viewer.wait(lambda: viewer.dtls == [b"\x16answer"])

    def test_however_much_a_viewer_says_where_the_others_are_is_told(self, bench: Bench) -> None:
        for _ in range(EVENTS // DTLS_EACH + 1):
            _, viewer = bench.peer()
            viewer.connect()
            for n in range(DTLS_EACH + 8):
                viewer.send(b"\x16%d" % n)
            viewer.connect()  # answered in order
        peer, viewer = bench.peer()
        viewer.connect()
        events = bench.poll()
        assert AddressLearned(peer, viewer.address, "udp") in events
        heard = Counter(event.peer.id for event in events if isinstance(event, DtlsReceived))
        assert max(heard.values()) == DTLS_EACH
        viewer.send(b"\x16hello")
        bench.wait_for_event(DtlsReceived, heard.total() + 1)
        assert DtlsReceived(peer, b"\x16hello") in bench.events
