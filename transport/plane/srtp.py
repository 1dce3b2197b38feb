"""SRTP and SRTCP of one viewer or publisher, by libsrtp. Not thread-safe: one thread uses it."""

from __future__ import annotations

import pylibsrtp

from transport.errors import WireError
from transport.plane.interface import SrtpProfile
from transport.rtp.rtcp import is_rtcp

_PROFILES = {
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
#: How far back a packet can be sent again under its old number; libsrtp allows less than 2**15.
_WINDOW_PACKETS = 16384
#: How far behind the newest of its source a packet of a publisher may be; `core/opening.c` has the same.
_OPENED_WINDOW_PACKETS = 1024


class SrtpSession:
    """Both directions under one pair of keys."""

    def __init__(self, profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
        for name, key in (("tx", tx), ("rx", rx)):
            if len(key) != profile.key_bytes + profile.salt_bytes:
                raise ValueError(f"{name}: {len(key)} bytes of key and salt do not fit {profile.value}")
        outbound = pylibsrtp.Policy(
            key=tx, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=_PROFILES[profile]
        )
        outbound.allow_repeat_tx = True  # for viewers without RTX, who get the very same packet again
        outbound.window_size = _WINDOW_PACKETS
        inbound = pylibsrtp.Policy(
            key=rx, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=_PROFILES[profile]
        )
        self._tx = pylibsrtp.Session(outbound)
        self._rx = pylibsrtp.Session(inbound)

    def protect(self, packet: bytes) -> bytes | None:
        """Encrypt one RTP packet; None for one that is too old to be sent again."""
        try:
            return self._tx.protect(packet)
        except pylibsrtp.Error:
            return None

    def unprotect(self, packet: bytes) -> bytes:
        """Decrypt one RTP packet.

        Raises:
            WireError: not authentic, or come before.
        """
        try:
            return self._rx.unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise WireError(f"srtp: {error}") from error

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt one RTCP compound."""
        return self._tx.protect_rtcp(packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Decrypt one SRTCP compound.

        Raises:
            WireError: not authentic, or replayed.
        """
        try:
            return self._rx.unprotect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise WireError(f"srtcp: {error}") from error


class Opener:
    """What a publisher sends, opened; `core/opening.c` is the same in native code.

    Args:
        profile: as agreed on.
        key: the publisher's master key and salt.

    Raises:
        ValueError: a key whose length does not fit the profile.
    """

    def __init__(self, profile: SrtpProfile, key: bytes) -> None:
        if len(key) != profile.key_bytes + profile.salt_bytes:
            raise ValueError(f"{len(key)} bytes of key and salt do not fit {profile.value}")
        policy = pylibsrtp.Policy(
            key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=_PROFILES[profile]
        )
        policy.window_size = _OPENED_WINDOW_PACKETS
        self._rx = pylibsrtp.Session(policy)

    def open(self, packet: bytes) -> bytes:
        """Decrypt one packet, RTP or RTCP.

        Raises:
            WireError: not authentic, come before, or too old.
        """
        try:
            return self._rx.unprotect_rtcp(packet) if is_rtcp(packet) else self._rx.unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise WireError(f"srtp: {error}") from error
