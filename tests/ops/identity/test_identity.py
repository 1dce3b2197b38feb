from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.access.door import Ask
from auth.audit.entries import Event
from auth.audit.reader import export, verify
from auth.errors import AccountConflict, AuthError, BadCredentials, TokenInvalid, VaultError
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import NOTHING, ApiKeyCredential, TokenCredential
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.principals import Kind
from auth.permissions.protocols import Protocol
from auth.tokens.tokens import SERVER
from ops.identity.identity import Guard, Identity, open_identity
from ops.storage.database import DatabaseError
from streamer.config import Config, parse
from streamer.errors import ConfigError
from tests.fakes.wait import until


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse({"state": {"dir": tmp_path / "state"}})


@pytest.fixture
async def identity(config: Config) -> AsyncIterator[Identity]:
    identity = await open_identity(config)
    yield identity
    await identity.close()


async def entries(identity: Identity) -> list[dict[str, object]]:
    return [json.loads(line) async for line in export(identity.engine)]


class TestIdentity:
    async def test_a_second_start_finds_the_same_keys(self, identity: Identity, config: Config) -> None:
        again = await open_identity(config)
        ring = again.authority.snapshot.ring
        await again.close()
        assert ring.signer.kid == identity.authority.snapshot.ring.signer.kid

    async def test_another_master_key(self, identity: Identity, config: Config) -> None:
        identity.key_file.unlink()
        with pytest.raises(VaultError, match="which is not here"):
            await open_identity(config)

    async def test_a_state_directory_that_cannot_be_made(self, config: Config) -> None:
        config.state.dir.write_text("a file")
        with pytest.raises(ConfigError) as caught:
            await open_identity(config)
        assert str(caught.value) == (
            f"configuration: state.dir = '{config.state.dir}': expected a folder, or where one can be made: "
            "file exists"
        )

    async def test_a_file_that_is_no_database(self, config: Config) -> None:
        config.state.dir.mkdir()
        (config.state.dir / "streamer.db").write_bytes(b"something else entirely " * 100)
        with pytest.raises(DatabaseError, match="not a database"):
            await open_identity(config)

    async def test_the_last_administrator_stays(self, identity: Identity) -> None:
        anna = await identity.accounts.create(Kind.USER, "anna")
        async with identity.engine.begin() as connection:
            new = NewGrant(anna.id, Role.ADMINISTRATOR, "*", SERVER)
            await add_grant(connection, new, identity.clock())
        with pytest.raises(AccountConflict):
            await identity.accounts.disable(anna.id)

    async def test_an_account_takes_its_grants_with_it(self, identity: Identity) -> None:
        anna = await identity.accounts.create(Kind.USER, "anna")
        async with identity.engine.begin() as connection:
            await add_grant(connection, NewGrant(anna.id, Role.VIEWER, "*", SERVER), identity.clock())
        await identity.accounts.delete(anna.id)
        await identity.authority.refresh()
        assert identity.authority.snapshot.grants == {}

    async def test_what_is_recorded(self, identity: Identity) -> None:
        await identity.record("user.add", "an-id", name="anna", what="more", target="other")
        (entry,) = await entries(identity)
        assert (entry["who"], entry["what"], entry["target"]) == (SERVER, "user.add", "an-id")
        assert entry["details"] == {"name": "anna", "what": "more", "target": "other"}
        assert (await verify(identity.engine, identity.vault)).is_whole


class TestGuard:
    async def refused(self, guard: Guard, ask: Ask) -> AuthError:
        with pytest.raises(AuthError) as caught:
            await guard.door.check(ask)
        return caught.value

    async def test_refusals_are_kept_but_for_those_of_nobody(self, identity: Identity) -> None:
        guard = Guard(identity)
        wrong = Ask(TokenCredential("wrong"), Action.WATCH, Protocol.WHEP, "cam", "192.0.2.1")
        nobody = Ask(NOTHING, Action.WATCH, Protocol.WHEP, "cam", "192.0.2.1")
        assert isinstance(await self.refused(guard, wrong), TokenInvalid)
        assert isinstance(await self.refused(guard, nobody), BadCredentials)
        await guard.close()
        (entry,) = await entries(identity)
        assert (entry["what"], entry["target"], entry["address"]) == ("refused.watch", "cam", "192.0.2.1")
        assert entry["outcome"] == "refused"

    async def test_who_hammers_does_not_fill_the_log(self, identity: Identity) -> None:
        guard = Guard(identity)
        for address in ("192.0.2.1", "192.0.2.2"):
            for _ in range(100):
                ask = Ask(TokenCredential("wrong"), Action.WATCH, Protocol.WHEP, "cam", address)
                await self.refused(guard, ask)
        await guard.close()
        kept = await entries(identity)
        for address in ("192.0.2.1", "192.0.2.2"):
            assert 1 <= sum(entry["address"] == address for entry in kept) < 30

    async def test_following_ends_when_it_is_cancelled(self, identity: Identity) -> None:
        guard = Guard(identity)
        following = asyncio.create_task(guard.run())
        await asyncio.sleep(0)
        following.cancel()
        done, _ = await asyncio.wait({following}, timeout=20)
        assert done
        await guard.close()


class TestAwayDatabase:
    async def test_the_audit_log_is_written_once_it_is_back(
        self, identity: Identity, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard = Guard(identity)
        async with identity.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE auth_audit RENAME TO away")
        guard.refused(Event("", "refused.watch", "cam", "192.0.2.7"))
        await until(lambda: "cannot be written" in caplog.text)
        async with identity.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO auth_audit")
        await guard.audit.record(Event("", "refused.watch", "gate", "192.0.2.7"))
        assert [entry["target"] for entry in await entries(identity)] == ["cam", "gate"]
        await guard.close()

    async def test_when_keys_were_used_is_not_worth_the_server(
        self, identity: Identity, caplog: pytest.LogCaptureFixture
    ) -> None:
        guard = Guard(identity)
        encoder = await identity.accounts.create(Kind.SERVICE, "encoder")
        key = (await identity.api_keys.issue(encoder.id)).key
        async with identity.engine.begin() as connection:
            await add_grant(connection, NewGrant(encoder.id, Role.VIEWER, "*", SERVER), identity.clock())
        await identity.authority.refresh()
        await guard.door.check(Ask(ApiKeyCredential(key), Action.WATCH, Protocol.WHEP, "cam"))
        async with identity.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE auth_api_key RENAME TO away")
        await guard.note_used_keys()
        assert "when API keys were used cannot be written" in caplog.text
        await guard.close()
