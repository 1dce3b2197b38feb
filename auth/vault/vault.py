"""Secrets at rest: AES-256-GCM under a master key that is not in the database.

Context. Passphrases, client secrets, TOTP seeds and signing keys are short and few, and must be readable
again. The usual envelope, a random data key for each secret wrapped by the master key, pays where the
master key never leaves a hardware module or where re-encrypting data would be dear.

Decision. Secrets are encrypted directly. Here the master key is in this process anyway, whatever it came
from, and rotation rewrites short values either way; an envelope would double what is stored and add a step
that protects nobody. Each seal has a random nonce of 96 bits, good for 2^32 seals under one key (NIST SP
800-38D, 8.3), which nobody's configuration will reach. Version, key id and the context, such as
`totp:<principal>`, are authenticated with it, so that a sealed value moved to another row or column does
not open. The master key itself never encrypts: one key for sealing and one for signing are derived from it
(HKDF, RFC 5869).

Consequences. Whoever has the master key and the database has every secret; whoever lost the master key has
none. Read `master_keys` next for where the key comes from, and `rewrap` for how keys are changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth.errors import VaultError

KEY_BYTES = 32
_VERSION = "v1"
_NONCE_BYTES = 12
_TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key; its id tells keys apart and tells nothing about the key.

    Attributes:
        material: 32 bytes.
    """

    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.material) != KEY_BYTES:
            raise VaultError(f"a master key has {KEY_BYTES} bytes, this one {len(self.material)}")

    @property
    def kid(self) -> str:
        """16 hexadecimal digits."""
        return hashlib.sha256(b"streamer master key id\0" + self.material).hexdigest()[:16]

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose only."""
        info = f"streamer {purpose}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.material)


class Vault:
    """Seals with the first key, opens with any.

    Args:
        keys: primary first; the others open what was sealed before they were replaced.
    """

    def __init__(self, keys: Sequence[MasterKey]) -> None:
        if not keys:
            raise VaultError("there is no master key; expected one at least")
        self.primary = keys[0].kid
        self._ciphers = {key.kid: AESGCM(key.derive("seal")) for key in keys}
        self._signing = {key.kid: key.derive("sign") for key in keys}

    def __repr__(self) -> str:
        return f"Vault(primary={self.primary!r}, keys={len(self._ciphers)})"

    def seal(self, plaintext: bytes, context: str) -> str:
        """Encrypt for storage: `v1.<key id>.<nonce and ciphertext, base64url>`."""
        nonce = os.urandom(_NONCE_BYTES)
        encrypted = self._ciphers[self.primary].encrypt(nonce, plaintext, _bound(self.primary, context))
        return f"{_VERSION}.{self.primary}.{_encode(nonce + encrypted)}"

    def open(self, sealed: str, context: str) -> bytes:
        """Decrypt what was sealed in the same context.

        Raises:
            VaultError: not of this form, a key that is not here, changed, or from another context.
        """
        kid, blob = _parse(sealed)
        cipher = self._ciphers.get(kid)
        if cipher is None:
            raise VaultError(f"this was sealed with master key {kid}, which is not here")
        if len(blob) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultError("a sealed value is cut short")
        try:
            return cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], _bound(kid, context))
        except InvalidTag:
            raise VaultError(
                f"a sealed value was changed, or belongs elsewhere than to {context!r}"
            ) from None

    def rewrap(self, sealed: str, context: str) -> str:
        """The same secret under the primary key; unchanged when it is already.

        Raises:
            VaultError: as `open`.
        """
        kid, _ = _parse(sealed)
        plaintext = self.open(sealed, context)
        return sealed if kid == self.primary else self.seal(plaintext, context)

    def sign(self, data: bytes, context: str) -> str:
        """Vouch for data that may be read by anybody: `v1.<key id>.<HMAC-SHA-256, base64url>`."""
        return f"{_VERSION}.{self.primary}.{_encode(self._mac(self.primary, data, context))}"

    def is_signed(self, data: bytes, signature: str, context: str) -> bool:
        """Whether one of our keys vouched for exactly this in this context."""
        try:
            kid, presented = _parse(signature)
        except VaultError:
            return False
        return kid in self._signing and hmac.compare_digest(presented, self._mac(kid, data, context))

    def _mac(self, kid: str, data: bytes, context: str) -> bytes:
        return hmac.digest(self._signing[kid], _bound(kid, context) + b"\0" + data, "sha256")


def _bound(kid: str, context: str) -> bytes:
    return f"{_VERSION}.{kid}.{context}".encode()


def _encode(blob: bytes) -> str:
    return base64.urlsafe_b64encode(blob).rstrip(b"=").decode("ascii")


def _parse(text: str) -> tuple[str, bytes]:
    version, _, rest = text.partition(".")
    kid, _, encoded = rest.partition(".")
    if version != _VERSION or not kid or not encoded:
        raise VaultError(f"expected a sealed value, {_VERSION}.<key id>.<base64url>")
    try:
        return kid, base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise VaultError("a sealed value is not base64url") from None
