"""A viewer made of bare OpenSSL, and the seeded link between it and a `DtlsSession`."""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Callable

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTP_PROFILES, certificate_digest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from transport.plane.interface import Feed, SrtpProfile, Subscription
from transport.webrtc.records import split_records
from transport.webrtc.wire import Fingerprint

CHROMIUM_PROFILES = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM"


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so; fails after 10 s."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


class Link:
    """One direction of a path. Loses and reorders as its seed says; remembers what was sent."""

    def __init__(
        self,
        *,
        seed: int = 0,
        loss: float = 0.0,
        jitter_s: float = 0.0,
        drop: Callable[[int], bool] | None = None,
    ) -> None:
        self.sent: list[bytes] = []
        self.deliver: Callable[[bytes], None] = lambda data: None
        self._random = random.Random(seed)
        self._loss = loss
        self._jitter_s = jitter_s
        self._drop = drop or (lambda index: False)

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        if self._random.random() < self._loss or self._drop(len(self.sent) - 1):
            return
        delay_s = self._random.uniform(0, self._jitter_s) if self._jitter_s else 0
        asyncio.get_running_loop().call_later(delay_s, self.deliver, data)


class FakePeer:
    """The plane's side of a viewer: whatever is sent goes into a link."""

    def __init__(self, link: Link, address: tuple[str, int] | None = ("192.0.2.7", 40000)) -> None:
        self.id = 1
        self.address = address
        self.protocol = "udp"
        self.datagrams_dropped = 0
        self._link = link

    def set_credentials(self, ufrag: str, pwd: str) -> None: ...

    def set_keys(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None: ...

    def send(self, data: bytes) -> None:
        self._link.send(data)

    def take(self, most: int, seconds: float) -> list[bytes]:
        return []

    def subscribe(self, feed: Feed, subscription: Subscription) -> None: ...

    def close(self, *, bye: bool = True) -> None: ...


class OpensslViewer:
    """The other end, driven by datagrams and OpenSSL's timer; one record a datagram if its MTU is small."""

    def __init__(
        self,
        link: Link,
        *,
        certificate: RTCCertificate | None = None,
        context: SSL.Context | None = None,
        server: bool = False,
        mtu: int = 1200,
        hello_padding: int = 0,
    ) -> None:
        self.certificate = certificate or RTCCertificate.generateCertificate()
        self.context = context or viewer_context(self.certificate)
        if hello_padding:
            self.context.set_alpn_protos([b"x" * 250 for _ in range(hello_padding // 250)])
        self.connection = SSL.Connection(self.context)
        self.connection.set_ciphertext_mtu(mtu)
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.goodbye = asyncio.Event()
        self._link = link
        self._mtu = mtu
        self._timer: asyncio.TimerHandle | None = None
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("sha-256", certificate_digest(self.certificate._cert, "sha-256"))

    def start(self) -> None:
        self._advance()

    def datagram(self, data: bytes) -> None:
        self.connection.bio_write(data)
        if not self.connected.done():
            self._advance()
        if self.connected.done():
            try:
                self.connection.recv(2048)
            except SSL.WantReadError:
                self.flush()
            except SSL.ZeroReturnError:
                self.goodbye.set()

    def shutdown(self) -> None:
        self.connection.shutdown()
        self.flush()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def keys(self, profile: SrtpProfile) -> tuple[bytes, bytes]:
        """What the client writes with and what the server writes with."""
        key, salt = profile.key_bytes, profile.salt_bytes
        secret = self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        parts = []
        for length in (key, key, salt, salt):
            parts.append(secret[:length])
            secret = secret[length:]
        return parts[0] + parts[2], parts[1] + parts[3]

    def flush(self) -> None:
        try:
            data = self.connection.bio_read(65536)
        except SSL.WantReadError:
            return
        for record in split_records(data):
            self._link.send(record)

    def _advance(self) -> None:
        self.stop()
        try:
            self.connection.do_handshake()
        except SSL.WantReadError:
            self.flush()
            timeout_s = self.connection.DTLSv1_get_timeout()
            if timeout_s is not None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(max(timeout_s, 0.01), self._retransmit)
        except SSL.Error as error:
            self.flush()
            self.connected.set_exception(error)
            self.connected.exception()  # the test may care or not
        else:
            self.flush()
            self.connected.set_result(None)

    def _retransmit(self) -> None:
        self.connection.DTLSv1_handle_timeout()
        self.flush()
        self._advance()


def viewer_context(
    certificate: RTCCertificate | None, profiles: bytes | None = CHROMIUM_PROFILES
) -> SSL.Context:
    """A client's context: no certificate and no SRTP if told so."""
    if certificate is not None and profiles == CHROMIUM_PROFILES:
        context = certificate._create_ssl_context(srtp_profiles=SRTP_PROFILES)
        context.set_tlsext_use_srtp(profiles)
    else:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_PEER, lambda *args: True)
        if certificate is not None:
            context.use_certificate(certificate._cert)
            context.use_privatekey(certificate._key)
        if profiles is not None:
            context.set_tlsext_use_srtp(profiles)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    return context


def bulky_certificate(
    padding_bytes: int, curve: ec.EllipticCurve | None = None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Key and certificate with an extension that makes it as long as wanted."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bulky")])
    now = datetime.datetime.now(datetime.UTC)
    padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(padding_bytes))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(padding, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate
