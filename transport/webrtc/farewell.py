"""All that is left of a DTLS connection once its handshake is settled: how to say and to hear goodbye.

An OpenSSL connection holds 75-90 KB, and a viewer's DTLS has nothing to do after the handshake but to carry
one close_notify. This keeps our close_notify, already encrypted, and the viewer's record key. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from OpenSSL import SSL

from transport.webrtc.records import split_records

_ALERT = 21
_DTLS12 = b"\xfe\xfd"
_HEADER_BYTES = 13
_TAG_BYTES = 16

#: Key and implicit IV length of the suites whose records are understood here (RFC 5288, RFC 7905).
_SUITES = {"ECDHE-ECDSA-AES128-GCM-SHA256": (16, 4), "ECDHE-ECDSA-CHACHA20-POLY1305": (32, 12)}


@dataclass(frozen=True, slots=True)
class Farewell:
    """Both ends' goodbyes.

    Attributes:
        close_notify: the record to send when this side closes; send it at most once.
    """

    close_notify: bytes
    _key: bytes = field(repr=False)
    _iv: bytes = field(repr=False)

    @classmethod
    def of(cls, connection: SSL.Connection, role: str) -> Farewell | None:
        """Take over from an OpenSSL connection, which must not be used any more afterwards.

        Args:
            connection: its handshake done.
            role: ours, "server" or "client".

        Returns:
            None if its version or cipher suite is not understood here; the connection is then untouched.
        """
        suite = _SUITES.get(connection.get_cipher_name() or "")
        if suite is None or connection.get_protocol_version_name() != "DTLSv1.2":
            return None
        master, server, client = (
            connection.master_key(),
            connection.server_random(),
            connection.client_random(),
        )
        if not master or not server or not client:
            return None
        key_bytes, iv_bytes = suite
        block = _prf(master, b"key expansion" + server + client, 2 * (key_bytes + iv_bytes))
        # Client key, server key, client IV, server IV (RFC 5246 section 6.3); AEAD suites have no MAC keys.
        theirs = 0 if role == "server" else 1
        key = block[theirs * key_bytes :][:key_bytes]
        iv = block[2 * key_bytes + theirs * iv_bytes :][:iv_bytes]
        connection.shutdown()
        close_notify = connection.bio_read(256)
        return cls(close_notify, key, iv)

    def is_goodbye(self, datagram: bytes) -> bool:
        """True if a record in it is an authentic close_notify or fatal alert of the other side."""
        return any(self._is_final_alert(record) for record in split_records(datagram))

    def _is_final_alert(self, record: bytes) -> bool:
        if len(record) < _HEADER_BYTES + _TAG_BYTES + 2 or record[0] != _ALERT or record[1:3] != _DTLS12:
            return False
        sequence, body = record[3:11], record[_HEADER_BYTES:]
        if int.from_bytes(record[11:13], "big") != len(body):
            return False
        if len(self._iv) == 4:
            nonce, body = self._iv + body[:8], body[8:]
        else:
            mask = int.from_bytes(self._iv, "big") ^ int.from_bytes(sequence, "big")
            nonce = mask.to_bytes(12, "big")
        if len(body) != _TAG_BYTES + 2:
            return False
        cipher = AESGCM(self._key) if len(self._iv) == 4 else ChaCha20Poly1305(self._key)
        try:
            level, description = cipher.decrypt(nonce, body, sequence + record[:3] + b"\0\2")
        except InvalidTag:
            return False
        return level == 2 or description == 0


def _prf(secret: bytes, seed: bytes, length: int) -> bytes:
    """P_SHA256 of TLS 1.2 (RFC 5246 section 5)."""
    out, step = b"", seed
    while len(out) < length:
        step = _hmac(secret, step)
        out += _hmac(secret, step + seed)
    return out[:length]


def _hmac(key: bytes, data: bytes) -> bytes:
    mac = HMAC(key, SHA256())
    mac.update(data)
    return mac.finalize()
