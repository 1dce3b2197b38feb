"""A security key in software, and the browser around it: answers WebAuthn options as they would."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

_USER_PRESENT, _USER_VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Credential:
    id: bytes
    key: ec.EllipticCurvePrivateKey
    user: bytes
    counter: int = 0


@dataclass
class Authenticator:
    """Attributes say how it misbehaves."""

    origin: str = "https://live.example"
    verifies: bool = True
    counts: bool = True
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: str) -> str:
        asked = json.loads(options)
        credential = Credential(
            hashlib.sha256(str(len(self.credentials)).encode() + asked["user"]["id"].encode()).digest(),
            ec.generate_private_key(ec.SECP256R1()),
            base64url_to_bytes(asked["user"]["id"]),
        )
        excluded = [base64url_to_bytes(each["id"]) for each in asked.get("excludeCredentials", [])]
        assert not any(mine.id in excluded for mine in self.credentials), (
            "the browser says: registered already"
        )
        self.credentials.append(credential)
        numbers = credential.key.public_key().public_numbers()
        # COSE: an EC2 key for ES256 on P-256 (RFC 9053, sections 2.1 and 7.1).
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack("!H", len(credential.id)) + credential.id + cbor2.dumps(public)
        data = self._data(asked["rp"]["id"], credential, _ATTESTED) + attested
        return self._answer(
            credential,
            clientDataJSON=self._client_data("webauthn.create", asked["challenge"]),
            attestationObject=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
            transports=["usb", "telepathy"],
        )

    def get(self, options: str, *, resident: bool = False) -> str:
        asked = json.loads(options)
        allowed = [base64url_to_bytes(each["id"]) for each in asked.get("allowCredentials", [])]
        credential = next(mine for mine in self.credentials if resident or mine.id in allowed)
        data = self._data(asked["rpId"], credential, 0)
        client_data = self._client_data("webauthn.get", asked["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        return self._answer(
            credential,
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=credential.key.sign(signed, ec.ECDSA(SHA256())),
            userHandle=credential.user,
        )

    def _data(self, rp_id: str, credential: Credential, flags: int) -> bytes:
        credential.counter += self.counts
        flags |= _USER_PRESENT | (_USER_VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack("!BI", flags, credential.counter)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, credential: Credential, **response: Any) -> str:
        identity = bytes_to_base64url(credential.id)
        return json.dumps(
            {
                "id": identity,
                "rawId": identity,
                "type": "public-key",
                "clientExtensionResults": {},
                "response": {
                    key: bytes_to_base64url(value) if isinstance(value, bytes) else value
                    for key, value in response.items()
                },
            }
        )
