"""The certificate this process shows to viewers, and the OpenSSL context that goes with it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTPProtectionProfile,
)
from OpenSSL import SSL

from transport.plane.interface import SrtpProfile
from transport.webrtc.wire import Fingerprint

_OPENSSL = {
    SrtpProfile.AEAD_AES_256_GCM: SRTP_AEAD_AES_256_GCM,
    SrtpProfile.AEAD_AES_128_GCM: SRTP_AEAD_AES_128_GCM,
    SrtpProfile.AES128_CM_SHA1_80: SRTP_AES128_CM_SHA1_80,
}
#: In our order, and ours wins. Chromium lists SHA1_80 first, FFmpeg knows nothing else.
ALL_PROFILES = tuple(_OPENSSL)
_RENEW_BEFORE = datetime.timedelta(days=7)


class ServerCertificate(RTCCertificate):
    """Self-signed, ECDSA P-256 (small enough for one datagram), valid for 30 days.

    There is one OpenSSL context for each list of SRTP profiles: making one costs a fifth of a handshake.
    """

    _contexts: dict[tuple[SrtpProfile, ...], SSL.Context] | None = None

    @functools.cached_property
    def fingerprint(self) -> Fingerprint:
        """What the answer says (RFC 8122)."""
        return next(
            Fingerprint(found.algorithm, found.value)
            for found in self.getFingerprints()
            if found.algorithm == "sha-256"
        )

    @property
    def context(self) -> SSL.Context:
        """DTLS with every SRTP profile that we know."""
        return self.context_for(ALL_PROFILES)

    def context_for(self, profiles: Sequence[SrtpProfile]) -> SSL.Context:
        """DTLS with these SRTP profiles; wants the viewer's certificate and leaves judging it to the caller.

        Args:
            profiles: the preferred one first; a viewer that offers none of them gets no keys.
        """
        if self._contexts is None:
            self._contexts = {}
        key = tuple(profiles)
        if key not in self._contexts:
            self._contexts[key] = self._create_ssl_context([_OPENSSL[profile] for profile in key])
        return self._contexts[key]

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        # A memory BIO has no path to ask about its MTU; without this OpenSSL forgets the one it was given.
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        return context


def profiles_of(key_bytes: int) -> tuple[SrtpProfile, ...]:
    """The SRTP profiles whose keys are at least so long, in our order.

    For 16 bytes that includes AES128_CM_SHA1_80: its cipher is AES-128 in counter mode, and its ten-byte tag
    guards against forgery, not against reading. FFmpeg knows nothing else.
    """
    return tuple(profile for profile in ALL_PROFILES if profile.key_bytes >= key_bytes)


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
