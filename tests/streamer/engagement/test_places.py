"""Countries and regions, from a database that the test writes."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.vault.vault import MasterKey, Vault
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.places import Places, PlacesError
from streamer.engagement.privacy import Salts
from streamer.engagement.reception import Reception, Visitor
from streamer.engagement.store import Store
from streamer.engagement.tables import sessions
from tests.rigs.mmdb import place, write_places
from tests.streamer.engagement.rig import MIDNIGHT, Crowd

NETWORKS = {
    "203.0.113.0/24": place("DE", "BE"),
    "203.0.113.128/25": place("DE", "BY"),
    "198.51.100.0/24": place("FR"),
    "2001:db8:5::/48": place("GB", "ENG"),
    "192.0.2.0/24": {"registered_country": {"iso_code": "NL"}},
    "192.0.2.64/26": {"country": {"iso_code": "not a code"}},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_places(tmp_path / "places.mmdb", NETWORKS)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("203.0.113.7", ("DE", "DE-BE")),
        ("203.0.113.200", ("DE", "DE-BY")),
        ("198.51.100.1", ("FR", "FR")),
        ("2001:db8:5:1::1", ("GB", "GB-ENG")),
        ("::ffff:203.0.113.7", ("DE", "DE-BE")),
        ("192.0.2.1", ("NL", "NL")),
        ("192.0.2.65", ("", "")),
        ("10.0.0.1", ("", "")),
        ("2001:db8:6::1", ("", "")),
        ("no address", ("", "")),
    ],
)
def test_where_addresses_are(path: Path, address: str, found: tuple[str, str]) -> None:
    places = Places(path)
    assert places.of(address) == found
    places.close()


async def test_from_the_address_to_the_breakdown(engine: AsyncEngine, path: Path) -> None:
    salts = Salts(engine, Vault([MasterKey(secrets.token_bytes(32))]))
    crowd = Crowd(at=MIDNIGHT + 60)
    await salts.renew(crowd.now)
    reception = Reception(crowd.audience, salts, Places(path))
    addresses = [f"203.0.113.{last}" for last in (*range(30, 36), *range(230, 237))]
    for index, address in enumerate([*addresses, *(f"2001:db8:5::{last}" for last in range(31, 38))]):
        name = f"v{index}"
        reception.arrive(Visitor(name, index + 1, "cam", "whep", crowd.now, address, {"User-Agent": "OBS"}))
        crowd.audience.watching(name)
    crowd.now += 30
    for index in range(20):
        crowd.audience.leave(f"v{index}", "gone")
    batch = crowd.cut()
    await Store(engine, clock=lambda: crowd.now).take([batch])
    disclosure = Disclosure(engine, 5, lambda: crowd.now)
    shown = {}
    for dimension in ("country", "region"):
        found = await disclosure.breakdown("cam", dimension, MIDNIGHT, crowd.now)
        shown[dimension] = {part.value: part.viewers for part in found.parts}
        assert not found.withheld
    assert shown == {
        "country": {"DE": 13, "GB": 7},
        "region": {"DE-BE": 6, "DE-BY": 7, "GB-ENG": 7},
    }
    async with engine.connect() as connection:
        rows = [dict(row) for row in (await connection.execute(select(sessions))).mappings()]
    assert {row["network"] for row in rows} == {"203.0.113.0/24", "2001:db8:5::/48"}
    kept = json.dumps(rows) + batch.serialize().decode()
    assert not [address for address in addresses if address in kept]
    assert "2001:db8:5::3" not in kept


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.mmdb"
    spoilt.write_bytes(b"country,code\nGermany,DE\n")
    for path, why in (
        (tmp_path / "nowhere.mmdb", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (spoilt, "Error opening database file"),
    ):
        with pytest.raises(PlacesError) as raised:
            Places(path)
        assert str(raised.value).startswith(f"[engagement] geoip = {str(path)!r}: {why}")
        assert str(raised.value).endswith("expected a MaxMind-format database")


def test_a_file_that_is_replaced_is_taken_up(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    places = Places(path)
    write_places(tmp_path / "new", {"203.0.113.0/24": place("SE", "AB")}).replace(path)
    assert places.of("203.0.113.7") == ("DE", "DE-BE")
    places.renew()
    assert places.of("203.0.113.7") == ("SE", "SE-AB")
    # Written over where it lies, and not done yet.
    path.write_bytes(b"half of")
    assert places.of("203.0.113.7") == ("SE", "SE-AB")
    places.renew()
    assert "still looked up" in caplog.text
    path.unlink()
    places.renew()
    assert places.of("203.0.113.7") == ("SE", "SE-AB")
    write_places(path, NETWORKS)
    places.renew()
    assert places.of("203.0.113.7") == ("DE", "DE-BE")
    places.close()
