"""The key of a publisher's SRTP: MIKEY messages (RFC 3830), as descriptions in RTSP carry them (RFC 4567).

Who publishes over RTSPS may encrypt packets once more inside TLS, as gortsplib does, the library of MediaMTX.
TLS is what protects the message: its time is not looked at, and one that needs another key is refused.
"""

from __future__ import annotations

import base64

from transport.errors import WireError

#: Of AES-128 in counter mode, which SRTP has where nothing else is agreed on (RFC 3711 section 5).
_KEY_BYTES, _SALT_BYTES = 16, 14
_TIME_BYTES = {0: 8, 1: 8, 2: 4}
_STREAM_BYTES, _ROC_AT = 9, 5
#: Keys that packets are encrypted with as they are, without and with a salt of its own (section 6.13).
_TEK, _TEK_AND_SALT = 2, 3
#: What a policy may say of SRTP, and the one value of each that is taken: the default (section 6.10.1).
_POLICIES = {0: 1, 1: _KEY_BYTES, 2: 1, 3: 20, 4: _SALT_BYTES, 5: 0, 6: 0, 7: 1, 8: 1, 10: 1, 11: 10, 12: 0}


def parse_key(management: str) -> bytes:
    """Read the value of `a=key-mgmt`: "mikey" and a message in Base64.

    Returns:
        Master key and salt of AES128_CM_SHA1_80, 30 bytes.

    Raises:
        WireError: no such message, or another cipher; never holds the key.
    """
    protocol, _, text = management.strip().partition(" ")
    if protocol.lower() != "mikey":
        raise WireError("key-mgmt: expected mikey and a message in Base64")
    try:
        message = _Bytes(base64.b64decode(text.strip(), validate=True))
    except ValueError:
        raise WireError("mikey: not Base64") from None
    payload, key = _header(message), b""
    while payload:
        following = message.number()
        match payload:
            case 1:  # KEMAC
                key = _kemac(message)
            case 5:  # T
                message.take(_TIME_BYTES.get(message.number(), 8))
            case 10:  # SP
                _check_policy(message)
            case 11:  # RAND
                message.take(message.number())
            case _:
                raise WireError(f"mikey: payload {payload} is not supported")
        payload = following
    if not key:
        raise WireError("mikey: a message without a key")
    return key


class _Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def take(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        if len(taken) < count:
            raise WireError("mikey: it ends too early")
        return taken

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")


def _header(message: _Bytes) -> int:
    """Take the common header (section 6.1); the type of the payload behind it."""
    version, kind, payload, flags = message.take(4)
    message.take(4)  # the bundle's number
    streams, mapping = message.take(2)
    if (version, kind, flags, mapping) != (1, 0, 0, 0):
        raise WireError("mikey: expected version 1, a message with a pre-shared key, for SRTP")
    for _ in range(streams):
        if any(message.take(_STREAM_BYTES)[_ROC_AT:]):
            raise WireError("mikey: expected a stream that begins, without rollovers")
    return payload


def _check_policy(message: _Bytes) -> None:
    message.take(2)  # its number, and SRTP, the only protocol there is
    policy = _Bytes(message.take(message.number(2)))
    while policy:
        kind = policy.number()
        value = policy.number(policy.number())
        if value != _POLICIES.get(kind, value):
            raise WireError(f"mikey: expected AES-128 in counter mode, HMAC-SHA1-80 (policy {kind}: {value})")


def _kemac(message: _Bytes) -> bytes:
    """Take what holds the key (section 6.2), which nothing protects but TLS."""
    if message.number():
        raise WireError("mikey: the key is encrypted")
    data = _Bytes(message.take(message.number(2)))
    if message.number():
        raise WireError("mikey: the key has a MAC")
    following, kinds = data.take(2)
    kind, validity = kinds >> 4, kinds & 15
    if following or kind not in (_TEK, _TEK_AND_SALT) or validity:
        raise WireError("mikey: expected one key for packets, without identifier or interval")
    key = data.take(data.number(2))
    if kind == _TEK_AND_SALT:
        key += data.take(data.number(2))
    if len(key) != _KEY_BYTES + _SALT_BYTES:
        raise WireError(f"mikey: {len(key)} bytes of key and salt, expected {_KEY_BYTES + _SALT_BYTES}")
    return key
