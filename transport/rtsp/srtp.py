"""SRTP of a publisher over RTSP (RFC 3711); that of WebRTC is in `transport/plane/`."""

from __future__ import annotations

import pylibsrtp

from transport.errors import WireError


class Opener:
    """Decrypts one track's packets.

    Args:
        key: master key and salt of AES128_CM_SHA1_80, as `mikey.parse_key` returns them.
    """

    def __init__(self, key: bytes) -> None:
        policy = pylibsrtp.Policy(
            key=key,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        )
        self._session = pylibsrtp.Session(policy)

    def open(self, packet: bytes, *, is_rtcp: bool) -> bytes:
        """Decrypt one packet.

        Raises:
            WireError: not authentic, or come before.
        """
        try:
            return self._session.unprotect_rtcp(packet) if is_rtcp else self._session.unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise WireError(f"srtp: {error}") from None
