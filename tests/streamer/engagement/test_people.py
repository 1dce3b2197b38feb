"""Somebody is erased, and nothing of him is left: database, disk, Redis, exports."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from auth.accounts.accounts import Account
from auth.audit.entries import audit_log
from auth.audit.reader import verify
from auth.permissions.principals import Kind
from ops.identity import privacy
from ops.identity.identity import Identity, open_identity
from streamer.cluster.batches import QUEUE, Queue
from streamer.cluster.link import connect
from streamer.config import Config, parse
from streamer.engagement.checkpoint import Copier, Place, recover, write
from streamer.engagement.collector import COPY
from streamer.engagement.people import DEADLINE_S, Register
from streamer.engagement.store import Store
from tests.rigs.redis import redis_server
from tests.streamer.engagement.rig import Crowd

NAME = "anna-of-the-test"


@pytest.fixture
async def identity(tmp_path: Path) -> AsyncIterator[Identity]:
    identity = await open_identity(parse({"state": {"dir": tmp_path / "state"}}))
    yield identity
    await identity.close()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def anna(identity: Identity) -> Account:
    return await identity.accounts.create(Kind.USER, NAME, email="anna@example.com")


async def watch(identity: Identity, account: Account, config: Config) -> Crowd:
    """She and another one watch; one of her sessions is in the database, one waits on disk."""
    crowd = Crowd()
    for turn in range(2):
        crowd.come(f"hers{turn}", account=account.id)
        crowd.come(f"other{turn}")
        crowd.now += 10
        crowd.go(f"hers{turn}")
        crowd.go(f"other{turn}")
        batch = crowd.cut()
        if turn == 0:
            await Store(identity.engine, clock=lambda: crowd.now).take([batch])
        else:
            privacy.open_spool(config).put(batch.id, batch.serialize())
    return crowd


def test_no_spreadsheet_computes_what_was_exported() -> None:
    names = ['=HYPERLINK("//evil.example")', "+1", "-1", "@SUM(A1)", "\t=1", "\r\n=1", "\uff1d1", "a=1", ""]
    rows = [{"name": name, "at": -1.5, "count": -1, "none": None} for name in names]
    read = [*csv.DictReader(io.StringIO(privacy.as_csv({"t": rows}), newline=""))]
    values = [each["value"] for each in read if each["field"] == "name"]
    assert values == [f"'{name}" for name in names[:-2]] + names[-2:]
    assert [each["value"] for each in read[1:4]] == ["-1.5", "-1", ""]


async def test_nothing_is_left(identity: Identity, tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        config = parse({"state": {"dir": tmp_path / "state"}, "redis": {"url": server.url}})
        account = await anna(identity)
        crowd = await watch(identity, account, config)
        crowd.come("hers3", account=account.id)
        crowd.now += 5
        crowd.go("hers3")
        late = crowd.cut()
        redis = connect(server.url)
        await Queue(redis).send([("x", late.serialize())])
        # A server was killed while she watched, and its copies are still there.
        crowd.come("hers4", account=account.id)
        crowd.come("other4")
        place = Place("node", "boot", 1, int(crowd.now) // 60 * 60, crowd.now)
        copy = Copier(crowd.audience).copy(place)
        write(privacy.folder(config) / COPY, copy)
        await redis.set("streamer:copy:node", copy, ex=100)

        found = await privacy.gather(identity, account)
        assert [row["id"] for row in found["engagement_session"]] == ["node-hers0"]
        assert found["auth_principal"][0]["email"] == "anna@example.com"
        assert json.loads(privacy.as_json(found))
        assert f"auth_principal,1,name,{NAME}" in privacy.as_csv(found)

        erased = await privacy.erase(identity, config, account)
        assert erased == {
            "sessions": 1,
            "spooled_batches": 1,
            "queued_batches": 1,
            "copies": 2,
            "log_entries": 0,
        }
        ((_, fields),) = await redis.xrange(QUEUE)
        assert account.id.encode() not in zlib.decompress(b"".join(fields.values()))
        left_there = b"".join([await redis.dump(key) or b"" for key in await redis.keys("*")])
        assert account.id.encode() not in left_there
        kept = await redis.get("streamer:copy:node")
        assert kept == (privacy.folder(config) / COPY).read_bytes()
        assert 0 < await redis.ttl("streamer:copy:node") <= 100
        await redis.aclose()
    recovered = recover(kept)
    assert [session["id"] for session in recovered.sessions] == ["node-other4"]
    assert sum(added.plays for added in recovered.added if added.stream == "cam") == 2
    # What comes later all the same is dropped.
    store = Store(identity.engine, clock=lambda: crowd.now)
    await store.take([late])
    assert "engagement_session" not in await privacy.gather(identity, account)
    assert set(await privacy.gather(identity, account)) <= {"auth_audit"}
    async with identity.engine.connect() as connection:
        entries = (
            await connection.execute(select(audit_log).where(audit_log.c.what == "privacy.erase"))
        ).all()
    assert [entry.target for entry in entries] == [account.id]
    assert (await verify(identity.engine, identity.vault)).is_whole
    await identity.engine.dispose()
    left = everything_in(tmp_path / "state")
    assert NAME.encode() not in left
    assert b"anna@example.com" not in left
    # Of who watched when a server was killed there is a session, which is nobody's.
    assert b"node-hers" not in left.replace(b"node-hers4", b"")
    assert account.id.encode() not in everything_in(privacy.folder(config))
    assert b"node-other" in left
    (request,) = await Register(identity.engine).all()
    assert (request.kind, request.subject) == ("erase", "")
    assert request.completed_at is not None


async def test_the_register_tells_what_is_due(identity: Identity) -> None:
    now = 1000.0
    register = Register(identity.engine, lambda: now)
    first = await register.enter("export", "anna", "by letter")
    assert first.due_at == now + DEADLINE_S
    now += DEADLINE_S - 1
    second = await register.enter("erase", "bert")
    assert await register.overdue() == 0
    now += 2
    assert await register.overdue() == 1
    await register.complete(first.id)
    assert [request.id for request in await register.all(only_open=True)] == [second.id]
    assert await register.overdue() == 0
