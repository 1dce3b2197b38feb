"""Connecting at the stand-in platforms, which check everything that the real ones check."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from auth.errors import BadCredentials, PlatformRefused, ReconnectNeeded
from auth.platforms.records import ConnectionState
from auth.platforms.token_store import Asker
from tests.rigs.connected import ASKER, BACK, Rig, answer_of
from tests.rigs.sandbox import consent

ALL = ["youtube", "facebook", "twitch"]
PAGE = "61550000000000011"


class TestConnecting:
    @pytest.mark.parametrize("platform", ALL)
    async def test_an_account_is_connected_and_can_be_used(self, rig: Rig, platform: str) -> None:
        record = await rig.connect(platform)
        names = {"youtube": "Harbour Radio", "facebook": "Harriet Berg", "twitch": "harbourradio"}
        assert record.name == names[platform]
        assert record.state is ConnectionState.CONNECTED
        assert record == await rig.connections.find(record.id)
        access = await rig.connections.access(record.id)
        assert access.acts_as == record.subject
        text = await rig.stored()
        assert access.token not in text
        assert access.token not in repr(access)
        assert await rig.audited() == [("connection.connect", "done")]

    async def test_only_what_is_needed_is_asked_for_with_pkce(self, rig: Rig) -> None:
        asked = parse_qs(urlsplit(rig.connecting.begin("youtube", BACK + "youtube", ASKER).url).query)
        assert asked["scope"] == ["https://www.googleapis.com/auth/youtube"]
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["access_type"] == ["offline"]
        for login in rig.connections.logins.values():
            assert all(len(scope.reason) > 20 for scope in login.scopes)

    async def test_an_answer_counts_once_in_the_browser_that_asked(self, rig: Rig) -> None:
        departure = rig.connecting.begin("twitch", BACK + "twitch", ASKER)
        back = answer_of(await consent(rig.client, departure.url))
        with pytest.raises(BadCredentials):
            await rig.connecting.finish("twitch", back, "another browser's")
        with pytest.raises(BadCredentials):
            await rig.connecting.finish("twitch", back, departure.binding)
        assert await rig.connections.list() == []

    async def test_an_answer_is_too_late_after_ten_minutes(self, rig: Rig) -> None:
        departure = rig.connecting.begin("twitch", BACK + "twitch", ASKER)
        back = answer_of(await consent(rig.client, departure.url))
        rig.monotonic += 601
        with pytest.raises(BadCredentials):
            await rig.connecting.finish("twitch", back, departure.binding)

    async def test_an_answer_of_another_platform_does_not_count(self, rig: Rig) -> None:
        departure = rig.connecting.begin("twitch", BACK + "twitch", ASKER)
        back = answer_of(await consent(rig.client, departure.url))
        with pytest.raises(BadCredentials):
            await rig.connecting.finish("youtube", back, departure.binding)

    @pytest.mark.parametrize("platform", ALL)
    async def test_who_says_no_is_not_connected(self, rig: Rig, platform: str) -> None:
        with pytest.raises(PlatformRefused) as caught:
            await rig.connect(platform, decision="deny")
        assert caught.value.code == "access_denied"
        assert await rig.connections.list() == []

    async def test_a_platform_that_is_not_configured(self, rig: Rig) -> None:
        with pytest.raises(PlatformRefused, match="client_id"):
            rig.connecting.begin("vimeo", BACK + "vimeo", ASKER)

    async def test_connecting_again_keeps_the_connection(self, rig: Rig) -> None:
        first = await rig.connect("youtube")
        again = await rig.connect("youtube", again=first.id)
        other = await rig.connect("youtube", again=first.id, account="UC7northTheatreSandbox00")
        assert again.id == first.id
        assert other.id != first.id
        own = await rig.connect("youtube", asker=Asker("id-ben", owner="id-ben"))
        assert own.id not in (first.id, other.id)
        assert [each.owner for each in await rig.connections.list()] == ["", "", "id-ben"]

    async def test_without_the_permission_it_says_what_is_missing(self, rig: Rig) -> None:
        scope = "channel:read:stream_key"
        record = await rig.connect("twitch", without=frozenset({scope}))
        assert record.state is ConnectionState.RECONNECT
        assert scope in record.reason
        with pytest.raises(ReconnectNeeded, match=scope):
            await rig.connections.access(record.id)
        assert (await rig.connect("twitch", again=record.id)).is_usable
        assert len(await rig.connections.list()) == 1

    async def test_without_the_permission_whose_channel_it_is_stays_unknown(self, rig: Rig) -> None:
        record = await rig.connect("youtube", without=frozenset({"https://www.googleapis.com/auth/youtube"}))
        assert (record.state, record.subject) == (ConnectionState.RECONNECT, "")
        again = await rig.connect("youtube", again=record.id)
        assert (again.id, again.name, again.is_usable) == (record.id, "Harbour Radio", True)


class TestDevices:
    @pytest.mark.parametrize("platform", ALL)
    async def test_a_code_is_typed_in_elsewhere(self, rig: Rig, platform: str) -> None:
        offer = await rig.connecting.begin_device(platform, ASKER)
        rig.monotonic += offer.interval_s
        rig.clock.advance(offer.interval_s)
        assert await rig.connecting.poll_device(offer.ticket, ASKER) is None
        page = offer.verification_url.partition("?")[0] + f"?user_code={offer.user_code}"
        assert "Approved" in await consent(rig.client, page)
        assert await rig.connecting.poll_device(offer.ticket, ASKER) is None  # too soon to ask
        rig.monotonic += offer.interval_s
        rig.clock.advance(offer.interval_s)
        record = await rig.connecting.poll_device(offer.ticket, ASKER)
        assert record is not None and record.is_usable
        rig.clock.advance(5 * 3600)
        assert (await rig.connections.access(record.id)).token

    async def test_denied_and_unknown(self, rig: Rig) -> None:
        offer = await rig.connecting.begin_device("youtube", ASKER)
        await consent(rig.client, f"{offer.verification_url}?user_code={offer.user_code}", decision="deny")
        rig.monotonic += offer.interval_s
        with pytest.raises(BadCredentials):
            await rig.connecting.poll_device(offer.ticket, Asker("id-other"))
        with pytest.raises(PlatformRefused) as caught:
            await rig.connecting.poll_device(offer.ticket, ASKER)
        assert caught.value.code == "access_denied"
        with pytest.raises(BadCredentials):
            await rig.connecting.poll_device(offer.ticket, ASKER)
