from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import Event, append, audit_log
from auth.audit.erasure import ERASED, Person, forget
from auth.audit.reader import AuditBroken, verify
from tests.auth.ground import vault

ANNA = Person("a" * 32, ("Änne", "Anne Blum", "anne@example.org"))


async def log(engine: AsyncEngine, *events: Event) -> None:
    async with engine.begin() as connection:
        await append(connection, vault(), list(events), 1000.0)


async def entries(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        rows = (await connection.execute(select(audit_log).order_by(audit_log.c.seq))).mappings()
        return [{**row, "details": json.loads(row["details"])} for row in rows]


async def erase(engine: AsyncEngine) -> tuple[int, int]:
    async with engine.begin() as connection:
        return await forget(connection, vault(), ANNA)


async def test_names_and_addresses_go_and_the_rest_stays(engine: AsyncEngine) -> None:
    await log(
        engine,
        Event("@server", "user.add", "b" * 32, details={"name": "Bert"}),
        Event("@server", "user.add", ANNA.id, details={"name": "Änne", "email": "ANNE@example.org"}),
        Event("", "login", "änne", "203.0.113.7", details={"typed": ["ÄNNE", {"as": "Anne Blum"}]}),
        Event(ANNA.id, "stream.kick", "cam", "203.0.113.8", details={"why": "Annex"}),
        Event("b" * 32, "user.disable", ANNA.id, "203.0.113.9"),
    )
    before = await entries(engine)
    assert await erase(engine) == (3, 2)
    after = await entries(engine)
    assert after[0] == before[0]
    assert after[1]["details"] == {"name": ERASED, "email": ERASED}
    assert (after[2]["target"], after[2]["details"]) == (ERASED, {"typed": [ERASED, {"as": ERASED}]})
    assert (after[3]["address"], after[3]["details"]) == ("", {"why": "Annex"})
    # Somebody else's.
    assert after[4]["address"] == "203.0.113.9"
    assert [entry["what"] for entry in after] == [entry["what"] for entry in before]
    assert (await verify(engine, vault())).is_whole
    await log(engine, Event("@server", "privacy.erase", ANNA.id))
    assert (await verify(engine, vault())).is_whole
    assert await erase(engine) == (0, 0)


async def test_what_somebody_else_changed_is_not_covered_up(engine: AsyncEngine) -> None:
    events = [Event("@server", "user.add", str(each), details={"name": "Änne"}) for each in range(5)]
    await log(engine, *events)
    async with engine.begin() as connection:
        await connection.execute(update(audit_log).where(audit_log.c.seq == 4).values(who="nobody"))
    with pytest.raises(AuditBroken) as raised:
        await erase(engine)
    assert raised.value.seq == 4
    assert (await entries(engine))[0]["details"] == {"name": "Änne"}
