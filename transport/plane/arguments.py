"""What both planes refuse of what a caller asks for, in the caller's thread."""

from __future__ import annotations

from transport.plane.interface import PlaneOptions, SrtpProfile, Subscription

#: libsrtp's binding takes 1356 bytes; header, extensions and the number in front of an RTX payload are less.
_PAYLOAD_BYTES = range(64, 1301)
_MAX_CREDENTIAL_BYTES = 256


def check_options(options: PlaneOptions) -> None:
    """Raises ValueError: packets cannot be made with these."""
    if options.max_payload_bytes not in _PAYLOAD_BYTES:
        raise ValueError(f"max_payload_bytes is {options.max_payload_bytes}, allowed are 64-1300")


def check_keys(profile: SrtpProfile, tx: bytes, rx: bytes) -> None:
    """Raises ValueError: a key whose length does not fit the profile."""
    expected = profile.key_bytes + profile.salt_bytes
    if len(tx) != expected or len(rx) != expected:
        raise ValueError(f"{profile.value} needs {expected} bytes of key and salt each way")


def check_payload_types(subscription: Subscription) -> None:
    """Raises ValueError: one that does not fit its 7 bits (RFC 3550 section 5.1)."""
    for payload_type in (subscription.payload_type, subscription.rtx_payload_type or 0):
        if not 0 <= payload_type < 128:
            raise ValueError(f"payload type {payload_type} is outside 0-127")


def credential_bytes(ufrag: str, pwd: str) -> tuple[bytes, bytes]:
    """ICE credentials as they are in STUN messages.

    Raises:
        ValueError: one of them is empty, or longer than a STUN attribute may be (RFC 8445 section 5.3).
    """
    name, password = ufrag.encode(), pwd.encode()
    if not 0 < len(name) <= _MAX_CREDENTIAL_BYTES or not 0 < len(password) <= _MAX_CREDENTIAL_BYTES:
        raise ValueError(f"ICE credentials have 1 to {_MAX_CREDENTIAL_BYTES} bytes")
    return name, password
