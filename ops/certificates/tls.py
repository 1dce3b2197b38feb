"""TLS for HTTP: a context whose certificate can be replaced while it serves, and the files it comes from.

New handshakes get the new certificate, connections that stand keep what they agreed on. A pair that cannot be
used is refused in words, and the one in force stays. `renewal.py` is the other place certificates come from.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import watchfiles
from cryptography import x509

from transport.errors import LinkError

_log = logging.getLogger(__name__)

# Forward secrecy and AEAD, AES-256 first; TLS 1.3 has its own list, in which it is first by default.
_SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)
_EXPIRES_SOON_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says.

    Attributes:
        names: host names and addresses it is for.
        issuer: who vouches for it.
    """

    names: tuple[str, ...]
    issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime

    @classmethod
    def parse(cls, pem: bytes) -> Certificate:
        """Read the first certificate of a chain.

        Raises:
            ValueError: there is none.
        """
        first = x509.load_pem_x509_certificates(pem)[0]
        names: tuple[str, ...] = ()
        try:
            found = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = (
                *found.get_values_for_type(x509.DNSName),
                *map(str, found.get_values_for_type(x509.IPAddress)),
            )
        except x509.ExtensionNotFound:
            pass
        issuer = first.issuer.rfc4514_string()
        return cls(names, issuer, first.not_valid_before_utc, first.not_valid_after_utc)

    def trouble(self, now: float) -> str:
        """What is wrong with its time, or soon will be, in words; "" for nothing.

        Args:
            now: seconds since 1970.
        """
        begins, ends = self.not_before.timestamp(), self.not_after.timestamp()
        if now < begins:
            return f"is not valid before {self.not_before}"
        if now >= ends:
            return f"has expired: {self.not_after}"
        # Some live for days only, and are renewed after two thirds.
        is_soon = ends - now < min(_EXPIRES_SOON_S, (ends - begins) / 4)
        return f"expires soon: {self.not_after}" if is_soon else ""


class TlsContext:
    """What the HTTPS listener uses; without a certificate every handshake fails with an alert.

    Args:
        clock: seconds since 1970.

    Attributes:
        context: for the listener; stays the same.
        certificate: the one in force.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.certificate: Certificate | None = None
        self._clock = clock
        self._chain = Path()
        self._told = ""
        self.context = _make_context()
        self.context.sni_callback = self._choose
        self._current: ssl.SSLContext | None = None

    def use(self, chain: Path, key: Path) -> Certificate:
        """Show this certificate from now on.

        Args:
            chain: the certificate and those that lead to a known authority, PEM.
            key: its private key, PEM, not encrypted; may be the same file.

        Raises:
            LinkError: reason `unsupported`: they cannot be used; says why, and nothing has changed.
        """
        context = _make_context()
        try:
            certificate = Certificate.parse(chain.read_bytes())
            context.load_cert_chain(chain, key, password=_no_password)
        except OSError as error:  # ssl.SSLError is one
            raise LinkError("unsupported", f"certificate {chain}, key {key}: {_words(error)}") from None
        except (ValueError, IndexError) as error:
            raise LinkError(
                "unsupported", f"certificate {chain}, key {key}: expected PEM without a password: {error}"
            ) from None
        self._current, self.certificate = context, certificate
        self._chain, self._told = chain, ""
        self.remind()
        return certificate

    @property
    def trouble(self) -> str:
        """As `Certificate.trouble`, of the one in force."""
        return self.certificate.trouble(self._clock()) if self.certificate is not None else ""

    def remind(self) -> None:
        """Say in the log that the certificate in force ends soon, and that it has ended; once each."""
        trouble = self.trouble
        if trouble and trouble != self._told:
            _log.warning("the certificate in %s %s", self._chain, trouble)
        self._told = trouble

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        # Called for clients that name no host too.
        if self._current is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._current
        return None


class CertificateFiles:
    """A pair of files and the watch over them.

    Raises:
        LinkError: reason `unsupported`: they cannot be used.
    """

    def __init__(self, tls: TlsContext, chain: Path, key: Path) -> None:
        self._tls = tls
        self._paths = chain, key
        self.last_error = ""
        self._seen = self._stamp()
        tls.use(chain, key)

    def reload(self) -> bool:
        """Read them again; False when they were refused and the old pair stays."""
        self._seen = self._stamp()
        try:
            certificate = self._tls.use(*self._paths)
        except LinkError as error:
            self.last_error = str(error)
            _log.error("certificate refused, the old one stays: %s", error)
            return False
        self.last_error = ""
        _log.info("certificate for %s until %s", ", ".join(certificate.names), certificate.not_after)
        return True

    async def run(self) -> None:
        """Reload at every change, and remind of their end, until cancelled."""
        # Folders, as in `ops.process.reload`. Chain and key may change one after the other: half a pair is
        # refused, and the second change brings the whole.
        folders = {path.absolute().parent for path in self._paths}
        stop = asyncio.Event()
        try:
            # Every few seconds too, as they may be links to files that are written elsewhere.
            watch = watchfiles.awatch(*folders, stop_event=stop, recursive=False, yield_on_timeout=True)
            async for _ in watch:
                self._tls.remind()
                if self._stamp() != self._seen:
                    self.reload()
        finally:
            stop.set()

    def _stamp(self) -> list[tuple[int, ...]]:
        stamps: list[tuple[int, ...]] = []
        for path in self._paths:
            try:
                status = path.stat()
            except OSError:
                stamps.append(())
            else:
                stamps.append((status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns))
        return stamps


def _make_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        return reason or "expected a certificate chain and its private key, PEM"
    return (error.strerror or str(error)).lower()
