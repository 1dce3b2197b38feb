"""Country and region of an address, from a MaxMind-format database that the operator supplies."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import maxminddb

from streamer.errors import StreamerError

_log = logging.getLogger(__name__)


class PlacesError(StreamerError):
    """The database of places cannot be used; says which and `why`."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"[engagement] geoip = {str(path)!r}: {why}; expected a MaxMind-format database")
        self.why = why


class Places:
    """The database; without one nothing is known of any address.

    Args:
        path: the file, of countries or of cities.

    Raises:
        PlacesError: it cannot be read, or is no such database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._reader: maxminddb.Reader | None = None
        self._version: tuple[int, ...] = ()
        if path is not None:
            self._version, self._reader = _version(path), _open(path)

    def renew(self) -> None:
        """Take up a file that was put in the place of the one before. Reads it: call it from a thread."""
        if self._path is None:
            return
        try:
            version = _version(self._path)
            if version == self._version:
                return
            self._reader = _open(self._path)
        except PlacesError as error:
            _log.warning("places are still looked up in what was read before: %s", error)
        else:
            self._version = version
            _log.info("%s has changed and was read again", self._path)

    def of(self, address: str) -> tuple[str, str]:
        """Country and region as ISO 3166 codes, such as "DE" and "DE-BY".

        A region that is not known is the country's code, so that every region lies in its country; "" for
        what is not known at all.
        """
        if self._reader is None:
            return "", ""
        try:
            parsed = ipaddress.ip_address(address)
            # As sockets for both kinds show IPv4.
            mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
            found: Any = self._reader.get(mapped or parsed)
        except (ValueError, maxminddb.InvalidDatabaseError) as error:
            _log.debug("no place for an address: %s", error)
            return "", ""
        country = _code(_within(found, "country") or _within(found, "registered_country"), (2,))
        divisions = found.get("subdivisions") if isinstance(found, dict) else None
        region = _code(divisions[0], (1, 2, 3)) if isinstance(divisions, list) and divisions else ""
        return country, f"{country}-{region}" if country and region else country

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()


def _open(path: Path) -> maxminddb.Reader:
    # In memory: under a file that is mapped and then written over, the process would be killed.
    try:
        return maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    except OSError as error:
        raise PlacesError(path, error.strerror or str(error)) from None
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise PlacesError(path, str(error)) from None


def _version(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise PlacesError(path, error.strerror or str(error)) from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _within(found: Any, key: str) -> Any:
    return found.get(key) if isinstance(found, dict) else None


def _code(found: Any, lengths: Collection[int]) -> str:
    code = _within(found, "iso_code")
    return code if isinstance(code, str) and len(code) in lengths and code.isalnum() else ""
