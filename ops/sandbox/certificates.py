"""TLS of the sink: an authority that is made anew at each start, and a certificate by it.

Some certificates are wrong on purpose, to see that a client refuses them.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ops.sandbox.parties import Certificate

_DAY = datetime.timedelta(days=1)


class Authority:
    """A throwaway authority.

    Attributes:
        pem: its certificate, for clients to check with.
    """

    def __init__(self, name: str = "Streamer sandbox") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        public = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        certificate = (
            self._builder(self._name, self._key, now - _DAY, now + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(public, critical=False)
            .sign(self._key, SHA256())
        )
        self.pem = certificate.public_bytes(Encoding.PEM)

    def issue(self, host: str, *, expired: bool = False) -> bytes:
        """A certificate for a name or address with its key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        ends_at = now - _DAY if expired else now + 30 * _DAY
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = [_general(host)]
        if host in {"127.0.0.1", "::1", "localhost"}:
            names = [_general(name) for name in ("127.0.0.1", "::1", "localhost")]
        certificate = (
            self._builder(subject, key, now - 2 * _DAY, ends_at)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM) + private

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begins_at: datetime.datetime,
        ends_at: datetime.datetime,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins_at)
            .not_valid_after(ends_at)
        )


def tls_context(authority: Authority, host: str, kind: Certificate) -> ssl.SSLContext:
    """What the sink speaks TLS with.

    Args:
        authority: whom clients know.
        host: the name or address by which they reach it.
        kind: right, or wrong in one way.
    """
    issuer = Authority("Somebody else") if kind is Certificate.UNKNOWN else authority
    shown = "elsewhere.example" if kind is Certificate.WRONG_HOST else host
    pem = issuer.issue(shown, expired=kind is Certificate.EXPIRED)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    descriptor, path = tempfile.mkstemp(prefix="streamer-sandbox-")
    try:
        # ssl reads certificates from files only.
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
