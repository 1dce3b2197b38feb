"""Connections at the stand-in platforms, which check everything that the real ones check."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthUnavailable, NoSuchConnection, PlatformRefused, ReconnectNeeded
from auth.platforms.connecting import Connecting
from auth.platforms.connections import Access, Connections
from auth.platforms.login import PlatformLogin
from auth.platforms.oauth import AppClient, Tokens
from auth.platforms.records import Connection, ConnectionState, erase_owned
from auth.platforms.token_store import Asker
from auth.vault.rewrap import rewrap_all
from auth.vault.vault import KEY_BYTES, MasterKey, Vault
from ops.sandbox.faults import Fault, FaultKind
from ops.sandbox.oauth import Use
from ops.sandbox.parties import Platform
from tests.auth.ground import vault
from tests.fakes.wait import until
from tests.rigs.connected import ASKER, Rig, connected_rig, logins

ALL = ["youtube", "facebook", "twitch"]
PAGE = "61550000000000011"


class TestFacebook:
    async def test_pages_are_picked_and_spoken_for_with_their_own_tokens(self, rig: Rig) -> None:
        record = await rig.connect("facebook")
        assert [page.name for page in record.pages] == ["Harbour Radio", "Harbour Kitchen"]
        assert record.page == ""
        own = await rig.connections.access(record.id)
        picked = await rig.connections.pick_page(record.id, PAGE, ASKER)
        assert picked.page == PAGE
        access = await rig.connections.access(record.id)
        assert (access.acts_as, access.page) == (PAGE, PAGE)
        assert access.token != own.token
        assert access.token not in await rig.stored()
        assert (await rig.connections.access(record.id, page="")).token == own.token
        with pytest.raises(PlatformRefused):
            await rig.connections.pick_page(record.id, "1", ASKER)

    async def test_a_page_whose_token_is_rejected_gets_another(self, rig: Rig) -> None:
        """Whether it was picked or is named by who asks."""
        record = await rig.connect("facebook")
        for _ in range(2):
            old = await rig.connections.access(record.id, page=PAGE)
            rig.sandbox.facebook.tokens.expire(Use.PAGE)
            new = await rig.connections.access(record.id, page=PAGE, rejected=old.token)
            assert new.token != old.token
            assert (await rig.connections.find(record.id)).is_usable
            await rig.connections.pick_page(record.id, PAGE, ASKER)

    @pytest.mark.parametrize("picked", [True, False])
    async def test_a_page_that_is_given_no_other_token_is_lost(self, rig: Rig, picked: bool) -> None:
        record = await rig.connect("facebook")
        old = await rig.connections.access(record.id, page=PAGE)
        if picked:
            await rig.connections.pick_page(record.id, PAGE, ASKER)
        with pytest.raises(ReconnectNeeded, match="publish"):
            await rig.connections.access(
                record.id, page=PAGE, rejected=old.token
            )  # the platform gives the same
        assert (await rig.connections.find(record.id)).is_usable is not picked
        if not picked:
            assert (await rig.connections.access(record.id, page="")).token

    async def test_a_page_that_was_picked_stays_when_connected_again(self, rig: Rig) -> None:
        record = await rig.connect("facebook")
        await rig.connections.pick_page(record.id, PAGE, ASKER)
        assert (await rig.connect("facebook")).page == PAGE

    async def test_without_the_profile_a_page_is_picked(self, rig: Rig) -> None:
        assert (await rig.connect("facebook", without=frozenset({"publish_video"}))).page == PAGE

    async def test_without_either_it_must_be_connected_again(self, rig: Rig) -> None:
        record = await rig.connect("facebook", without=frozenset({"publish_video", "pages_manage_posts"}))
        assert (
            record.reason
            == "Facebook was connected without pages_manage_posts; connect it again and allow that"
        )

    async def test_the_token_lasts_and_is_exchanged_again_in_time(self, rig: Rig) -> None:
        record = await rig.connect("facebook")
        assert record.expires_at is not None
        assert record.expires_at - rig.clock.now() > 59 * 86_400
        rig.clock.advance(40 * 86_400)
        await rig.connections.look_after()
        expires_at = (await rig.connections.find(record.id)).expires_at
        assert expires_at is not None and expires_at - rig.clock.now() > 59 * 86_400

    async def test_a_token_that_was_let_expire_is_over(self, rig: Rig) -> None:
        record = await rig.connect("facebook")
        rig.clock.advance(61 * 86_400)
        with pytest.raises(ReconnectNeeded):
            await rig.connections.access(record.id)


class TestRefreshing:
    @pytest.mark.parametrize("platform", ["youtube", "twitch"])
    async def test_many_who_need_a_token_refresh_it_once(self, rig: Rig, platform: str) -> None:
        record = await rig.connect(platform)
        old = (await rig.connections.access(record.id)).token
        rig.clock.advance(5 * 3600)
        before = rig.calls(platform).count("oauth.token")
        found = await asyncio.gather(*(rig.connections.access(record.id) for _ in range(10)))
        assert rig.calls(platform).count("oauth.token") == before + 1
        assert len({access.token for access in found}) == 1
        assert found[0].token != old

    async def test_a_refresh_token_that_changes_is_kept_before_anything_else(
        self, sqlite_engine: AsyncEngine
    ) -> None:
        async with connected_rig(sqlite_engine, vault(), rotates=True) as rig:
            record = await rig.connect("youtube")
            for _ in range(3):
                rig.clock.advance(4000)
                await rig.connections.access(record.id)

    async def test_who_gives_up_waiting_loses_no_token(self, sqlite_engine: AsyncEngine) -> None:
        async with connected_rig(sqlite_engine, vault(), rotates=True) as rig:
            record = await rig.connect("youtube")
            rig.clock.advance(4000)
            rig.sandbox.world.faults.add(Fault("youtube", FaultKind.SLOW, "oauth.token", seconds=0.3))
            waiting = asyncio.create_task(rig.connections.access(record.id))
            await until(lambda: rig.calls("youtube").count("oauth.token") == 2, "the refresh")
            waiting.cancel()
            await asyncio.wait({waiting})
            assert (await rig.connections.access(record.id)).token
            assert rig.calls("youtube").count("oauth.token") == 2

    async def test_what_was_revoked_must_be_connected_again(self, rig: Rig) -> None:
        record = await rig.connect("youtube")
        for grant in rig.sandbox.youtube.tokens.grants:
            grant.ended = "removed"
        rig.clock.advance(4000)
        with pytest.raises(ReconnectNeeded, match="revoked or has expired"):
            await rig.connections.access(record.id)
        found = await rig.connections.find(record.id)
        assert (found.state, found.reason != "") == (ConnectionState.RECONNECT, True)
        assert (await rig.audited())[-1] == ("connection.refresh", "failed")

    async def test_two_processes_that_refresh_at_once_share_what_the_first_was_given(self, rig: Rig) -> None:
        """Twitch takes a refresh token once only: the second is refused."""
        record = await rig.connect("twitch")
        old = (await rig.connections.access(record.id)).token
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        rig.sandbox.world.faults.add(Fault("twitch", FaultKind.SLOW, "oauth.token", count=2, seconds=0.1))
        asked = (each.access(record.id, rejected=old) for each in (rig.connections, other))
        found = await asyncio.gather(*asked)
        assert rig.calls("twitch").count("oauth.token") == 3
        assert found[0] == found[1] and found[0].token != old
        assert (await rig.connections.find(record.id)).is_usable
        assert ("connection.refresh", "failed") not in await rig.audited()

    async def test_who_gave_a_connection_up_too_soon_is_corrected(self, rig: Rig) -> None:
        """What the platform gave to one process came to the database after the other had looked there."""
        record, old, slow, refreshing = await _answered(rig)
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        with pytest.raises(ReconnectNeeded):
            await other.access(record.id, rejected=old)
        assert not (await rig.connections.find(record.id)).is_usable
        slow.may_go_on.set()
        new = await refreshing
        assert (await rig.connections.find(record.id)).is_usable
        assert await other.access(record.id) == new
        assert (await rig.audited())[-2:] == [
            ("connection.refresh", "failed"),
            ("connection.refresh", "done"),
        ]

    async def test_who_connects_again_meanwhile_is_not_undone(self, rig: Rig) -> None:
        record, _, slow, refreshing = await _answered(rig)
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        rig.connecting, connecting = Connecting(other), rig.connecting
        assert (await rig.connect("twitch")).id == record.id
        rig.connecting = connecting
        connected = await other.access(record.id)
        slow.may_go_on.set()
        assert await refreshing == connected

    async def test_what_the_database_does_not_take_serves_and_waits(self, rig: Rig) -> None:
        """It is gone between the answer of the platform, which takes the old token no more, and the write."""
        record = await rig.connect("twitch")
        old = (await rig.connections.access(record.id)).token
        new = await _refresh_unstored(rig, record.id, old)
        assert new.token != old
        assert await rig.connections.access(record.id) == new
        rig.clock.advance(5 * 3600)
        newer = await rig.connections.access(record.id)
        assert newer.token != new.token
        await _bring_back(rig)
        await rig.connections.look_after()
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        assert await other.access(record.id) == newer
        assert (await other.access(record.id, rejected=newer.token)).token != newer.token
        assert (await rig.connections.find(record.id)).is_usable

    async def test_what_waited_for_the_database_does_not_undo_what_came_after(self, rig: Rig) -> None:
        record = await rig.connect("twitch")
        old = (await rig.connections.access(record.id)).token
        await _refresh_unstored(rig, record.id, old)
        await _bring_back(rig)
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        rig.connecting, connecting = Connecting(other), rig.connecting
        assert (await rig.connect("twitch")).id == record.id
        rig.connecting = connecting
        assert await rig.connections.access(record.id) == await other.access(record.id)

    async def test_what_waits_for_the_database_is_stored_at_the_end(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        record = await rig.connect("twitch")
        old = (await rig.connections.access(record.id)).token
        new = await _refresh_unstored(rig, record.id, old)
        await rig.connections.close()
        assert "tokens of 'harbourradio' are lost" in caplog.text
        await _bring_back(rig)
        await rig.connections.close()
        other = Connections(rig.engine, vault(), logins(rig.sandbox, rig.fetch), clock=rig.clock.now)
        assert await other.access(record.id) == new

    async def test_a_rejected_token_is_replaced(self, rig: Rig) -> None:
        record = await rig.connect("youtube")
        access = await rig.connections.access(record.id)
        rig.sandbox.youtube.tokens.expire(Use.ACCESS)
        assert (await rig.connections.access(record.id, rejected=access.token)).token != access.token

    async def test_a_platform_that_is_away_breaks_nothing(self, rig: Rig) -> None:
        record = await rig.connect("youtube")
        old = await rig.connections.access(record.id)
        rig.sandbox.world.faults.add(Fault("youtube", FaultKind.ERROR, "oauth.token", count=None, status=503))
        rig.clock.advance(3500)  # due, but good for a little while yet
        assert (await rig.connections.access(record.id)).token == old.token
        rig.clock.advance(200)
        with pytest.raises(AuthUnavailable):
            await rig.connections.access(record.id)
        assert (await rig.connections.find(record.id)).is_usable

    async def test_twitch_is_asked_every_hour_and_tells_of_revocation(self, rig: Rig) -> None:
        record = await rig.connect("twitch")
        rig.clock.advance(3601)
        await rig.connections.look_after()
        assert (await rig.connections.find(record.id)).checked_at == pytest.approx(rig.clock.now(), abs=30)
        for grant in rig.sandbox.twitch.tokens.grants:
            grant.ended = "removed"
        await rig.connections.look_after()  # not due yet
        assert (await rig.connections.find(record.id)).is_usable
        rig.clock.advance(3601)
        await rig.connections.look_after()
        assert not (await rig.connections.find(record.id)).is_usable

    async def test_google_tells_when_an_app_in_testing_must_be_connected_again(
        self, sqlite_engine: AsyncEngine
    ) -> None:
        async with connected_rig(sqlite_engine, vault(), testing=True) as rig:
            record = await rig.connect("youtube")
            assert record.expires_at == pytest.approx(rig.clock.now() + 7 * 86_400, abs=30)


class _Slow:
    """A login whose answer to a refresh is held up on its way."""

    def __init__(self, login: PlatformLogin) -> None:
        self._login = login
        self.answered, self.may_go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._login, name)

    async def refresh(self, tokens: Tokens, client: AppClient) -> Tokens:
        refreshed = await self._login.refresh(tokens, client)
        self.answered.set()
        await self.may_go_on.wait()
        return refreshed


async def _answered(rig: Rig) -> tuple[Connection, str, _Slow, asyncio.Task[Access]]:
    """A connection, its former token, and a refresh that was answered and goes no further yet."""
    record = await rig.connect("twitch")
    old = (await rig.connections.access(record.id)).token
    slow = _Slow(rig.connections.logins["twitch"])
    rig.connections.logins["twitch"] = cast(PlatformLogin, slow)
    refreshing = asyncio.create_task(rig.connections.access(record.id, rejected=old))
    await slow.answered.wait()
    return record, old, slow, refreshing


async def _refresh_unstored(rig: Rig, connection_id: str, rejected: str) -> Access:
    """Have a token refreshed while the database loses its table, until `_bring_back`."""
    login = rig.connections.logins["twitch"]
    slow = _Slow(login)
    rig.connections.logins["twitch"] = cast(PlatformLogin, slow)
    refreshing = asyncio.create_task(rig.connections.access(connection_id, rejected=rejected))
    await slow.answered.wait()
    rig.connections.logins["twitch"] = login
    async with rig.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE auth_connection RENAME TO gone"))
    slow.may_go_on.set()
    return await refreshing


async def _bring_back(rig: Rig) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE gone RENAME TO auth_connection"))


class TestDisconnecting:
    @pytest.mark.parametrize("platform", ALL)
    async def test_the_platform_forgets_and_so_does_the_database(self, rig: Rig, platform: str) -> None:
        record = await rig.connect(platform)
        erased: list[str] = []

        async def erase(connection: object, connection_id: str) -> None:
            erased.append(connection_id)

        rig.connections.on_disconnect.append(erase)
        assert await rig.connections.disconnect(record.id, ASKER)
        faces = {
            "youtube": rig.sandbox.youtube,
            "facebook": rig.sandbox.facebook,
            "twitch": rig.sandbox.twitch,
        }
        assert [grant.ended for grant in faces[platform].tokens.grants] == ["revoked"]
        assert erased == [record.id]
        with pytest.raises(NoSuchConnection):
            await rig.connections.access(record.id)
        assert (await rig.audited())[-1] == ("connection.disconnect", "done")

    async def test_a_platform_that_is_away_does_not_keep_the_tokens_here(self, rig: Rig) -> None:
        record = await rig.connect("youtube")
        rig.sandbox.world.faults.add(Fault("youtube", FaultKind.ERROR, "oauth.revoke", status=503))
        assert not await rig.connections.disconnect(record.id, ASKER)
        assert await rig.connections.list() == []


async def test_tokens_open_under_a_new_master_key(rig: Rig) -> None:
    record = await rig.connect("twitch")
    new, old = MasterKey(b"n" * KEY_BYTES), MasterKey(bytes([1]) * KEY_BYTES)
    async with rig.engine.begin() as connection:
        assert await rewrap_all(connection, Vault([new, old])) == 1
        assert await rewrap_all(connection, Vault([new])) == 0
    assert record.platform == Platform.TWITCH


async def test_an_account_that_is_deleted_takes_its_own_connections_along(rig: Rig) -> None:
    shared = await rig.connect("youtube")
    await rig.connect("youtube", asker=Asker("id-ben", owner="id-ben"))
    async with rig.engine.begin() as connection:
        await erase_owned(connection, "id-ben")
    assert [each.id for each in await rig.connections.list()] == [shared.id]


async def test_logs_carry_no_token(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    record = await rig.connect("facebook")
    access = await rig.connections.access(record.id, page=PAGE)
    rig.sandbox.world.faults.add(Fault("facebook", FaultKind.ERROR, "permissions.delete", status=503))
    await rig.connections.disconnect(record.id, ASKER)
    for grant_token in rig.sandbox.facebook.tokens.tokens(lambda token: True):
        assert grant_token.text not in caplog.text
    assert access.token not in caplog.text
