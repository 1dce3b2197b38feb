from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass

import pytest
from aiortc import RTCCertificate
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from tests.transport.webrtc.link import (
    CHROMIUM_PROFILES,
    FakePeer,
    Link,
    OpensslViewer,
    bulky_certificate,
    eventually,
    viewer_context,
)
from tests.transport.webrtc.vectors import client_hello
from transport.errors import LinkError, StateError
from transport.plane.interface import SrtpProfile
from transport.webrtc.certificate import ServerCertificate
from transport.webrtc.dtls import MAX_DATAGRAM_BYTES, MAX_INBOX, DtlsSession, SrtpKeys
from transport.webrtc.wire import Fingerprint

CERTIFICATE = ServerCertificate.generateCertificate()
CHROMIUM_HELLO = client_hello("chromium")


@dataclass
class Pair:
    session: DtlsSession
    viewer: OpensslViewer
    down: Link
    up: Link

    async def handshake(self, timeout_s: float = 60, *, until_settled: bool = False) -> SrtpKeys:
        # The viewer's among them, the session's not yet. A search through everything there is: it takes long.
        before = openssl_connections() if until_settled else set()
        self.viewer.start()
        try:
            keys = await self.session.handshake(timeout_s)
            await self.viewer.connected
        finally:
            self.viewer.stop()
        if until_settled:
            await eventually(lambda: openssl_connections() <= before)
        return keys


def pair(
    *,
    context: SSL.Context | None = None,
    certificate: ServerCertificate = CERTIFICATE,
    fingerprints: list[Fingerprint] | None = None,
    down: Link | None = None,
    up: Link | None = None,
    mtu: int = 1200,
    hello_padding: int = 0,
    **options,
) -> Pair:
    down, up = down or Link(), up or Link()
    viewer = OpensslViewer(up, context=context, mtu=mtu, hello_padding=hello_padding)
    session = DtlsSession(FakePeer(down), certificate, fingerprints or [viewer.fingerprint], **options)
    down.deliver, up.deliver = viewer.datagram, session.datagram
    return Pair(session, viewer, down, up)


def openssl_connections() -> set[int]:
    gc.collect()
    return {id(item) for item in gc.get_objects() if isinstance(item, SSL.Connection)}


class TestHandshake:
    @pytest.mark.parametrize(
        ("offered", "expected"),
        [
            (CHROMIUM_PROFILES, SrtpProfile.AEAD_AES_256_GCM),
            (b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", SrtpProfile.AEAD_AES_128_GCM),
            (b"SRTP_AES128_CM_SHA1_80", SrtpProfile.AES128_CM_SHA1_80),
        ],
    )
    async def test_our_order_of_profiles_wins_and_both_ends_have_the_same_keys(self, offered, expected):
        certificate = RTCCertificate.generateCertificate()
        up, down = Link(), Link()
        viewer = OpensslViewer(up, certificate=certificate, context=viewer_context(certificate, offered))
        session = DtlsSession(FakePeer(down), CERTIFICATE, [viewer.fingerprint])
        ends = Pair(session, viewer, down, up)
        down.deliver, up.deliver = viewer.datagram, session.datagram
        keys = await ends.handshake()
        client, server = viewer.keys(expected)
        assert (keys.profile, keys.tx, keys.rx) == (expected, server, client)
        assert len(keys.tx) == expected.key_bytes + expected.salt_bytes
        await session.close()

    async def test_the_secret_is_not_in_the_representation(self):
        ends = pair()
        keys = await ends.handshake()
        assert keys.tx.hex() not in repr(keys) and repr(keys.tx) not in repr(keys)
        await ends.session.close()

    async def test_as_client_it_waits_for_the_address_and_mirrors_the_keys(self):
        up, down = Link(), Link()
        viewer = OpensslViewer(up, server=True)
        peer = FakePeer(down, address=None)
        session = DtlsSession(peer, CERTIFICATE, [viewer.fingerprint], role="client")
        down.deliver, up.deliver = viewer.datagram, session.datagram
        viewer.start()
        handshake = asyncio.create_task(session.handshake())
        await asyncio.sleep(0)
        assert down.sent == []
        peer.address = ("192.0.2.7", 40000)
        session.address_learned()
        keys = await handshake
        client, server = viewer.keys(keys.profile)
        assert (keys.tx, keys.rx) == (client, server)
        await session.close()
        viewer.stop()

    async def test_two_sessions_speak_to_each_other(self):
        down, up = Link(), Link()
        server = DtlsSession(FakePeer(down), CERTIFICATE, [CERTIFICATE.fingerprint])
        client = DtlsSession(FakePeer(up), CERTIFICATE, [CERTIFICATE.fingerprint], role="client")
        down.deliver, up.deliver = client.datagram, server.datagram
        served, asked = await asyncio.gather(server.handshake(), client.handshake())
        assert (served.tx, served.rx) == (asked.rx, asked.tx)
        await server.close()
        await client.close()

    async def test_a_client_hello_in_several_datagrams(self):
        # As a browser's hybrid post-quantum key share makes it (1.2 KB and more).
        ends = pair(mtu=300, hello_padding=1500)
        await ends.handshake()
        hello = [datagram for datagram in ends.up.sent if datagram[13:14] == b"\x01"]
        assert len(hello) >= 5 and all(len(datagram) <= 300 for datagram in hello)
        await ends.session.close()

    @pytest.mark.parametrize("order", [1, -1])
    async def test_chromiums_post_quantum_client_hello_is_answered_with_dtls_1_2(self, order):
        down = Link()
        session = DtlsSession(FakePeer(down), CERTIFICATE, [CERTIFICATE.fingerprint])
        handshake = asyncio.create_task(session.handshake())
        await asyncio.sleep(0)
        assert len(CHROMIUM_HELLO) == 2 and b"\xfe\xfc" in CHROMIUM_HELLO[0]  # DTLS 1.3 is offered
        for datagram in CHROMIUM_HELLO[::order]:
            assert down.sent == []
            session.datagram(datagram)
        # ServerHello, DTLS 1.2, and without a cookie exchange before it.
        assert down.sent[0][13] == 2 and down.sent[0][25:27] == b"\xfe\xfd"
        await session.close()
        with pytest.raises(LinkError):
            await handshake

    async def test_the_fragments_may_come_in_any_order(self):
        ends = pair(mtu=300, hello_padding=1500)
        held: list[bytes] = []
        ends.up.deliver = held.append
        ends.viewer.start()
        await eventually(lambda: len(held) == len(ends.up.sent))
        ends.up.deliver = ends.session.datagram
        for datagram in reversed(held):
            ends.session.datagram(datagram)
        await ends.session.handshake()
        await ends.viewer.connected
        await ends.session.close()

    async def test_no_datagram_is_longer_than_the_path_takes(self):
        certificate = ServerCertificate(*bulky_certificate(padding_bytes=3000))
        ends = pair(certificate=certificate)
        await ends.handshake()
        assert sum(map(len, ends.down.sent)) > 3000
        assert max(map(len, ends.down.sent)) <= MAX_DATAGRAM_BYTES
        await ends.session.close()

    async def test_the_strongest_hash_of_the_offer_decides(self):
        certificate = RTCCertificate.generateCertificate()
        up, down = Link(), Link()
        viewer = OpensslViewer(up, certificate=certificate)
        real = {item.algorithm: item.value for item in certificate.getFingerprints()}
        announced = [
            Fingerprint("sha-256", "00:11"),
            Fingerprint("sha-512", "22:33"),
            Fingerprint("sha-512", real["sha-512"]),
        ]
        session = DtlsSession(FakePeer(down), CERTIFICATE, announced)
        down.deliver, up.deliver = viewer.datagram, session.datagram
        assert await Pair(session, viewer, down, up).handshake()
        await session.close()


class TestRefusal:
    async def test_a_certificate_that_was_not_announced(self):
        other = RTCCertificate.generateCertificate().getFingerprints()[0]
        ends = pair(fingerprints=[Fingerprint(other.algorithm, other.value)])
        with pytest.raises(LinkError, match="fingerprint mismatch") as caught:
            await ends.handshake()
        assert caught.value.reason == "unauthorized"
        await asyncio.wait_for(ends.viewer.goodbye.wait(), 10)

    async def test_no_fingerprint_of_a_known_algorithm(self):
        ends = pair(fingerprints=[Fingerprint("sha-1", "AA:BB")])
        with pytest.raises(LinkError, match="no fingerprint"):
            await ends.handshake()

    async def test_no_common_srtp_profile(self):
        certificate = RTCCertificate.generateCertificate()
        context = viewer_context(certificate, None)
        up, down = Link(), Link()
        viewer = OpensslViewer(up, certificate=certificate, context=context)
        session = DtlsSession(FakePeer(down), CERTIFICATE, [viewer.fingerprint])
        down.deliver, up.deliver = viewer.datagram, session.datagram
        with pytest.raises(LinkError, match="no common SRTP profile") as caught:
            await Pair(session, viewer, down, up).handshake()
        assert caught.value.reason == "unsupported"

    async def test_no_certificate_says_what_openssl_says_and_tells_the_viewer(self):
        left: list[bool] = []
        ends = pair(context=viewer_context(None), on_closed=lambda: left.append(True))
        with pytest.raises(LinkError, match="certificate") as caught:
            await ends.handshake()
        assert caught.value.reason == "refused"
        assert left == []  # it did not leave, it was sent away
        with pytest.raises(SSL.Error):
            await asyncio.wait_for(ends.viewer.connected, 10)

    async def test_a_certificate_on_a_curve_of_old(self):
        """As FFmpeg makes it where it is built with GnuTLS."""
        certificate = RTCCertificate(*bulky_certificate(0, ec.SECP224R1()))
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *args: True)
        context.use_certificate(certificate._cert)
        context.use_privatekey(certificate._key)
        context.set_tlsext_use_srtp(CHROMIUM_PROFILES)
        up, down = Link(), Link()
        viewer = OpensslViewer(up, certificate=certificate, context=context)
        session = DtlsSession(FakePeer(down), CERTIFICATE, [viewer.fingerprint])
        down.deliver, up.deliver = viewer.datagram, session.datagram
        with pytest.raises(LinkError, match=r"wrong curve; its certificate is on a curve .* expected P-256"):
            await Pair(session, viewer, down, up).handshake()

    async def test_silence(self):
        ends = pair()
        with pytest.raises(LinkError, match="no datagram arrived") as caught:
            await ends.session.handshake(timeout_s=0.02)
        assert caught.value.reason == "timeout"

    async def test_a_viewer_that_stops_half_way(self):
        ends = pair(up=Link(drop=lambda index: index > 0))
        with pytest.raises(LinkError, match="1 datagrams arrived"):
            await ends.handshake(timeout_s=0.1)

    async def test_garbage_does_not_hurt(self):
        ends = pair()
        for size in (1, 12, 13, 14, 200):
            ends.session.datagram(b"\x16" + b"\xff" * (size - 1))
        await ends.handshake()
        ends.session.datagram(b"\x17" * 50)
        await ends.session.close()

    async def test_closing_ends_a_handshake(self):
        ends = pair()
        handshake = asyncio.create_task(ends.session.handshake())
        await asyncio.sleep(0)
        await ends.session.close()
        with pytest.raises(LinkError) as caught:
            await handshake
        assert caught.value.reason == "ended"

    async def test_cancelling_closes_the_session(self):
        ends = pair()
        handshake = asyncio.create_task(ends.session.handshake())
        await asyncio.sleep(0)
        handshake.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handshake
        ends.session.datagram(b"\x16" * 100)
        assert ends.down.sent == []

    async def test_one_handshake_per_session(self):
        ends = pair()
        await ends.handshake()
        with pytest.raises(StateError):
            await ends.session.handshake()
        await ends.session.close()


class TestInbox:
    async def test_datagrams_wait_for_the_handshake_up_to_a_bound(self):
        ends = pair()
        ends.viewer.start()
        for _ in range(MAX_INBOX + 5):
            ends.session.datagram(ends.up.sent[0])
        assert ends.session.dropped >= 5
        await ends.session.handshake()
        await ends.viewer.connected
        await ends.session.close()


class TestLoss:
    async def test_the_first_flight_of_the_server_is_lost(self):
        ends = pair(down=Link(drop=lambda index: index == 0))
        await ends.handshake()
        await ends.session.close()

    async def test_the_last_flight_of_the_server_is_lost(self):
        # The session is done by then and has to repeat it all the same.
        last: list[int] = []

        def is_first_finished(index: int) -> bool:
            if ends.down.sent[index][0] == 20 and not last:
                last.append(index)
                return True
            return False

        ends = pair(down=Link(drop=is_first_finished))
        await ends.handshake()
        assert last
        await ends.session.close()

    async def test_viewers_behind_links_that_lose_and_reorder(self):
        async def one(seed: int) -> SrtpKeys:
            down = Link(seed=seed, loss=0.1, jitter_s=0.02)
            up = Link(seed=seed + 1000, loss=0.1, jitter_s=0.02)
            ends = pair(down=down, up=up, mtu=300, hello_padding=750)
            keys = await ends.handshake()
            client, server = ends.viewer.keys(keys.profile)
            assert (keys.tx, keys.rx) == (server, client)
            await ends.session.close()
            return keys

        assert len({keys.tx for keys in await asyncio.gather(*map(one, range(6)))}) == 6


class TestAfterwards:
    @pytest.mark.parametrize("settled", [False, True])
    async def test_the_viewers_goodbye_is_noticed_once(self, settled):
        closed = asyncio.Event()
        ends = pair(on_closed=closed.set, settled_after_s=0.0 if settled else 30.0)
        await ends.handshake(until_settled=settled)
        ends.viewer.shutdown()
        await asyncio.wait_for(closed.wait(), 10)
        closed.clear()
        ends.session.datagram(ends.up.sent[-1])
        await asyncio.sleep(0)
        assert not closed.is_set()

    @pytest.mark.parametrize("settled", [False, True])
    async def test_our_goodbye_reaches_the_viewer(self, settled):
        ends = pair(settled_after_s=0.0 if settled else 30.0)
        await ends.handshake(until_settled=settled)
        sent = len(ends.down.sent)
        await ends.session.close()
        await ends.session.close()
        await asyncio.wait_for(ends.viewer.goodbye.wait(), 10)
        assert len(ends.down.sent) == sent + 1

    async def test_no_task_is_left_and_openssl_goes(self):
        ends = pair()
        await ends.handshake()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await ends.session.close()
        ends = pair(settled_after_s=0.0)
        await ends.handshake(until_settled=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await ends.session.close()

    async def test_openssl_goes_as_soon_as_the_viewer_needs_nothing_repeated(self):
        closed = asyncio.Event()
        ends = pair(on_closed=closed.set)
        ends.session.settle()  # too early to mean anything
        await ends.handshake()
        assert ends.session._connection is not None
        ends.session.settle()
        ends.session.settle()
        assert ends.session._connection is None and ends.session._timer is None
        ends.viewer.shutdown()
        await asyncio.wait_for(closed.wait(), 10)

    async def test_a_suite_without_farewell_keeps_openssl_and_works_on(self):
        certificate = RTCCertificate.generateCertificate()
        context = viewer_context(certificate)
        context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA")
        up, down = Link(), Link()
        viewer = OpensslViewer(up, certificate=certificate, context=context)
        closed = asyncio.Event()
        session = DtlsSession(
            FakePeer(down), CERTIFICATE, [viewer.fingerprint], on_closed=closed.set, settled_after_s=0.0
        )
        down.deliver, up.deliver = viewer.datagram, session.datagram
        await Pair(session, viewer, down, up).handshake()
        await asyncio.sleep(0.01)
        viewer.shutdown()
        await asyncio.wait_for(closed.wait(), 10)
        await asyncio.wait_for(viewer.goodbye.wait(), 10)

    async def test_a_forged_goodbye_is_not_believed(self):
        closed = asyncio.Event()
        ends = pair(on_closed=closed.set, settled_after_s=0.0)
        await ends.handshake(until_settled=True)
        ends.viewer.connection.shutdown()
        real = ends.viewer.connection.bio_read(1000)
        for index in range(len(real)):
            forged = bytearray(real)
            forged[index] ^= 1
            ends.session.datagram(bytes(forged))
        ends.session.datagram(real[:-1])
        ends.session.datagram(b"\x15\xfe\xfd" + bytes(8) + b"\0\2\1\0")
        assert not closed.is_set()
        ends.session.datagram(real)
        assert closed.is_set()
