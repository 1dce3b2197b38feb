"""The certificate this process shows to viewers, and the OpenSSL context that goes with it."""

from __future__ import annotations

import datetime

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTPProtectionProfile,
)
from OpenSSL import SSL

from transport.webrtc.wire import Fingerprint

#: In our order, and ours wins. Chromium lists SHA1_80 first, FFmpeg knows nothing else.
_SRTP_PROFILES = [SRTP_AEAD_AES_256_GCM, SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80]
_RENEW_BEFORE = datetime.timedelta(days=7)


class ServerCertificate(RTCCertificate):
    """Self-signed, ECDSA P-256 (small enough for one datagram), valid for 30 days.

    The OpenSSL context is made once: making one costs a fifth of a handshake.
    """

    _context: SSL.Context | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """What the answer says (RFC 8122)."""
        return next(
            Fingerprint(found.algorithm, found.value)
            for found in self.getFingerprints()
            if found.algorithm == "sha-256"
        )

    @property
    def context(self) -> SSL.Context:
        """DTLS with our SRTP profiles; wants the viewer's certificate and leaves judging it to the caller."""
        if self._context is None:
            self._context = self._create_ssl_context(srtp_profiles=_SRTP_PROFILES)
        return self._context

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        # A memory BIO has no path to ask about its MTU; without this OpenSSL forgets the one it was given.
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return context


_current: ServerCertificate | None = None


def fresh_certificate(now: datetime.datetime | None = None) -> ServerCertificate:
    """This process's certificate, replaced a week before it expires. Event loop only.

    A session keeps the one whose fingerprint its answer carried.

    Args:
        now: with a time zone; None for the clock's.
    """
    global _current
    if _current is None or _current.expires - (now or datetime.datetime.now(datetime.UTC)) < _RENEW_BEFORE:
        _current = ServerCertificate.generateCertificate()
    return _current
