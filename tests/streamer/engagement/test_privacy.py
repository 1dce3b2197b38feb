"""Trying to find out who somebody is, with everything that is kept."""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.vault.vault import MasterKey, Vault
from streamer.engagement.decisions import LATE_S
from streamer.engagement.disclosure import Disclosure
from streamer.engagement.places import Places
from streamer.engagement.privacy import Salts, pseudonym, truncated, wants_no_tracking
from streamer.engagement.reception import Reception, Visitor
from streamer.engagement.store import Store
from streamer.engagement.tables import salts, sessions
from tests.streamer.engagement.rig import MIDNIGHT, Crowd

AGENT = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
def vault() -> Vault:
    return Vault([MasterKey(secrets.token_bytes(32))])


def visitor(session: str, address: str, at: float, **headers: str) -> Visitor:
    return Visitor(session, 1, "cam", "whep", at, address, {**AGENT, **headers})


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("streamer.db*"))


class TestSalts:
    async def test_machines_agree_and_yesterdays_is_gone(
        self, engine: AsyncEngine, vault: Vault, tmp_path: Path
    ) -> None:
        one, two = Salts(engine, vault), Salts(engine, vault)
        assert one.of(MIDNIGHT) == b""
        await one.renew(MIDNIGHT)
        await two.renew(MIDNIGHT + 5)
        first = one.of(MIDNIGHT)
        assert len(first) == 32
        assert two.of(MIDNIGHT + 86_399) == first
        async with engine.connect() as connection:
            sealed = (await connection.execute(select(salts.c.sealed))).scalar_one()
        assert first.hex() not in sealed
        await one.renew(MIDNIGHT + 86_400)
        assert one.of(MIDNIGHT + 86_400) not in (first, b"")
        assert one.of(MIDNIGHT) == b""
        await engine.dispose()
        assert sealed.encode() not in everything_in(tmp_path)

    async def test_tomorrows_is_there_when_tomorrow_begins(
        self, engine: AsyncEngine, vault: Vault, tmp_path: Path
    ) -> None:
        one, two = Salts(engine, vault), Salts(engine, vault)
        await one.renew(MIDNIGHT)
        assert one.of(MIDNIGHT + 86_400) == b""
        await one.renew(MIDNIGHT + 86_399)
        await two.renew(MIDNIGHT + 86_390)
        today, tomorrow = one.of(MIDNIGHT + 86_399.9), one.of(MIDNIGHT + 86_400)
        assert len({today, tomorrow, b""}) == 3
        assert (two.of(MIDNIGHT + 86_399.9), two.of(MIDNIGHT + 86_400)) == (today, tomorrow)
        await one.renew(MIDNIGHT + 86_401)
        assert (one.of(MIDNIGHT), one.of(MIDNIGHT + 86_401)) == (b"", tomorrow)
        async with engine.connect() as connection:
            days = (await connection.execute(select(salts.c.day))).scalars().all()
        assert days == [int(MIDNIGHT + 86_400) // 86_400]

    async def test_sealed_under_a_key_that_is_gone(self, engine: AsyncEngine, vault: Vault) -> None:
        await Salts(engine, vault).renew(MIDNIGHT)
        other = Vault([MasterKey(secrets.token_bytes(32))])
        one, two = Salts(engine, other), Salts(engine, other)
        await one.renew(MIDNIGHT)
        await two.renew(MIDNIGHT)
        assert one.of(MIDNIGHT) == two.of(MIDNIGHT) != b""

    async def test_a_pseudonym_does_not_lead_from_one_day_to_the_next(
        self, engine: AsyncEngine, vault: Vault
    ) -> None:
        names = set()
        salts = Salts(engine, vault)
        for day in range(3):
            now = MIDNIGHT + day * 86_400
            await salts.renew(now)
            crowd = Crowd(at=now)
            Reception(crowd.audience, salts, Places()).arrive(visitor("s", "203.0.113.77", now))
            arrival = crowd.audience.arrival_of("s")
            assert arrival is not None
            names.add(arrival.viewer)
        assert len(names) == 3

    async def test_all_addresses_tried_without_the_salt_find_nobody(
        self, engine: AsyncEngine, vault: Vault
    ) -> None:
        salts = Salts(engine, vault)
        await salts.renew(MIDNIGHT)
        crowd = Crowd(at=MIDNIGHT)
        Reception(crowd.audience, salts, Places()).arrive(visitor("s", "203.0.113.77", MIDNIGHT))
        arrival = crowd.audience.arrival_of("s")
        assert arrival is not None
        assert arrival.viewer == pseudonym(salts.of(MIDNIGHT), "203.0.113.77", AGENT["User-Agent"])
        guesses = (b"", b"0" * 32, b"engagement-salt")
        for last, guess in itertools.product(range(256), guesses):
            assert pseudonym(guess, f"203.0.113.{last}", AGENT["User-Agent"]) != arrival.viewer
        assert "77" not in arrival.network


class TestWhatIsKept:
    @pytest.mark.parametrize(
        ("address", "kept"),
        [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("fe80::1%eth0", "fe80::/48"),
            ("nonsense", ""),
            ("", ""),
        ],
    )
    def test_addresses_lose_their_last_part(self, address: str, kept: str) -> None:
        assert truncated(address) == kept

    def test_who_asks_not_to_be_tracked(self) -> None:
        assert wants_no_tracking({"DNT": "1"})
        assert wants_no_tracking({"Sec-GPC": "1"})
        assert not wants_no_tracking({"DNT": "0"})

    async def test_of_whom_asks_not_to_be_tracked_only_the_sum(
        self, engine: AsyncEngine, vault: Vault
    ) -> None:
        salts = Salts(engine, vault)
        await salts.renew(MIDNIGHT)
        crowd = Crowd(at=MIDNIGHT)
        Reception(crowd.audience, salts, Places()).arrive(visitor("s", "203.0.113.77", MIDNIGHT, DNT="1"))
        crowd.audience.watching("s")
        crowd.now += 10
        crowd.audience.leave("s", "gone")
        batch = crowd.cut()
        assert not batch.sessions
        assert (batch.added[0].plays, batch.added[0].ended, batch.added[0].viewers) == (1, 1, b"")
        assert not batch.added[0].shares
        text = batch.serialize()
        assert b"203.0" not in text
        assert b"Firefox" not in text

    async def test_two_behind_one_address_are_two_and_who_comes_back_is_himself(
        self, engine: AsyncEngine, vault: Vault
    ) -> None:
        salts = Salts(engine, vault)
        await salts.renew(MIDNIGHT)
        crowd = Crowd(at=MIDNIGHT)
        reception = Reception(crowd.audience, salts, Places())

        def come(session: str) -> str:
            reception.arrive(visitor(session, "203.0.113.77", MIDNIGHT))
            arrival = crowd.audience.arrival_of(session)
            assert arrival is not None
            return arrival.viewer

        first, second = come("a"), come("b")
        assert first != second
        reception.left("a")
        assert come("c") == first
        assert come("d") not in (first, second)
        for session in ("d", "b", "c"):
            reception.left(session)
        assert [come("e"), come("f")] == [first, second]


class TestThreshold:
    async def test_no_span_of_time_tells_one_viewer_from_the_others(self, engine: AsyncEngine) -> None:
        crowd = Crowd()
        store = Store(engine, clock=lambda: crowd.now)
        for index in range(20):
            crowd.come(f"v{index}", country="DE", device="desktop")
        crowd.now += 60
        await store.take([crowd.cut()])
        crowd.come("the one", country="IS", device="tv")
        crowd.now += 60
        for name in [*(f"v{index}" for index in range(20)), "the one"]:
            crowd.go(name)
        await store.take([crowd.cut()])
        disclosure = Disclosure(engine, 5, lambda: crowd.now)
        seen = set()
        for start, end in itertools.combinations([MIDNIGHT + step for step in range(3000, 4000, 150)], 2):
            for dimension in ("country", "device"):
                found = await disclosure.breakdown("cam", dimension, start, end)
                seen.add((dimension, tuple(found.parts)))
                assert "IS" not in [part.value for part in found.parts]
        # Every span gives the same answer, so none can be subtracted from another.
        assert len(seen) == 2
        async with engine.connect() as connection:
            rows = [dict(row) for row in (await connection.execute(select(sessions))).mappings()]
        # Today, each that ends would tell of itself.
        assert not {(row["country"], row["device"]) for row in await disclosure.blur(rows)} - {("", "")}
        crowd.now = MIDNIGHT + 86_400 + LATE_S
        # He is one, and would be who is left over when the others are told of.
        assert not {(row["country"], row["device"]) for row in await disclosure.blur(rows)} - {("", "")}

    async def test_sessions_are_told_apart_by_nothing_that_fewer_share(self, engine: AsyncEngine) -> None:
        crowd = Crowd()
        known = [{"country": "DE", "device": "desktop"}] * 9 + [{"country": "DE", "device": "tv"}]
        known += [{"country": "FR", "device": "phone"}] * 6
        # The breakdown by device tells of televisions, of which this country has one.
        known += [{"country": "FR", "device": "tv"}] * 5
        for index, each in enumerate(known):
            crowd.come(f"v{index}", **each, browser="Firefox", region=each["country"])
        # One account, on everything it has.
        for index in range(5):
            crowd.come(f"anna{index}", viewer="a" * 32, account="", country="IS", device="tablet")
        crowd.now += 60
        for index in range(len(known)):
            crowd.go(f"v{index}")
        for index in range(5):
            crowd.go(f"anna{index}")
        await Store(engine, clock=lambda: crowd.now).take([crowd.cut()])
        disclosure = Disclosure(engine, 5, lambda: MIDNIGHT + 2 * 86_400)
        async with engine.connect() as connection:
            rows = [dict(row) for row in (await connection.execute(select(sessions))).mappings()]
        shown = Counter((row["country"], row["device"]) for row in await disclosure.blur(rows))
        # Beside nine desktops the tenth would be the television; and the only islander is hidden with a
        # country, as he would be who is left over.
        assert shown == {("FR", "phone"): 6, ("FR", "tv"): 5, ("", ""): 15}

    async def test_nobody_is_followed_from_stream_to_stream(self, engine: AsyncEngine) -> None:
        crowd = Crowd()
        for stream in ("cam", "other"):
            crowd.come(stream, stream, viewer="b" * 32)
            crowd.come(f"again on {stream}", stream, viewer="b" * 32)
        crowd.now += 60
        for name in list(crowd.peers):
            crowd.go(name)
        await Store(engine, clock=lambda: crowd.now).take([crowd.cut()])
        async with engine.connect() as connection:
            rows = [dict(row) for row in (await connection.execute(select(sessions))).mappings()]
        found = [(row["stream"], row["viewer"]) for row in await Disclosure(engine, 5).blur(rows)]
        assert len(set(found)) == len({viewer for _, viewer in found}) == 2
        assert "b" * 32 not in {viewer for _, viewer in found}
