"""Country and region of an address, from a MaxMind-format database that the operator supplies."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import maxminddb

_log = logging.getLogger(__name__)


class Places:
    """The database; without one nothing is known of any address.

    Args:
        path: the file, of countries or of cities.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._reader: maxminddb.Reader | None = None
        if path is not None:
            try:
                self._reader = maxminddb.open_database(path)
            except maxminddb.InvalidDatabaseError as error:
                raise ValueError(f"[engagement] geoip = {str(path)!r}: {error}") from None

    def of(self, address: str) -> tuple[str, str]:
        """Country and region as ISO 3166 codes, such as "DE" and "DE-BY"; "" for what is not known."""
        if self._reader is None:
            return "", ""
        try:
            found: Any = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError) as error:
            _log.debug("no place for an address: %s", error)
            return "", ""
        country = _code(_within(found, "country") or _within(found, "registered_country"))
        divisions = found.get("subdivisions") if isinstance(found, dict) else None
        region = _code(divisions[0]) if isinstance(divisions, list) and divisions else ""
        return country, f"{country}-{region}" if country and region else ""

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()


def _within(found: Any, key: str) -> Any:
    return found.get(key) if isinstance(found, dict) else None


def _code(found: Any) -> str:
    code = _within(found, "iso_code")
    return code if isinstance(code, str) and len(code) <= 3 and code.isalnum() else ""
