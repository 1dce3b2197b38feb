"""Getting one certificate from an ACME server (RFC 8555), proved over plain HTTP (HTTP-01).

Blocks, and so runs in a thread; when, and what becomes of failures, is `renewal.py`. The account's key and
the certificate with its key are files that only this user can read, in a folder for each directory: a test
authority's certificate is never taken for a real one's.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC

from transport.errors import TransportError

_NETWORK_TIMEOUT_S = 30
_ATTEMPTS = 4
_PATIENCE = datetime.timedelta(seconds=120)


class AcmeError(TransportError):
    """No certificate was issued; says why."""


@dataclass(frozen=True, slots=True)
class AcmeSettings:
    """Whom to ask for what.

    Attributes:
        domain: the name to prove.
        email: where the authority writes when something is wrong, "" for nowhere.
        directory: the authority's address.
        ca_file: certificates to check that address with, None for the well-known ones.
        folder: for account and certificates.
    """

    domain: str
    email: str
    directory: str
    ca_file: Path | None
    folder: Path


class Issuer:
    """One name at one authority.

    Args:
        settings: which.
        proofs: what to answer under `CHALLENGE_PATH` of `https.py`, by token; filled while somebody is asked.
    """

    def __init__(self, settings: AcmeSettings, proofs: MutableMapping[str, str]) -> None:
        self._settings = settings
        self._proofs = proofs
        directory = settings.directory
        digest = hashlib.sha256(directory.encode()).hexdigest()[:8]
        self._folder = settings.folder / f"{urlsplit(directory).hostname}-{digest}"

    @property
    def path(self) -> Path:
        """Certificate, chain and key, in one file so that they change at once."""
        return self._folder / f"{self._settings.domain}.pem"

    def issue(self) -> None:
        """Ask for a certificate and put it at `path`. Takes seconds, at most a few minutes.

        Raises:
            AcmeError: there is none; an old one is left as it was.
        """
        try:
            for attempt in range(_ATTEMPTS):
                try:
                    return self._issue()
                except messages.Error as error:
                    # The library repeats a request once; a busy authority may refuse the second nonce too.
                    if error.code != "badNonce" or attempt == _ATTEMPTS - 1:
                        raise
        except (errors.Error, messages.Error, requests.RequestException, JoseError) as error:
            raise AcmeError(f"{urlsplit(self._settings.directory).hostname}: {_words(error)}") from error
        except OSError as error:
            raise AcmeError(f"{error.filename or self._folder}: {error.strerror or error}") from error

    def _issue(self) -> None:
        _private_folder(self._settings.folder)
        _private_folder(self._folder)
        account_key = JWKEC(key=self._account_key())
        with contextlib.closing(self._connect(account_key)) as session:
            key_pem = _pem(ec.generate_private_key(ec.SECP256R1()))
            acme = session.acme
            order = acme.new_order(crypto_util.make_csr(key_pem, [self._settings.domain]))
            tokens: list[str] = []
            try:
                for authorization in order.authorizations:
                    tokens += self._answer(acme, authorization, account_key)
                done = acme.poll_and_finalize(order, datetime.datetime.now() + _PATIENCE)
            finally:
                for token in tokens:
                    self._proofs.pop(token, None)
        _write_private(self.path, done.fullchain_pem.encode() + key_pem)

    def _answer(
        self,
        acme: client.ClientV2,
        authorization: messages.AuthorizationResource,
        account_key: JWK,
    ) -> list[str]:
        """Prove one name; the tokens under which the proof is shown."""
        if authorization.body.status == messages.STATUS_VALID:  # proved lately
            return []
        for offered in authorization.body.challenges:
            if isinstance(offered.chall, challenges.HTTP01):
                response, proof = offered.response_and_validation(account_key)
                token = offered.chall.encode("token")
                self._proofs[token] = proof
                acme.answer_challenge(offered, response)
                return [token]
        raise AcmeError("the authority does not offer HTTP-01, the only proof that is known here")

    def _connect(self, account_key: JWK) -> _Session:
        settings = self._settings
        verify: Any = str(settings.ca_file) if settings.ca_file is not None else True
        network = client.ClientNetwork(
            account_key,
            alg=ES256,
            verify_ssl=verify,
            user_agent="Streamer",
            timeout=_NETWORK_TIMEOUT_S,
        )
        session = _Session(network)
        try:
            session.acme = client.ClientV2(
                client.ClientV2.get_directory(settings.directory, network), network
            )
            # Whoever sets acme_domain agrees to the authority's terms; the README says so.
            wanted = messages.NewRegistration.from_data(
                email=settings.email or None, terms_of_service_agreed=True
            )
            try:
                session.acme.new_account(wanted)
            except errors.ConflictError as known:
                network.account = messages.RegistrationResource(
                    uri=known.location, body=messages.Registration()
                )
        except BaseException:
            session.close()
            raise
        return session

    def _account_key(self) -> ec.EllipticCurvePrivateKey:
        path = self._folder / "account.pem"
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError:
            key = ec.generate_private_key(ec.SECP256R1())
            _write_private(path, _pem(key))
        except ValueError:
            raise AcmeError(f"{path} holds no private key; remove it to get another account") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AcmeError(f"{path}: expected a key on the curve P-256; remove it to get another account")
        return key


class _Session:
    """The connection to an authority; `acme` is there once its directory was read."""

    acme: client.ClientV2

    def __init__(self, network: client.ClientNetwork) -> None:
        self._network = network

    def close(self) -> None:
        self._network.session.close()


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private_folder(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file at once with one that only this user can read."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _words(error: Exception) -> str:
    """In one line; the library's own errors are of several, or of none."""
    if isinstance(error, errors.TimeoutError):
        return f"no decision within {_PATIENCE.seconds} s"
    if isinstance(error, errors.IssuanceError):
        error = error.error
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
