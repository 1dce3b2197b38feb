"""DTLS with one viewer, over the media plane's `Peer`: the handshake that gives SRTP its keys (RFC 5764).

OpenSSL is driven by what happens, a datagram or its own retransmission timer, on the event loop; there is no
task. aiortc's transport is not used: it sends a flight as one datagram however long, hides why a handshake
failed, and keeps a task and an OpenSSL connection for as long as the viewer stays. `farewell.py` is what is
kept here instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiortc.rtcdtlstransport import certificate_digest
from OpenSSL import SSL

from transport.errors import LinkError, StateError
from transport.plane.interface import Peer, SrtpProfile
from transport.webrtc.certificate import ALL_PROFILES, ServerCertificate
from transport.webrtc.farewell import Farewell
from transport.webrtc.records import pack_datagrams
from transport.webrtc.wire import Fingerprint

logger = logging.getLogger(__name__)

#: Below what tunnels and mobile networks leave of 1280, IPv6's least.
MAX_DATAGRAM_BYTES = 1200
#: A client's longest flight is 5 datagrams; 64 leaves room for its retransmissions.
MAX_INBOX = 64
#: A viewer that missed our last flight asks again after 1, 2, 4, 8, 16 seconds.
SETTLED_AFTER_S = 30.0

# FFmpeg that is built with GnuTLS makes its certificate on P-224, which OpenSSL 4 takes no more in TLS.
_OLD_CURVE = "its certificate is on a curve that is not taken any more, expected P-256"
_HINTS = {"wrong curve": f"{_OLD_CURVE} (FFmpeg: -cert_file and -key_file)"}
_HASHES = ("sha-512", "sha-384", "sha-256")  # the strongest that is offered decides (RFC 8122 section 5)


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What the handshake agreed on; `Peer.set_keys` takes exactly this.

    Attributes:
        tx: master key and salt for what we send, concatenated.
        rx: for what the viewer sends.
    """

    profile: SrtpProfile
    tx: bytes = field(repr=False)
    rx: bytes = field(repr=False)


class DtlsSession:
    """One viewer's DTLS. Event loop only; owns no task, and no timer either once it is settled.

    Args:
        peer: where datagrams go; those that come from it are given to `datagram`.
        certificate: the one whose fingerprint the viewer was told.
        remote_fingerprints: of the viewer's certificate, from its offer.
        role: ours, "server" or "client".
        profiles: the SRTP profiles that are good enough, the preferred one first.
        on_closed: called once, when the viewer says goodbye after the handshake.
        settled_after_s: how long OpenSSL is kept after the handshake to repeat our last flight.

    Attributes:
        version: such as "DTLSv1.2", "" before the handshake.
        cipher: the suite, in OpenSSL's words; it protects the handshake, media has SRTP's own.
    """

    def __init__(
        self,
        peer: Peer,
        certificate: ServerCertificate,
        remote_fingerprints: Sequence[Fingerprint],
        *,
        role: str = "server",
        profiles: Sequence[SrtpProfile] = ALL_PROFILES,
        on_closed: Callable[[], None] | None = None,
        settled_after_s: float = SETTLED_AFTER_S,
    ) -> None:
        self.version = ""
        self.cipher = ""
        self.dropped = 0  # datagrams that came too early and too many
        self._peer = peer
        self._certificate = certificate
        self._fingerprints = tuple(remote_fingerprints)
        self._role = role
        self._profiles = tuple(profiles)
        self._on_closed = on_closed
        self._settled_after_s = settled_after_s
        self._inbox: deque[bytes] = deque()
        self._received = 0
        self._connection: SSL.Connection | None = None
        self._farewell: Farewell | None = None
        self._keys: asyncio.Future[SrtpKeys] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reachable = asyncio.Event()
        self._closed = False

    async def handshake(self, timeout_s: float = 30.0) -> SrtpKeys:
        """Agree on keys. Call once.

        A client waits for the viewer's address first (`address_learned`); a server waits to be spoken to.

        Raises:
            LinkError: `timeout`; `refused` with OpenSSL's words; `unauthorized` if the certificate is not the
                one the offer announced; `unsupported` without a common SRTP profile; `ended` if closed.
            StateError: a second call.
        """
        if self._connection is not None or self._keys is not None:
            raise StateError("dtls: one handshake per session")
        loop = asyncio.get_running_loop()
        self._keys = loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                if self._role == "client" and self._peer.address is None:
                    await self._reachable.wait()
                if not self._closed:
                    self._start()
                return await self._keys
        except TimeoutError:
            arrived = f"{self._received} datagrams arrived" if self._received else "no datagram arrived"
            raise LinkError("timeout", f"dtls: no handshake within {timeout_s:g} s, {arrived}") from None
        finally:
            if self._keys.cancelled() or not self._keys.done() or self._keys.exception() is not None:
                self._shut()

    def address_learned(self) -> None:
        """The viewer has an address now; a client begins to speak."""
        self._reachable.set()

    def datagram(self, data: bytes) -> None:
        """Take one DTLS datagram from the viewer, whole (a ClientHello may span several: RFC 6347 4.2.3)."""
        if self._closed:
            return
        self._received += 1
        if self._farewell is not None:
            if self._farewell.is_goodbye(data):
                self._goodbye()
        elif self._connection is not None:
            self._feed(self._connection, data)
        elif len(self._inbox) < MAX_INBOX:
            self._inbox.append(data)
        else:
            self.dropped += 1

    def settle(self) -> None:
        """The viewer has shown that it has the keys, so it needs nothing repeated: let go of OpenSSL now."""
        if self._connection is not None and not self._is_pending() and not self._closed:
            self._disarm()
            self._settle(self._connection)

    async def close(self) -> None:
        """Say goodbye and let go of everything. Idempotent; a handshake under way ends with a LinkError."""
        if self._closed:
            return
        self._fail(LinkError("ended", "dtls: closed before the handshake was done"))
        self._shut()

    def _start(self) -> None:
        connection = self._connection = SSL.Connection(self._certificate.context_for(self._profiles))
        connection.set_ciphertext_mtu(MAX_DATAGRAM_BYTES)
        if self._role == "client":
            connection.set_connect_state()
            self._advance(connection)
        else:
            connection.set_accept_state()
        while self._inbox and not self._closed:
            self._feed(connection, self._inbox.popleft())

    def _feed(self, connection: SSL.Connection, data: bytes) -> None:
        # One datagram at a time: whatever a memory BIO holds is one datagram to OpenSSL.
        connection.bio_write(data)
        if self._is_pending():
            self._advance(connection)
        if self._is_agreed() and not self._closed:
            self._drain(connection)

    def _is_pending(self) -> bool:
        return self._keys is not None and not self._keys.done()

    def _is_agreed(self) -> bool:
        keys = self._keys
        return keys is not None and keys.done() and not keys.cancelled() and keys.exception() is None

    def _advance(self, connection: SSL.Connection) -> None:
        """Take the handshake as far as it goes."""
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            self._flush(connection)
            self._arm(connection)
        except SSL.Error as error:
            self._flush(connection)  # the alert that tells the viewer why
            self._fail(LinkError("refused", f"dtls: {_reason(error)}"))
        else:
            self._flush(connection)
            self._finish(connection)

    def _finish(self, connection: SSL.Connection) -> None:
        assert self._keys is not None
        try:
            self._check_identity(connection)
            self._keys.set_result(self._export_keys(connection))
        except LinkError as error:
            self._fail(error)
            return
        self.version = connection.get_protocol_version_name()
        self.cipher = connection.get_cipher_name() or ""
        logger.debug("dtls: %s, %s", self.version, self.cipher)
        self._arm(connection)

    def _check_identity(self, connection: SSL.Connection) -> None:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise LinkError("unauthorized", "dtls: the viewer showed no certificate")
        for algorithm in _HASHES:
            announced = {found.value for found in self._fingerprints if found.algorithm == algorithm}
            if announced:
                shown = certificate_digest(certificate, algorithm)
                if shown not in announced:
                    raise LinkError(
                        "unauthorized",
                        f"dtls: fingerprint mismatch, the certificate has {algorithm} {shown[:23]}…, "
                        "the offer announced another",
                    )
                return
        raise LinkError("unauthorized", "dtls: the offer announced no fingerprint of a known algorithm")

    def _export_keys(self, connection: SSL.Connection) -> SrtpKeys:
        selected = connection.get_selected_srtp_profile().decode()
        profile = next((item for item in self._profiles if f"SRTP_{item.value}" == selected), None)
        if profile is None:
            expected = ", ".join(item.value for item in self._profiles)
            raise LinkError("unsupported", f"dtls: no common SRTP profile, expected {expected}")
        key, salt = profile.key_bytes, profile.salt_bytes
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        # RFC 5764 section 4.2: client key, server key, client salt, server salt.
        client = material[:key] + material[2 * key :][:salt]
        server = material[key:][:key] + material[2 * key + salt :]
        tx, rx = (server, client) if self._role == "server" else (client, server)
        return SrtpKeys(profile, tx, rx)

    def _drain(self, connection: SSL.Connection) -> None:
        """After the handshake: repeat our last flight if the viewer missed it, notice its goodbye."""
        try:
            while connection.recv(2048):
                pass
        except SSL.WantReadError:
            self._flush(connection)
            self._arm(connection)
        except SSL.Error:  # a close_notify (ZeroReturnError) or a fatal alert
            self._goodbye()

    def _arm(self, connection: SSL.Connection) -> None:
        """Wake up for OpenSSL's retransmission; or, when it awaits nothing more, to let go of OpenSSL."""
        self._disarm()
        loop = asyncio.get_running_loop()
        timeout_s = connection.DTLSv1_get_timeout()
        if timeout_s is not None:
            self._timer = loop.call_later(max(timeout_s, 0.01), self._retransmit, connection)
        elif not self._is_pending():
            self._timer = loop.call_later(self._settled_after_s, self._settle, connection)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retransmit(self, connection: SSL.Connection) -> None:
        try:
            connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(LinkError("timeout", f"dtls: gave up repeating, {_reason(error)}"))
            return
        self._flush(connection)
        self._arm(connection)

    def _settle(self, connection: SSL.Connection) -> None:
        self._timer = None
        self._farewell = Farewell.of(connection, self._role)
        if self._farewell is not None:
            self._connection = None

    def _flush(self, connection: SSL.Connection) -> None:
        written = bytearray()
        try:
            while chunk := connection.bio_read(65536):
                written += chunk
        except SSL.Error:
            pass  # nothing more to read
        for datagram in pack_datagrams(bytes(written), MAX_DATAGRAM_BYTES):
            self._peer.send(datagram)

    def _fail(self, error: LinkError) -> None:
        self._disarm()
        self._reachable.set()
        if self._keys is not None and not self._keys.done():
            self._keys.set_exception(error)

    def _goodbye(self) -> None:
        self._shut()
        if self._on_closed is not None:
            self._on_closed()

    def _shut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._disarm()
        connection, self._connection = self._connection, None
        farewell, self._farewell = self._farewell, None
        self._inbox.clear()
        if farewell is not None:
            self._peer.send(farewell.close_notify)
        elif connection is not None:
            try:
                connection.shutdown()
            except SSL.Error:
                pass  # nothing to shut down before the handshake is done
            self._flush(connection)


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words for what went wrong, and what helps where that is known."""
    queue = error.args[0] if error.args else ()
    words = str(error) or type(error).__name__
    if isinstance(queue, list) and queue:
        words = "; ".join(str(entry[-1]) for entry in queue)
    return "; ".join([words, *(hint for said, hint in _HINTS.items() if said in words)])
