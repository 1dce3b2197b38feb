from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import Event, Head, Outcome, audit_head, audit_log, hash_of
from auth.audit.reader import AuditBroken, Filter, export, latest, retain, verify
from tests.auth.audit.test_entries import entries, write
from tests.auth.ground import NOON, database, vault


async def fill(engine: AsyncEngine, count: int) -> None:
    await write(engine, *[Event("ann", "login", str(number), at=NOON + number) for number in range(count)])


async def change(engine: AsyncEngine, seq: int, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(audit_log).where(audit_log.c.seq == seq).values(values))


class TestVerify:
    async def test_more_than_a_page(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            assert (await verify(engine, vault())).checked == 0
            await fill(engine, 2500)
            verdict = await verify(engine, vault())
            assert (verdict.is_whole, verdict.checked) == (True, 2500)

    @pytest.mark.parametrize("seq", [1, 3, 5])
    @pytest.mark.parametrize(
        "values",
        [
            {"who": "eve"},
            {"what": "logout"},
            {"at": NOON - 1},
            {"address": "192.0.2.9"},
            {"target": "x"},
            {"outcome": "refused"},
            {"details": '{"a":1}'},
            {"hash": "f" * 64},
            {"prev": "f" * 64},
        ],
    )
    async def test_every_change_is_found_at_its_entry(
        self, tmp_path: Path, seq: int, values: dict[str, Any]
    ) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            await change(engine, seq, **values)
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.checked) == (seq, seq - 1)

    async def test_a_change_with_its_own_hash_is_found_at_the_next(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            row = (await entries(engine))[2] | {"who": "eve"}
            await change(engine, 3, who="eve", hash=hash_of(row))
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.why) == (4, "it does not follow on the entry before")
            await fill(engine, 0)
            row = (await entries(engine))[4] | {"who": "eve"}
            await change(engine, 5, who="eve", hash=hash_of(row))
            await change(engine, 3, who="ann", hash=(await entries(engine))[3]["prev"])
            assert "head is not genuine" in (await verify(engine, vault())).why

    @pytest.mark.parametrize("seq", [1, 3])
    async def test_an_entry_that_was_removed(self, tmp_path: Path, seq: int) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log).where(audit_log.c.seq == seq))
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.why) == (seq, "it is missing")

    async def test_the_end_that_was_cut_off(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            rows = await entries(engine)
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log).where(audit_log.c.seq > 3))
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.checked) == (4, 3)
            assert "cut off" in verdict.why
            async with engine.begin() as connection:
                await connection.execute(update(audit_head).values(seq=3, hash=rows[2]["hash"]))
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.checked) == (3, 3)
            assert "head is not genuine" in verdict.why

    async def test_everything_that_was_removed(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log))
            assert (await verify(engine, vault())).first_broken == 1


class TestExport:
    async def lines(self, engine: AsyncEngine, which: Filter | None = None) -> list[dict[str, Any]]:
        return [json.loads(line) async for line in export(engine, which)]

    async def test_every_entry_is_a_line_that_proves_itself(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 1500)
            await write(engine, Event("é", "change", details={"a": [1]}))
            lines = await self.lines(engine)
            assert [line["seq"] for line in lines] == list(range(1, 1502))
            assert (lines[-1]["details"], lines[-1]["who"]) == ({"a": [1]}, "é")
            assert lines[-1]["prev"] == lines[-2]["hash"]

    async def test_filters(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await write(
                engine,
                Event("ann", "grant.add", "bob", "192.0.2.1", at=NOON),
                Event("ann", "grant", "bob", at=NOON + 1),
                Event("bob", "grants", "ann", outcome=Outcome.REFUSED, at=NOON + 2),
                Event("bob", "grant%x", "ann", at=NOON + 3),
            )

            async def found(which: Filter) -> list[int]:
                return [line["seq"] for line in await self.lines(engine, which)]

            assert await found(Filter()) == [1, 2, 3, 4]
            assert await found(Filter(what="grant")) == [1, 2]
            assert await found(Filter(what="grant%")) == []
            assert await found(Filter(who="bob", target="ann")) == [3, 4]
            assert await found(Filter(outcome="refused")) == [3]
            assert await found(Filter(address="192.0.2.1")) == [1]
            assert await found(Filter(since=NOON + 1, until=NOON + 3)) == [2, 3]
            assert await found(Filter(after=2)) == [3, 4]


class TestRetention:
    async def retained(self, engine: AsyncEngine, before: float) -> int:
        async with engine.begin() as connection:
            return await retain(connection, vault(), before, NOON + 9999)

    async def test_the_chain_stays_verifiable(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 1200)
            assert await self.retained(engine, NOON + 1100) == 1100
            rows = await entries(engine)
            assert (rows[0]["seq"], len(rows)) == (1101, 101)
            assert (rows[-1]["what"], rows[-1]["details"]) == ("audit.retention", '{"removed":1100}')
            verdict = await verify(engine, vault())
            assert (verdict.is_whole, verdict.checked) == (True, 101)
            assert await self.retained(engine, NOON + 1100) == 0
            await fill(engine, 3)
            assert (await verify(engine, vault())).is_whole

    async def test_all_of_it(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            assert await self.retained(engine, NOON + 100) == 5
            assert [row["seq"] for row in await entries(engine)] == [6]
            assert (await verify(engine, vault())).is_whole
            assert await self.retained(engine, NOON) == 0

    async def test_an_entry_of_an_earlier_time_among_later_ones_stays_with_them(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            times = [NOON, NOON + 10, NOON + 1, NOON + 20]
            await write(engine, *[Event("ann", "login", at=at) for at in times])
            assert await self.retained(engine, NOON + 5) == 1
            assert [row["seq"] for row in await entries(engine)][:3] == [2, 3, 4]

    async def test_what_is_broken_is_not_removed(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            await change(engine, 2, who="eve")
            with pytest.raises(AuditBroken, match="entry 2: it was changed") as broken:
                await self.retained(engine, NOON + 4)
            assert broken.value.seq == 2
            assert len(await entries(engine)) == 5

    async def test_a_beginning_that_was_moved(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            rows = await entries(engine)
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log).where(audit_log.c.seq <= 2))
                forged = Head(5, rows[4]["hash"], 2, rows[1]["hash"], "").sign(vault(9))
                await connection.execute(update(audit_head).values(forged))
            assert "head is not genuine" in (await verify(engine, vault())).why
            with pytest.raises(AuditBroken, match="head is not genuine"):
                await self.retained(engine, NOON + 4)

    async def test_something_before_the_beginning(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            row = (await entries(engine))[0]
            await self.retained(engine, NOON + 3)
            async with engine.begin() as connection:
                await connection.execute(insert(audit_log).values(row))
            assert (await verify(engine, vault())).why == "it stands before the beginning of the log"


class TestLatest:
    async def test_the_newest_first_page_by_page(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await fill(engine, 5)
            await write(engine, Event("berta", "grant.add", "other", details={"stream": "cam"}))
            first = await latest(engine, Filter(), 2)
            assert [entry["seq"] for entry in first] == [6, 5]
            assert first[0]["details"] == {"stream": "cam"}
            rest = await latest(engine, Filter(before=5, after=1), 10)
            assert [entry["seq"] for entry in rest] == [4, 3, 2]
            assert [entry["seq"] for entry in await latest(engine, Filter(what="grant"), 10)] == [6]
