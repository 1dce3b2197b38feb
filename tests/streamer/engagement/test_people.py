"""Somebody is erased, and nothing of him is left: database, disk, Redis, exports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from auth.accounts import Account
from auth.audit import audit_log
from auth.audit_reader import verify
from auth.principals import Kind
from ops import privacy
from ops.identity import Identity, open_identity
from streamer.cluster.batches import QUEUE, Queue
from streamer.cluster.link import connect
from streamer.config import Config, parse
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

        found = await privacy.gather(identity, account)
        assert [row["id"] for row in found["engagement_session"]] == ["node-hers0"]
        assert found["auth_principal"][0]["email"] == "anna@example.com"
        assert json.loads(privacy.as_json(found))
        assert f"auth_principal,1,name,{NAME}" in privacy.as_csv(found)

        erased = await privacy.erase(identity, config, account)
        assert erased == {"sessions": 1, "spooled_batches": 1, "queued_batches": 1}
        ((_, fields),) = await redis.xrange(QUEUE)
        await redis.aclose()
        assert account.id.encode() not in b"".join(fields.values())
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
    assert left.count(b"node-hers") == 0
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
