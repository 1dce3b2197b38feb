from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.audit.entries import (
    GENESIS,
    TAMPERED,
    Event,
    Head,
    Outcome,
    append,
    audit_head,
    audit_log,
    canonical,
    hash_of,
    read_head,
)
from auth.audit.reader import verify
from auth.vault.vault import KEY_BYTES, MasterKey, Vault
from tests.auth.ground import NOON, database, second_engine, vault


async def write(engine: AsyncEngine, *events: Event, box: Vault | None = None, now: float = NOON) -> None:
    async with engine.begin() as connection:
        await append(connection, box or vault(), events, now)


async def entries(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        rows = await connection.execute(select(audit_log).order_by(audit_log.c.seq))
        return [{str(name): value for name, value in row.items()} for row in rows.mappings()]


async def test_entries_follow_on_each_other(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        await write(engine, Event("ann", "login", address="192.0.2.1"), Event("ann", "grant.add", "bob"))
        await write(engine, Event("", "login", outcome=Outcome.REFUSED, at=NOON + 1.25), now=NOON + 2)
        rows = await entries(engine)
        assert [row["seq"] for row in rows] == [1, 2, 3]
        assert [row["prev"] for row in rows] == [GENESIS, rows[0]["hash"], rows[1]["hash"]]
        assert [row["at"] for row in rows] == [NOON, NOON, NOON + 1.25]
        assert all(row["hash"] == hash_of(row) for row in rows)
        assert (rows[0]["who"], rows[0]["what"], rows[0]["address"]) == ("ann", "login", "192.0.2.1")
        assert (rows[1]["target"], rows[2]["outcome"]) == ("bob", "refused")
        async with engine.connect() as connection:
            head = await read_head(connection)
        assert head is not None
        assert (head.seq, head.hash) == (3, rows[2]["hash"])
        assert head.is_genuine(vault())
        assert not head.is_genuine(vault(2))


async def test_nothing_is_appended_without_events(tmp_path: Path) -> None:
    async with database(tmp_path) as engine:
        await write(engine)
        assert await entries(engine) == []
        assert (await verify(engine, vault())).is_whole


async def test_several_processes_do_not_fork_the_chain(tmp_path: Path) -> None:
    async with database(tmp_path) as engine, second_engine(tmp_path) as other:
        await write(engine, Event("", "start"))

        async def writer(of: AsyncEngine, name: str) -> None:
            for number in range(15):
                await write(of, Event(name, "login", str(number)), Event(name, "logout", str(number)))

        await asyncio.gather(writer(engine, "a"), writer(other, "b"), writer(other, "c"))
        rows = await entries(engine)
        assert [row["seq"] for row in rows] == list(range(1, 92))
        for name in "abc":
            own = [(row["target"], row["what"]) for row in rows if row["who"] == name]
            assert own == [(str(number), what) for number in range(15) for what in ("login", "logout")]
        assert (await verify(engine, vault())).is_whole


async def test_a_rotated_key_signs_from_the_next_entry_on(tmp_path: Path) -> None:
    old, new = MasterKey(b"o" * KEY_BYTES), MasterKey(b"n" * KEY_BYTES)
    async with database(tmp_path) as engine:
        await write(engine, Event("", "start"), box=Vault([old]))
        await write(engine, Event("", "keys.rotate"), box=Vault([new, old]))
        assert (await verify(engine, Vault([new]))).is_whole
        assert not (await verify(engine, Vault([old]))).is_whole


class TestWhatTheServerFinds:
    async def test_a_log_that_was_cut_off_goes_on_and_says_so(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with database(tmp_path) as engine:
            await write(engine, *[Event("ann", "login", str(number)) for number in range(5)])
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log).where(audit_log.c.seq > 3))
            await write(engine, Event("bob", "login"))
            rows = await entries(engine)
            assert [(row["seq"], row["what"]) for row in rows[3:]] == [(6, TAMPERED), (7, "login")]
            assert json.loads(rows[3]["details"]) == {"head": 5, "last": 3}
            assert "by other means" in caplog.text
            assert not (await verify(engine, vault())).is_whole

    async def test_a_head_that_was_made_to_fit(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await write(engine, *[Event("ann", "login", str(number)) for number in range(5)])
            rows = await entries(engine)
            async with engine.begin() as connection:
                await connection.execute(delete(audit_log).where(audit_log.c.seq > 3))
                forged = Head(3, rows[2]["hash"], 0, GENESIS, "").sign(vault(9))
                await connection.execute(audit_head.update().values(forged))
            await write(engine, Event("bob", "login"))
            verdict = await verify(engine, vault())
            assert (verdict.first_broken, verdict.checked) == (4, 3)
            assert "changed by other means" in verdict.why

    async def test_an_entry_that_was_put_behind_the_end(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await write(engine, Event("ann", "login"))
            row = (await entries(engine))[0]
            forged = row | {"seq": 2, "prev": row["hash"], "who": "eve"}
            forged["hash"] = hash_of(forged)
            async with engine.begin() as connection:
                await connection.execute(insert(audit_log).values(forged))
            await write(engine, Event("bob", "login"))
            rows = await entries(engine)
            assert [row["what"] for row in rows] == ["login", "login", TAMPERED, "login"]
            assert (await verify(engine, vault())).first_broken == 3

    async def test_a_head_that_is_missing(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await write(engine, Event("ann", "login"))
            async with engine.begin() as connection:
                await connection.execute(delete(audit_head))
            assert (await verify(engine, vault())).first_broken == 1
            await write(engine, Event("bob", "login"))
            assert not (await verify(engine, vault())).is_whole


class TestWhatIsKept:
    async def details(self, folder: Path, details: dict[str, Any]) -> Any:
        async with database(folder) as engine:
            await write(engine, Event("ann", "change", details=details))
            assert (await verify(engine, vault())).is_whole
            return json.loads((await entries(engine))[0]["details"])

    async def test_details_are_plain_and_without_secrets(self, tmp_path: Path) -> None:
        token = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJvbmUifQ.c2lnbmF0dXJl"
        kept = await self.details(
            tmp_path,
            {
                "password": "hidden",
                "new_passphrase": "hidden",
                "publish_key": "hidden",
                "nested": [{"client_secret": "hidden", "name": "x"}],
                "totp": {"seed": "hidden"},
                "url": "rtsp://user:hidden@host/a?token=hidden",
                "text": f"came with {token}",
                "token_id": "visible",
                "key_ids": ["visible"],
                "password_changed_at": 5,
                "empty_secret": "",
                "when": NOON,
                "flag": True,
                "nothing": None,
                "set": {"b", "a"},
                "strange": float("inf"),
                "broken": "a\udcff\0",
            },
        )
        assert "hidden" not in json.dumps(kept)
        assert token not in json.dumps(kept)
        assert kept["token_id"] == "visible"
        assert kept["key_ids"] == ["visible"]
        assert kept["nested"][0]["name"] == "x"
        assert kept["url"] == "rtsp://user:***@host/a?token=***"
        assert (kept["when"], kept["flag"], kept["nothing"], kept["set"]) == (NOON, True, None, ["a", "b"])
        assert kept["strange"] == "inf"
        assert kept["broken"] == "a?\ufffd"

    async def test_details_are_bounded(self, tmp_path: Path) -> None:
        deep: dict[str, Any] = {}
        inner = deep
        for _ in range(500):
            inner["x"] = {}
            inner = inner["x"]
        hostile = {"long": "x" * 100_000, "tokens": "eyJ" * 50_000, "urls": "a://a:" * 20_000}
        kept = await self.details(tmp_path, {**hostile, "deep": deep})
        assert len(json.dumps(kept)) < 5000
        assert "shortened" in kept

    async def test_texts_are_bounded_and_fit_every_database(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            await write(engine, Event("w" * 1000, "x\0y", "t\udcff", "a" * 1000, at=float("nan")))
            row = (await entries(engine))[0]
            assert (len(row["who"]), len(row["address"])) == (256, 256)
            assert (row["what"], row["target"], row["at"]) == ("x\ufffdy", "t?", NOON)
            assert (await verify(engine, vault())).is_whole


def test_canonical_is_the_same_text_for_the_same_value() -> None:
    assert canonical({"b": 1, "a": [1.5, "é"]}) == canonical({"a": [1.5, "é"], "b": 1})
    assert canonical("é").isascii()
