"""Signatures of our own tokens: PyJWT, without what it does twice, and with our one algorithm only."""

from __future__ import annotations

import binascii
import hmac
import string

import jwt
from jwt.algorithms import HMACAlgorithm

_ALPHABET = (string.ascii_letters + string.digits + "-_").encode()
_STANDARD = bytes.maketrans(b"-_", b"+/")
#: As many as a server ever has keys at once; only what bears a signature gets in.
_MOST_PASSED = 64
_PADDING = (b"", b"", b"==", b"=")


class OurJws(jwt.PyJWS):
    """Verifies what was signed with a key of `auth.tokens.signing`, which are all random bytes for HS256."""

    def __init__(self) -> None:
        super().__init__(algorithms=[])
        self.register_algorithm("HS256", _RandomSecret(HMACAlgorithm.SHA256))
        self._passed: set[tuple[bytes, bytes]] = set()

    def verified(self, token: str, key: bytes, algorithm: str = "HS256") -> bytes:
        """The payload of a token in compact form that was signed with this key, and its one algorithm.

        All tokens of a key begin with the same header. One that PyJWT has let pass with this key is not read
        again: what is left of a check is the signature, and the decoding.

        Raises:
            jwt.PyJWTError: it was not, or is no JWT.
        """
        signed, _, signature = token.encode().rpartition(b".")
        header, _, payload = signed.partition(b".")
        if (header, key) not in self._passed:
            found: bytes = self.decode_complete(token, key, algorithms=[algorithm])["payload"]
            if len(self._passed) >= _MOST_PASSED:
                self._passed.clear()
            self._passed.add((header, key))
            return found
        decode = self._decode_base64url_segment
        if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), decode(signature, "crypto")):
            raise jwt.InvalidSignatureError("Signature verification failed")
        return decode(payload, "payload")

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        """As strict as PyJWT's, which looks at each byte in Python: half the time of a check.

        Stricter in one thing: ours are never padded.
        """
        if segment.translate(None, _ALPHABET):
            raise jwt.DecodeError(f"Invalid {name} padding")
        padding = _PADDING[len(segment) % 4]
        try:
            decoded = binascii.a2b_base64(segment.translate(_STANDARD) + padding)
        except binascii.Error:
            raise jwt.DecodeError(f"Invalid {name} padding") from None
        # Bits that stand for nothing would let one token be written in several ways.
        if binascii.b2a_base64(decoded, newline=False)[: len(segment)] != segment.translate(_STANDARD):
            raise jwt.DecodeError(f"Invalid {name} padding")
        return decoded


class _RandomSecret(HMACAlgorithm):
    """HMAC with keys that are known to be random bytes.

    PyJWT looks at a secret, each time it is used, whether somebody passes a public key for it by mistake.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        """The key as it is."""
        assert isinstance(key, bytes)
        return key

    def sign(self, msg: bytes, key: bytes) -> bytes:
        """In one step instead of three."""
        return hmac.digest(key, msg, "sha256")
