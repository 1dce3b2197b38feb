"""MIKEY messages for tests, as gortsplib 5 writes them."""

from __future__ import annotations

import base64
import struct

KEY = bytes(range(30))
#: What its policy says: AES-CM with 16 bytes, HMAC-SHA-1 with 20, all on, 10 bytes of tag.
POLICY = bytes.fromhex("000101 010110 020101 030114 070101 080101 0a0101 0b010a".replace(" ", ""))


def mikey(
    *,
    key: bytes = KEY,
    kind: int = 2,
    validity: int = 0,
    salt: bytes | None = None,
    policy: bytes = POLICY,
    rollovers: int = 0,
    protections: tuple[int, int] = (0, 0),
) -> bytes:
    """Time, random bytes, policy, key."""
    header = struct.pack("!BBBBIBB", 1, 0, 5, 0, 0xE3D890C5, 1, 0) + struct.pack("!BII", 0, 7, rollovers)
    time, random = b"\x0b\0" + bytes(8), b"\x0a\x10" + bytes(16)
    described = b"\x01\0\0" + struct.pack("!H", len(policy)) + policy
    data = bytes([0, kind << 4 | validity]) + struct.pack("!H", len(key)) + key
    if salt is not None:
        data += struct.pack("!H", len(salt)) + salt
    kemac = bytes([0, protections[0]]) + struct.pack("!H", len(data)) + data + bytes([protections[1]])
    return header + time + random + described + kemac


def management(message: bytes) -> str:
    """The value of `a=key-mgmt`."""
    return f"mikey {base64.b64encode(message).decode()}"
