"""What a stream's `encryption` demands: a floor, below which no leg of it flows.

`Floor` is the value of the key; the checks here tell at start-up whether a source can hold it. What
only a handshake can tell is checked where the handshake is: SRT in `ingest`, SRTP in `egress/webrtc`, HTTPS
in `web/confidential.py`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from transport.errors import WireError
from transport.srt.options import SrtOptions
from transport.srt.wire import parse_srt_url

# "TLS_AES_256_GCM_SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "AES-192".
_KEY_BITS = re.compile(r"AES[-_]?(128|192|256)")


class Floor(enum.StrEnum):
    """The weakest encryption that is good enough."""

    NONE = "none"
    AES_128 = "aes-128"
    AES_256 = "aes-256"

    @property
    def key_bytes(self) -> int:
        """Length of the shortest key, 0 when there is no floor."""
        return {Floor.NONE: 0, Floor.AES_128: 16, Floor.AES_256: 32}[self]

    def __bool__(self) -> bool:
        """True when something is demanded."""
        return self is not Floor.NONE


@dataclass(frozen=True, slots=True)
class Leg:
    """What the way from a publisher to us is encrypted with, as found and not as asked for.

    Attributes:
        cipher: "AES-128", "AES-192", "AES-256", "TLS" where no more can be seen, or "none".
        key_state: "secured", "unsecured", or what went wrong in SRT's words; "" while unknown.
        checked: how we know, for people.
    """

    cipher: str
    key_state: str
    checked: str


def leg_over_tls(encryption: str, key_bits: int) -> Leg:
    """The way of a publisher, or to a reader, over a connection that has TLS or none.

    Args:
        encryption: such as "TLSv1.3, TLS_AES_256_GCM_SHA384".
        key_bits: of that cipher, 0 without TLS.
    """
    if not key_bits:
        return Leg("none", "unsecured", "it came without TLS")
    cipher = "TLS" if "CHACHA" in encryption else f"AES-{key_bits}"
    return Leg(cipher, "secured", f"the TLS handshake: {encryption}")


def objection_to(
    name: str, floor: Floor, *, has_passphrase: bool, encryption: str, key_bits: int, otherwise: str
) -> str:
    """Why a stream does not flow over a connection that has TLS or none, in words; "" where it may.

    Args:
        name: of the stream.
        floor: of the stream.
        has_passphrase: over SRT it would be encrypted.
        encryption: as in `leg_over_tls`.
        key_bits: as there.
        otherwise: how it should be done, such as "rtmps:// or SRT"; the first word has to reach the floor.
    """
    if has_passphrase and not key_bits:
        return f"{name!r} has a passphrase, so nothing comes in the clear; use {otherwise}"
    if key_bits < floor.key_bytes * 8:
        return f'{name!r} demands encryption = "{floor}", this has {encryption}; use {otherwise.split()[0]}'
    return ""


def key_bytes_of(cipher: str) -> int:
    """Length of the key of a cipher by its name, as TLS and SRT have it; 0 for none or an unknown one."""
    found = _KEY_BITS.search(cipher)
    return int(found[1]) // 8 if found is not None else 32 if "CHACHA20" in cipher else 0


def check_published(floor: Floor, *, has_passphrase: bool, pbkeylen: int) -> None:
    """Check what encoders are asked for.

    Raises:
        ValueError: it is less than the floor; says what was expected.
    """
    if not floor:
        return
    if not has_passphrase:
        raise ValueError(
            f'encryption = "{floor}" needs a passphrase, or publishers could come unencrypted; '
            "expected passphrase with 10-79 characters"
        )
    _check_key(floor, "pbkeylen", pbkeylen)


def check_source(floor: Floor, source: str, defaults: SrtOptions) -> None:
    """Check the address of a pulled stream.

    Args:
        floor: of the stream.
        source: rtsp://, rtsps:// or srt://, known to be well-formed.
        defaults: what an SRT address need not say: the stream's own passphrase and pbkeylen.

    Raises:
        ValueError: it is less than the floor; says what was expected, never a secret.
    """
    if not floor:
        return
    if source.startswith("rtsp:"):
        raise ValueError(f'encryption = "{floor}" needs TLS to the camera; expected source = "rtsps://…"')
    if source.startswith("srt:"):
        try:
            options = parse_srt_url(source, defaults).options
        except WireError as error:
            raise ValueError(str(error)) from None
        if options.passphrase is None:
            raise ValueError(
                f'encryption = "{floor}" needs a passphrase; expected srt://…?passphrase=…&pbkeylen='
                f"{floor.key_bytes}, or passphrase beside the source"
            )
        _check_key(floor, "pbkeylen of the source", options.pbkeylen)


def check_camera(floor: Floor, *, transport: str, verify: bool) -> None:
    """Check how an rtsps:// camera is spoken to.

    Raises:
        ValueError: its media would leave TLS, or anybody on the way could pose as the camera.
    """
    if floor and transport != "tcp":
        raise ValueError(
            f'encryption = "{floor}" needs the media inside TLS; expected rtsp_transport = "tcp"'
        )
    if floor and not verify:
        raise ValueError(
            f'encryption = "{floor}" needs to know the camera, or anybody on the way could pose as it; '
            "expected tls_verify = true, with tls_ca_file for a certificate of its own"
        )


def check_relay(floor: Floor, url: str, *, has_passphrase: bool, pbkeylen: int) -> None:
    """Check where a stream is relayed to.

    Args:
        floor: of the stream.
        url: rtmp://, rtmps:// or srt://, known to be well-formed.
        has_passphrase: of an SRT destination; its address may hold one too.
        pbkeylen: as `has_passphrase`.

    Raises:
        ValueError: it is less than the floor; says what was expected, never a secret.
    """
    if not floor:
        return
    if url.startswith("rtmp:"):
        raise ValueError(f'encryption = "{floor}" needs TLS to the destination; expected an rtmps:// address')
    if url.startswith("srt:"):
        options = parse_srt_url(url).options
        if not has_passphrase and options.passphrase is None:
            raise ValueError(
                f'encryption = "{floor}" needs a passphrase to the destination; expected passphrase'
            )
        _check_key(floor, "pbkeylen", pbkeylen if has_passphrase else options.pbkeylen)


def _check_key(floor: Floor, what: str, pbkeylen: int) -> None:
    if pbkeylen < floor.key_bytes:
        raise ValueError(
            f'encryption = "{floor}" needs {what} of at least {floor.key_bytes}, this is {pbkeylen}'
        )
