"""Passwords that a directory keeps: OpenLDAP, Active Directory and their like.

A login finds the entry with the service's own account, then binds as that entry with the password. ldap3
blocks, so it works in threads, a few at a time and never for long. Connections are always encrypted, because
passwords pass there.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import ssl
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSASLPrepError
from ldap3.utils.conv import escape_filter_chars

from auth.accounts.external import Arrival
from auth.errors import AuthUnavailable
from auth.signin.ldap_options import PORTS, LdapOptions

PROVIDER = "ldap"
_SUCCESS, _SIZE_LIMIT_EXCEEDED, _INVALID_CREDENTIALS = 0, 4, 49
_log = logging.getLogger(__name__)


class Ldap:
    """A directory as `auth.signin.logins` asks it.

    Args:
        options: where it is.

    Raises:
        OSError, ssl.SSLError: the CA file cannot be used.
    """

    def __init__(self, options: LdapOptions) -> None:
        self.options = options
        self.creates = options.creates
        self._threads = asyncio.Semaphore(options.concurrent)
        self._tls = _Tls(ssl.create_default_context(cafile=options.ca_file), options.timeout_s)
        self._groups = {_folded(key): name for key, name in options.groups.items()}

    async def authenticate(self, name: str, password: str) -> Arrival | None:
        """Who this is in the directory; None for a wrong name or password.

        Raises:
            AuthUnavailable: it does not answer, is not who it should be, or does not answer what it should.
        """
        # To a directory no password is no claim: it "succeeds" (RFC 4513, 5.1.2).
        if not name or not password or "\0" in password or not (name + password).isprintable():
            return None
        async with self._threads:
            return await asyncio.to_thread(self._authenticate, name, password)

    def _authenticate(self, name: str, password: str) -> Arrival | None:
        why = ""
        for url in self.options.urls:
            try:
                return self._ask(url, name, password)
            except AuthUnavailable as error:
                # As one that is being shut down, or has not got to know the service's new password yet.
                why = str(error)
                _log.warning("%s: %s", url, why)
            except (LDAPException, OSError) as error:
                # Its text may quote certificates, not passwords; its type is what helps.
                why = f"the directory does not answer: {type(error).__name__}"
                _log.warning("%s: %s: %s", url, why, error)
        raise AuthUnavailable(why)

    def _ask(self, url: str, name: str, password: str) -> Arrival | None:
        searching = self._connect(url, self.options.bind_dn, self.options.bind_password)
        try:
            if not searching.bind():
                raise AuthUnavailable(
                    f"the directory refuses {self.options.bind_dn or 'a nameless search'!r}"
                )
            entry = self._find(searching, name)
            # Somebody unknown costs the same: a bind that fails.
            dn = entry["dn"] if entry is not None else f"cn={secrets.token_hex(8)},{self.options.user_base}"
            if not self._is_password(url, dn, password) or entry is None:
                return None
            return self._arrival(searching, entry, name)
        finally:
            searching.unbind()

    def _connect(self, url: str, dn: str, password: str) -> Any:
        parts = urlsplit(url)
        encrypted = parts.scheme == "ldaps"
        server = ldap3.Server(
            parts.hostname,
            parts.port or PORTS[parts.scheme],
            use_ssl=encrypted,
            tls=self._tls,
            get_info=ldap3.NONE,
            connect_timeout=self.options.timeout_s,
        )
        connection = ldap3.Connection(
            server,
            dn or None,
            password or None,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            receive_timeout=math.ceil(self.options.timeout_s),  # the kernel's, in whole seconds
            auto_referrals=False,  # they would carry the password elsewhere
            read_only=True,
        )
        try:
            connection.open()
            if not encrypted:
                connection.start_tls()
        except BaseException:
            if connection.socket is not None:
                connection.socket.close()
            raise
        return connection

    def _find(self, searching: Any, name: str) -> Any | None:
        options = self.options
        wanted = options.user_filter.replace("{name}", escape_filter_chars(name))
        attributes = [
            options.subject_attribute,
            options.name_attribute,
            options.full_name_attribute,
            options.email_attribute,
        ]
        # Two are one too many; more need not be sent.
        searching.search(options.user_base, wanted, attributes=attributes, size_limit=2)
        # Else a mistake in `user_base`, or a right that is missing, would look like a wrong password.
        if searching.result["result"] not in (_SUCCESS, _SIZE_LIMIT_EXCEEDED):
            raise AuthUnavailable(
                f"the directory answers a search for users with {searching.result['description']!r}"
            )
        found = [each for each in searching.response or () if each["type"] == "searchResEntry"]
        if len(found) > 1:
            _log.warning("the directory has several entries for one name; refused")
        return found[0] if len(found) == 1 else None

    def _is_password(self, url: str, dn: str, password: str) -> bool:
        connection = self._connect(url, dn, password)
        try:
            try:
                if connection.bind():
                    return True
            except LDAPSASLPrepError:
                return False  # no password that there can be (RFC 4013)
            if connection.result["result"] == _INVALID_CREDENTIALS:
                return False
            raise AuthUnavailable(f"the directory answers a login with {connection.result['description']!r}")
        finally:
            connection.unbind()

    def _arrival(self, searching: Any, entry: Any, typed: str) -> Arrival:
        options = self.options
        subject = _first(entry, options.subject_attribute)
        if not subject:
            raise AuthUnavailable(
                f"the directory tells no {options.subject_attribute}; set another attribute"
            )
        return Arrival(
            PROVIDER,
            subject,
            _first(entry, options.name_attribute) or typed,
            _first(entry, options.full_name_attribute),
            _first(entry, options.email_attribute),
            self._groups_of(searching, entry["dn"]) if options.group_base and options.groups else None,
        )

    def _groups_of(self, searching: Any, dn: str) -> frozenset[str]:
        wanted = self.options.group_filter.replace("{dn}", escape_filter_chars(dn))
        searching.search(self.options.group_base, wanted, attributes=["cn"])
        if searching.result["result"] != _SUCCESS:
            raise AuthUnavailable(
                f"the directory answers a search for groups with {searching.result['description']!r}"
            )
        keys = {
            _folded(key)
            for each in searching.response or ()
            if each["type"] == "searchResEntry"
            for key in (each["dn"], _first(each, "cn"))
        }
        return frozenset(self._groups[key] for key in keys if key in self._groups)


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """Encrypts as Python does it: the chain and the name in the certificate are both checked by OpenSSL."""

    def __init__(self, context: ssl.SSLContext, timeout_s: float) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._timeout_s = timeout_s

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        # ldap3 waits for ever in the handshake.
        connection.socket.settimeout(self._timeout_s)
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=connection.server.host, do_handshake_on_connect=do_handshake
        )


def _first(entry: Any, attribute: str) -> str:
    """The first value of an attribute as text; what is no text, as objectGUID, as hexadecimal digits."""
    values: list[bytes] = next(
        (each for key, each in entry["raw_attributes"].items() if key.casefold() == attribute.casefold()), []
    )
    if not values:
        return ""
    raw = bytes(values[0])
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    return text if text.isprintable() else raw.hex()


def _folded(dn: str) -> str:
    """A DN or name as it is compared here: neither case nor spaces around commas and equal signs count."""
    return ",".join(
        "=".join(piece.strip() for piece in part.split("=", 1)) for part in dn.casefold().split(",")
    )
