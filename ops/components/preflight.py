"""What a configuration lacks that is right by itself: files, variables, programs, a login's way back.

Opens no port, database or connection, and runs no command. What it finds, the start finds too, one after the
other, or what needs it: a relay, a camera, the first who signs in.
"""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from auth.errors import VaultError
from auth.vault.master_keys import parse_keys
from ops.certificates.tls import TlsContext
from ops.identity.identity import MASTER_KEY_FILE
from streamer.config import Config
from streamer.engagement.places import Places, PlacesError
from streamer.errors import Finding
from transport.errors import LinkError


def find_missing(config: Config) -> list[Finding]:
    """What is not there, or cannot be used, one finding each. Blocks."""
    return [
        *_state(config),
        *_recordings(config),
        *_master_key(config),
        *_certificate(config),
        *_provider(config),
        *_authorities(config),
        *_places(config),
        *_pictures(config),
    ]


def _state(config: Config) -> Iterator[Finding]:
    folder = config.state.dir.absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        yield _finding("state.dir", config.state.dir, f"expected a folder; {there} is a file")


def _recordings(config: Config) -> Iterator[Finding]:
    if not any(stream.record for stream in config.streams.values()):
        return
    folder = config.recording.folder(config.state.dir).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir():
        yield _finding("recording.dir", folder, f"expected a folder; {there} is a file")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield _finding("recording.dir", folder, f"expected a folder that can be written to; {there} cannot")
    elif not os.statvfs(there).f_blocks:  # as /proc, where root may do everything and nothing is kept
        yield _finding("recording.dir", folder, f"expected a folder on a disk; {there} is on none")


def _master_key(config: Config) -> Iterator[Finding]:
    vault = config.vault
    if vault.key_command:
        # Not run: it may ask somebody, or be counted.
        if shutil.which(vault.key_command[0]) is None:
            yield _finding("vault.key_command", vault.key_command[0], "expected a program that can be run")
        return
    if vault.key_env:
        text = os.environ.get(vault.key_env)
        if text is None:
            yield _finding("vault.key_env", vault.key_env, "expected an environment variable that is set")
            return
        source = "the variable"
    else:
        path = config.state.dir / MASTER_KEY_FILE
        try:
            text = path.read_text(encoding="ascii", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return  # made at the start; a folder that is none is told of above
        except OSError as error:
            yield _finding("state.dir", config.state.dir, f"{MASTER_KEY_FILE}: {_words(error)}")
            return
        source = MASTER_KEY_FILE
    try:
        parse_keys(text, source)
    except VaultError as error:
        key, value = ("vault.key_env", vault.key_env) if vault.key_env else ("state.dir", config.state.dir)
        yield _finding(key, value, str(error))


def _certificate(config: Config) -> Iterator[Finding]:
    cert, key = config.http.tls_cert, config.http.tls_key
    if cert is None or key is None:
        return
    missing = [
        *_unreadable("http.tls_cert", cert, "a certificate and its chain, PEM"),
        *_unreadable("http.tls_key", key, "the certificate's private key, PEM"),
    ]
    yield from missing
    if not missing:
        try:
            TlsContext().use(cert, key)
        except LinkError as error:
            yield _finding("http.tls_cert", cert, str(error))


def _provider(config: Config) -> Iterator[Finding]:
    if config.oidc.issuer and not config.http.origin:
        # Else it is told whatever host a browser or a proxy names, and takes those that are registered.
        expected = "expected where the provider sends people back to, for example https://live.example.com"
        yield _finding("http.public_url", "", f"[oidc] needs it; {expected}")


def _authorities(config: Config) -> Iterator[Finding]:
    """What others' certificates are checked with."""
    files: list[tuple[str, Path | None]] = [("http.acme_ca_file", config.http.acme_ca_file)]
    platforms = config.platforms
    files += [
        (f"platforms.{name}.ingest_ca_file", getattr(platforms, name).ingest_ca_file)
        for name in type(platforms).model_fields
    ]
    if config.ldap.urls:
        files.append(("ldap.ca_file", config.ldap.ca_file))
    for name, stream in config.streams.items():
        files.append((f"streams.{name}.tls_ca_file", stream.tls_ca_file))
        files += [
            (f"streams.{name}.relays.{position}.tls_ca_file", relay.tls_ca_file)
            for position, relay in enumerate(stream.relays)
        ]
    for key, path in files:
        if path is not None:
            yield from _unreadable(key, path, "certificates of authorities, PEM", _load_authorities)


def _places(config: Config) -> Iterator[Finding]:
    path = config.engagement.geoip
    if path is not None:
        try:
            Places(path).close()
        except PlacesError as error:
            yield _finding("engagement.geoip", path, f"expected a MaxMind-format database: {error.why}")


def _pictures(config: Config) -> Iterator[Finding]:
    for name, stream in config.streams.items():
        for position, relay in enumerate(stream.relays):
            if relay.slate_image is not None:
                key = f"streams.{name}.relays.{position}.slate_image"
                yield from _unreadable(key, relay.slate_image, "a picture")


def _unreadable(
    key: str, path: Path, what: str, read: Callable[[Path], object] = Path.read_bytes
) -> Iterator[Finding]:
    try:
        read(path)
    except OSError as error:  # ssl.SSLError is one
        yield _finding(key, path, f"expected a file with {what}: {_words(error)}")


def _load_authorities(path: Path) -> None:
    ssl.create_default_context(cafile=path)


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "there is none in it"
    return (error.strerror or str(error)).lower()


def _finding(key: str, value: object, expected: str) -> Finding:
    return Finding(key, repr(str(value)), expected)
