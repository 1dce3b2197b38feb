"""A viewer's DTLS: bare OpenSSL, one context and certificate for the whole crowd."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc import RTCCertificate
from OpenSSL import SSL

from transport.plane.interface import SrtpProfile
from transport.webrtc.records import pack_datagrams

#: In Chromium's order.
_PROFILES = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM"
_MAX_DATAGRAM_BYTES = 1200
#: Chromium repeats a flight after 50, 100, 200 ms and so on; OpenSSL's own timer begins with a second.
_FIRST_REPEAT_S = 0.05
_OPENSSL_FIRST_REPEAT_S = 0.8


class Identity:
    """The certificate all viewers share; making one for each would be most of the generator's work.

    Attributes:
        fingerprint: SHA-256, for the SDP.
        context: OpenSSL's.
    """

    def __init__(self) -> None:
        certificate = RTCCertificate.generateCertificate()
        (self.fingerprint,) = (
            item.value for item in certificate.getFingerprints() if item.algorithm == "sha-256"
        )
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.context.use_certificate(certificate._cert)
        self.context.use_privatekey(certificate._key)
        self.context.set_tlsext_use_srtp(_PROFILES)
        self.context.set_options(SSL.OP_NO_QUERY_MTU)


@dataclass(frozen=True, slots=True)
class Keys:
    """Master key and salt, concatenated: what the viewer writes with, and what the server does."""

    profile: SrtpProfile
    tx: bytes = field(repr=False)
    rx: bytes = field(repr=False)


class Handshake:
    """One handshake on the event loop.

    Args:
        identity: the crowd's.
        is_client: the viewer speaks first.
        send: takes one datagram.

    Attributes:
        keys: resolved when done.
    """

    def __init__(self, identity: Identity, is_client: bool, send: Callable[[bytes], None]) -> None:
        self.keys: asyncio.Future[Keys] = asyncio.get_running_loop().create_future()
        self._is_client = is_client
        self._send = send
        self._timer: asyncio.TimerHandle | None = None
        self._flight: list[bytes] = []
        self._pause_s = _FIRST_REPEAT_S
        self._connection = SSL.Connection(identity.context)
        self._connection.set_ciphertext_mtu(_MAX_DATAGRAM_BYTES)
        if is_client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def start(self) -> None:
        """Speak, if it is the viewer's turn."""
        if self._is_client:
            self._advance()

    def datagram(self, data: bytes) -> None:
        """Take one datagram."""
        self._connection.bio_write(data)
        if not self.keys.done():
            self._advance()
        else:
            try:
                self._connection.recv(2048)
            except SSL.Error:
                self._flush()  # our last flight once more, if that was asked for

    def stop(self) -> None:
        """Repeat nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self) -> None:
        self.stop()
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            self._pause_s = _FIRST_REPEAT_S
            self._arm()
        except SSL.Error as error:
            self._flush()
            self._fail(f"dtls: {error}")
        else:
            self._flush()
            if not self.keys.done():
                self._export()

    def _arm(self) -> None:
        timeout_s = self._pause_s if self._pause_s < _OPENSSL_FIRST_REPEAT_S else None
        if timeout_s is None:
            timeout_s = self._connection.DTLSv1_get_timeout()
        if timeout_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(timeout_s, 0.01), self._repeat)

    def _repeat(self) -> None:
        if self._pause_s < _OPENSSL_FIRST_REPEAT_S:
            for datagram in self._flight:
                self._send(datagram)
            self._pause_s *= 2
            self._arm()
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"dtls: gave up repeating, {error}")
            return
        self._flush()
        self._arm()

    def _export(self) -> None:
        selected = self._connection.get_selected_srtp_profile().decode().removeprefix("SRTP_")
        try:
            profile = SrtpProfile(selected)
        except ValueError:
            self._fail(f"dtls: no SRTP profile but {selected!r}")
            return
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        # RFC 5764 section 4.2: client key, server key, client salt, server salt.
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        tx, rx = (client, server) if self._is_client else (server, client)
        self.keys.set_result(Keys(profile, tx, rx))

    def _fail(self, why: str) -> None:
        self.stop()
        if not self.keys.done():
            self.keys.set_exception(ConnectionError(why))

    def _flush(self) -> None:
        written = bytearray()
        try:
            while chunk := self._connection.bio_read(65536):
                written += chunk
        except SSL.Error:
            pass  # nothing more to read
        flight = pack_datagrams(bytes(written), _MAX_DATAGRAM_BYTES)
        self._flight = flight or self._flight
        for datagram in flight:
            self._send(datagram)
