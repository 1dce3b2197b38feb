"""The watch itself: it catches what it is there for, and nothing else."""

from __future__ import annotations

import socket
import struct

import pylibsrtp
import pytest

from tests.fakes.nonces import NonceWatch, current_watch, watching
from tests.fakes.viewer import PROFILES, FakeViewer
from transport.plane.interface import SrtpProfile
from transport.rtp import header, rtcp
from transport.rtp.header import RtpPacket

KEY, OTHER_KEY = bytes(44), bytes(43) + b"\1"


def packet(seq: int, content: bytes, ssrc: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, seq & 0xFFFF, 0, ssrc) + content


def test_a_second_content_is_caught() -> None:
    watch = NonceWatch()
    watch.see_rtp(KEY, packet(7, b"one"))
    watch.see_rtp(KEY, packet(7, b"one"))  # a retransmission, byte for byte
    with pytest.raises(AssertionError, match="RTP ssrc 0x1 roc 0 seq 7"):
        watch.see_rtp(KEY, packet(7, b"two"))
    assert watch.seen == 1 and len(watch.reused) == 1


def test_other_keys_ssrcs_and_rollovers_are_other_nonces() -> None:
    watch = NonceWatch()
    watch.see_rtp(KEY, packet(7, b"one"))
    watch.see_rtp(OTHER_KEY, packet(7, b"two"))
    watch.see_rtp(KEY, packet(7, b"three", ssrc=2))
    for seq in range(8, (1 << 16) + 7, 1000):
        watch.see_rtp(KEY, packet(seq, b"between"))
    watch.see_rtp(KEY, packet((1 << 16) + 7, b"four"))
    with pytest.raises(AssertionError, match="roc 1 seq 7"):
        watch.see_rtp(KEY, packet((1 << 16) + 7, b"five"))


@pytest.mark.parametrize("tag", [b"", bytes(10)])
def test_the_index_of_reports_is_found(tag: bytes) -> None:
    watch = NonceWatch()
    for content in (b"one", b"one", b"two"):
        report = struct.pack("!BBHI", 0x80, 200, 0, 1) + content + struct.pack("!I", 1 << 31 | 5) + tag
        if content == b"two":
            with pytest.raises(AssertionError, match="RTCP ssrc 0x1 index 5"):
                watch.see_rtcp(KEY, report, is_gcm=not tag)
        else:
            watch.see_rtcp(KEY, report, is_gcm=not tag)


def test_an_error_that_was_swallowed_comes_again_at_the_end() -> None:
    with pytest.raises(AssertionError, match="encrypted twice"), watching() as watch:
        watch.see_rtp(KEY, packet(7, b"one"))
        with pytest.raises(AssertionError):
            watch.see_rtp(KEY, packet(7, b"two"))


def test_every_test_is_watched(nonces: NonceWatch) -> None:
    assert current_watch() is nonces


@pytest.mark.parametrize("profile", list(SrtpProfile))
@pytest.mark.parametrize("kind", ["rtp", "rtcp"])
def test_a_viewer_shows_what_it_gets(profile: SrtpProfile, kind: str) -> None:
    """A server that begins again with the same key, as ours must never."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        viewer = FakeViewer(server.getsockname(), "ufrag", "pwd", profile=profile)
        policy = pylibsrtp.Policy(
            key=viewer.server_key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=PROFILES[profile],
        )

        def send(content: bytes) -> None:
            session = pylibsrtp.Session(policy)
            if kind == "rtp":
                datagram = session.protect(header.serialize(RtpPacket(96, 7, 0, 1, content, False)))
            else:
                datagram = session.protect_rtcp(rtcp.serialize_compound([rtcp.Bye((1, *content))]))
            server.sendto(datagram, viewer.address)

        with pytest.raises(AssertionError, match="encrypted twice"), watching() as inner:
            viewer.nonces = inner
            send(b"one")
            viewer.wait(lambda: inner.seen == 1)
            send(b"two")
            viewer.wait(lambda: inner.seen == 2)
        viewer.close()
