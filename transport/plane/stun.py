"""STUN binding requests and their answers, as ICE uses them (RFC 8489, RFC 8445 section 7.1).

Bytes in, bytes out; who may be answered is decided in `ice.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass, field

from transport.errors import WireError

BINDING_REQUEST = 0x0001
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

MAPPED_ADDRESS = 0x0001
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

_HEADER = struct.Struct("!HHI12s")
_COOKIE = 0x2112A442
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_BYTES = 20
_REASONS = {400: "Bad Request", 401: "Unauthenticated", 487: "Role Conflict"}

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Message:
    """One STUN message.

    Attributes:
        message_type: method and class, `BINDING_REQUEST` and so on.
        transaction_id: 12 bytes.
        attributes: the first of each type, in wire order; what follows MESSAGE-INTEGRITY is left out (RFC
            8489 14.5), but FINGERPRINT.
    """

    message_type: int
    transaction_id: bytes
    attributes: dict[int, bytes]
    _covered: bytes = field(default=b"", repr=False)

    @property
    def has_fingerprint(self) -> bool:
        """A FINGERPRINT was there, and `parse` found it right."""
        return FINGERPRINT in self.attributes

    @property
    def use_candidate(self) -> bool:
        """The controlling side nominates this pair."""
        return USE_CANDIDATE in self.attributes

    @property
    def username(self) -> str | None:
        """USERNAME, "local ufrag:remote ufrag" seen from the receiver; None without one."""
        value = self.attributes.get(USERNAME)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def error_code(self) -> int | None:
        """Number of the ERROR-CODE, None without one."""
        value = self.attributes.get(ERROR_CODE)
        return None if value is None or len(value) < 4 else (value[2] & 7) * 100 + value[3]

    @property
    def xor_mapped_address(self) -> Address | None:
        """Where the sender of this answer saw the request come from, None without one.

        Raises:
            WireError: neither an IPv4 nor an IPv6 address.
        """
        value = self.attributes.get(XOR_MAPPED_ADDRESS)
        if value is None:
            return None
        sizes = {1: 8, 2: 20}
        if len(value) < 4 or sizes.get(value[1]) != len(value):
            raise WireError("stun: a malformed XOR-MAPPED-ADDRESS")
        port = int.from_bytes(value[2:4], "big") ^ _COOKIE >> 16
        packed = _xor(value[4:], self.transaction_id)
        return str(ipaddress.ip_address(packed)), port

    def is_signed_with(self, password: str) -> bool:
        """True if MESSAGE-INTEGRITY is there and was made with this password (constant time)."""
        signature = self.attributes.get(MESSAGE_INTEGRITY)
        if signature is None or len(signature) != _INTEGRITY_BYTES:
            return False
        return hmac.compare_digest(signature, _sign(self._covered, password))


def parse(datagram: bytes) -> Message:
    """Read one message; its FINGERPRINT is checked if there is one, its signature is not.

    Raises:
        WireError: not STUN, a length that goes beyond the end, or a wrong FINGERPRINT.
    """
    if len(datagram) < _HEADER.size:
        raise WireError(f"stun: {len(datagram)} bytes, the header needs {_HEADER.size}")
    message_type, length, cookie, transaction_id = _HEADER.unpack_from(datagram)
    if message_type >> 14 or cookie != _COOKIE:
        raise WireError("stun: not a STUN message")
    if length % 4 or _HEADER.size + length != len(datagram):
        raise WireError(f"stun: length {length} in a datagram of {len(datagram)} bytes")
    attributes: dict[int, bytes] = {}
    covered = b""
    at = _HEADER.size
    while at < len(datagram):
        attribute, size = struct.unpack_from("!HH", datagram, at)
        value = datagram[at + 4 : at + 4 + size]
        if len(value) < size:
            raise WireError(f"stun: attribute {attribute:#06x} goes beyond the end")
        if attribute == FINGERPRINT:
            if value != _fingerprint(datagram[:at]):
                raise WireError("stun: wrong fingerprint")
            attributes[FINGERPRINT] = value
            break  # it "MUST be the last attribute" (RFC 8489 14.7)
        if MESSAGE_INTEGRITY not in attributes:
            attributes.setdefault(attribute, value)
            if attribute == MESSAGE_INTEGRITY:
                covered = _with_length(datagram[:at], at - _HEADER.size + 4 + _INTEGRITY_BYTES)
        at += 4 + size + -size % 4
    return Message(message_type, transaction_id, attributes, covered)


def serialize(
    message_type: int, transaction_id: bytes, attributes: dict[int, bytes], password: str | None = None
) -> bytes:
    """Write one message, signed if a password is given, always with FINGERPRINT.

    Args:
        message_type: method and class.
        transaction_id: 12 bytes.
        attributes: without MESSAGE-INTEGRITY and FINGERPRINT.
        password: of the side that answers checks (the server's own, for requests and responses).
    """
    body = b"".join(_attribute(number, value) for number, value in attributes.items())
    message = _HEADER.pack(message_type, len(body), _COOKIE, transaction_id) + body
    if password is not None:
        message = _with_length(message, len(message) - _HEADER.size + 4 + _INTEGRITY_BYTES)
        message += _attribute(MESSAGE_INTEGRITY, _sign(message, password))
    message = _with_length(message, len(message) - _HEADER.size + 8)
    return message + _attribute(FINGERPRINT, _fingerprint(message))


def binding_success(request: Message, address: Address, password: str) -> bytes:
    """The answer to a request that came from `address`."""
    mapped = xor_address(address, request.transaction_id)
    return serialize(BINDING_SUCCESS, request.transaction_id, {XOR_MAPPED_ADDRESS: mapped}, password)


def binding_error(request: Message, code: int, password: str | None = None) -> bytes:
    """A refusal: 400, 401 (both unsigned, the sender is not known) or 487."""
    value = struct.pack("!xxBB", code // 100, code % 100) + _REASONS[code].encode()
    return serialize(BINDING_ERROR, request.transaction_id, {ERROR_CODE: value}, password)


def xor_address(address: Address, transaction_id: bytes) -> bytes:
    """Value of XOR-MAPPED-ADDRESS (RFC 8489 14.2)."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    family = 1 if ip.version == 4 else 2
    return struct.pack("!xBH", family, address[1] ^ _COOKIE >> 16) + _xor(ip.packed, transaction_id)


def _xor(packed: bytes, transaction_id: bytes) -> bytes:
    key = _COOKIE.to_bytes(4, "big") + transaction_id
    return bytes(a ^ b for a, b in zip(packed, key, strict=False))


def _attribute(number: int, value: bytes) -> bytes:
    return struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)


def _with_length(message: bytes, length: int) -> bytes:
    # The signature covers a length that ends with the signature itself (RFC 8489 14.5).
    return message[:2] + struct.pack("!H", length) + message[4:]


def _sign(covered: bytes, password: str) -> bytes:
    return hmac.new(password.encode(), covered, hashlib.sha1).digest()


def _fingerprint(message: bytes) -> bytes:
    return struct.pack("!I", zlib.crc32(message) ^ _FINGERPRINT_XOR)
