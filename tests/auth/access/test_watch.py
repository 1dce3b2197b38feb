from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.authority import EXPIRED, REVOKED, Authority
from auth.access.permit import Permit
from auth.access.watch import PermitWatch
from auth.permissions.actions import Action, Role
from auth.permissions.credentials import NOTHING, KeyCredential, TokenCredential
from auth.permissions.grants import change_expiry, withdraw_grant
from auth.storage.schema import bump
from auth.tokens.issued import issue, revoke, revoke_before
from auth.tokens.tokens import SERVER, TokenOrder
from auth.turns import SLICE_S
from tests.auth.ground import NOON, Clock, People, authority, give, second_engine, session
from tests.fakes.wait import until


@dataclass
class Sessions:
    """What goes on; each knows why it was ended."""

    watch: PermitWatch
    ended: dict[str, list[str]] = field(default_factory=dict)

    def begin(self, name: str, permit: Permit) -> None:
        self.watch.add(permit, lambda why: self.ended.setdefault(name, []).append(why))


async def token_permit(
    decides: Authority, engine: AsyncEngine, lifetime_s: float = 3600, subject: str = SERVER
) -> Permit:
    order = TokenOrder(frozenset({Action.WATCH}), ("cam",), lifetime_s, subject)
    async with engine.begin() as connection:
        issued = await issue(connection, decides.tokens, decides.snapshot.ring, order, decides.clock())
    return decides.decide(TokenCredential(issued.token), Action.WATCH, "cam")


async def test_what_expires_is_ended_then_and_once(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        sessions = Sessions(PermitWatch(decides))
        sessions.begin("long", await token_permit(decides, engine, 120))
        sessions.begin("short", await token_permit(decides, engine, 60))
        sessions.begin("public", decides.decide(NOTHING, Action.WATCH, "cam", public=True))
        assert sessions.watch.tick(NOON + 59.9) == 0
        assert sessions.watch.tick(NOON + 60) == 1
        assert sessions.ended == {"short": [EXPIRED]}
        assert sessions.watch.tick(NOON + 61) == 0
        assert sessions.watch.tick(NOON + 1e6) == 1
        assert sessions.ended == {"short": [EXPIRED], "long": [EXPIRED]}
        assert len(sessions.watch) == 1


async def test_what_left_by_itself_is_not_ended(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        watch = PermitWatch(decides)
        registration = watch.add(await token_permit(decides, engine, 60), lambda why: pytest.fail(why))
        watch.remove(registration)
        watch.remove(registration)
        assert watch.tick(NOON + 61) == 0
        assert len(watch) == 0


async def test_a_withdrawn_grant_ends_all_that_rests_on_it(tmp_path: Path) -> None:
    people = People()
    ann, bob = people.add("ann"), people.add("bob")
    async with authority(tmp_path, people) as (decides, engine):
        grant = await give(engine, ann, Role.VIEWER)
        await give(engine, bob, Role.VIEWER)
        await decides.refresh()
        sessions = Sessions(PermitWatch(decides))
        sessions.begin("ann", decides.decide(session(ann), Action.WATCH, "cam"))
        sessions.begin("her link", await token_permit(decides, engine, subject=ann.id))
        sessions.begin("bob", decides.decide(session(bob), Action.WATCH, "cam"))
        async with engine.begin() as connection:
            await withdraw_grant(connection, grant.id)
        assert sessions.watch.tick(NOON) == 0
        await decides.refresh()
        assert sessions.watch.tick(NOON) == 2
        assert sessions.ended == {"ann": ["the grant has ended"], "her link": ["the grant has ended"]}


async def test_a_grant_that_is_shortened_or_prolonged(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, engine):
        grant = await give(engine, ann, Role.VIEWER, expires_at=NOON + 100)
        await decides.refresh()
        sessions = Sessions(PermitWatch(decides))
        sessions.begin("ann", decides.decide(session(ann, expires_at=NOON + 500), Action.WATCH, "cam"))
        for end in (NOON + 50, NOON + 200):
            async with engine.begin() as connection:
                await change_expiry(connection, grant.id, end, NOON)
            await decides.refresh()
            assert sessions.watch.tick(NOON) == 0
        assert sessions.watch.tick(NOON + 199) == 0
        async with engine.begin() as connection:
            await change_expiry(connection, grant.id, None, NOON)
        await decides.refresh()
        assert sessions.watch.tick(NOON + 499) == 0
        # Then the session that it was opened with is over.
        assert sessions.watch.tick(NOON + 500) == 1
        sessions.begin("again", decides.decide(session(ann, expires_at=NOON + 500), Action.WATCH, "cam"))
        async with engine.begin() as connection:
            await change_expiry(connection, grant.id, NOON + 40, NOON)
        await decides.refresh()
        assert sessions.watch.tick(NOON + 45) == 1


async def test_a_grant_whose_end_is_taken_away(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, engine):
        grant = await give(engine, ann, Role.VIEWER, expires_at=NOON + 100)
        await decides.refresh()
        sessions = Sessions(PermitWatch(decides))
        permit = decides.decide(session(ann, expires_at=NOON + 500), Action.WATCH, "cam")
        sessions.begin("before the look", permit)
        sessions.watch.tick(NOON)
        sessions.begin("after the look", permit)
        async with engine.begin() as connection:
            await change_expiry(connection, grant.id, None, NOON)
        await decides.refresh()
        assert sessions.watch.tick(NOON + 499) == 0
        assert sessions.watch.tick(NOON + 500) == 2
        assert sessions.ended == {"before the look": [EXPIRED], "after the look": [EXPIRED]}


async def test_a_revoked_token_and_all_of_a_time(tmp_path: Path) -> None:
    clock = Clock()
    async with authority(tmp_path, People(), clock) as (decides, engine):
        sessions = Sessions(PermitWatch(decides))
        permits = []
        for number in range(3):
            clock.now = NOON + number
            permits.append(await token_permit(decides, engine))
            sessions.begin(f"{number}", permits[-1])
            sessions.begin(f"{number} again", permits[-1])
        async with engine.begin() as connection:
            await revoke(connection, permits[2].token_id, clock.now, NOON + 9999)
        await decides.refresh()
        assert sessions.watch.tick(clock.now) == 2
        assert sessions.ended == {"2": [REVOKED], "2 again": [REVOKED]}
        async with engine.begin() as connection:
            await revoke_before(connection, NOON + 0.5)
        await decides.refresh()
        assert sessions.watch.tick(clock.now) == 2
        assert sessions.ended.keys() == {"2", "2 again", "0", "0 again"}


async def test_a_permit_from_before_a_change_that_is_registered_after_it(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, engine):
        grant = await give(engine, ann, Role.VIEWER)
        await decides.refresh()
        sessions = Sessions(PermitWatch(decides))
        permit = decides.decide(session(ann), Action.WATCH, "cam")
        async with engine.begin() as connection:
            await withdraw_grant(connection, grant.id)
        await decides.refresh()
        sessions.watch.tick(NOON)
        sessions.begin("ann", permit)
        assert sessions.watch.tick(NOON) == 1
        assert sessions.ended == {"ann": ["the grant has ended"]}


async def test_a_stream_that_is_not_public_any_more_or_has_another_key(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, _):
        sessions = Sessions(PermitWatch(decides))
        for stream in ("cam", "other"):
            sessions.begin(f"viewer of {stream}", decides.decide(NOTHING, Action.WATCH, stream, public=True))
            sessions.begin(
                f"publisher of {stream}", decides.decide(KeyCredential("a", "a"), Action.PUBLISH, stream)
            )
        assert sessions.watch.stream_changed("cam", public=True, publish_key="a") == 0
        assert sessions.watch.stream_changed("cam", public=False, publish_key="a") == 1
        assert sessions.watch.stream_changed("cam", public=True, publish_key="b") == 1
        assert sessions.watch.stream_changed("other", public=False, publish_key=None) == 2
        assert sessions.ended == {
            "viewer of cam": ["the stream is not public any more"],
            "publisher of cam": ["the publish key was changed"],
            "viewer of other": ["the stream is not public any more"],
            "publisher of other": ["the publish key was changed"],
        }


async def test_a_token_that_is_thrown_out(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        sessions = Sessions(PermitWatch(decides))
        permit = await token_permit(decides, engine)
        sessions.begin("one", permit)
        sessions.begin("two", permit)
        sessions.begin("other", await token_permit(decides, engine))
        assert sessions.watch.end_token(permit.token_id, "out") == 2
        assert sessions.watch.end_token(permit.token_id, "out") == 0
        assert sessions.ended == {"one": ["out"], "two": ["out"]}


async def test_one_that_cannot_be_ended_does_not_keep_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        sessions = Sessions(PermitWatch(decides))

        def broken(why: str) -> None:
            raise RuntimeError(why)

        permit = await token_permit(decides, engine, 60)
        sessions.watch.add(permit, broken)
        sessions.begin("other", permit)
        assert sessions.watch.tick(NOON + 60) == 2
        assert sessions.ended == {"other": [EXPIRED]}
        assert "could not be ended" in caplog.text


async def test_an_end_may_remove_others(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        watch = PermitWatch(decides)
        permit = await token_permit(decides, engine, 60)
        other = watch.add(await token_permit(decides, engine, 90), lambda why: pytest.fail(why))
        watch.add(permit, lambda why: watch.remove(other))
        watch.tick(NOON + 60)
        assert len(watch) == 0


async def test_ten_thousand_come_and_go_without_leaving_anything(tmp_path: Path) -> None:
    async with authority(tmp_path, People()) as (decides, engine):
        watch = PermitWatch(decides)
        permit = await token_permit(decides, engine)
        for number in range(10_000):
            one = replace(permit, token_id=f"t{number}", subject=f"s{number}")
            watch.remove(watch.add(one, lambda why: pytest.fail(why)))
        watch.tick(NOON)
        assert len(watch) == 0
        assert len(watch._heap) <= 1000
        assert not watch._groups
        assert not watch._by_token


async def test_ten_thousand_are_asked_about_by_what_they_have_in_common(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")

    class Counting(Authority):
        asked = 0

        def standing(self, permit: Permit, now: float) -> tuple[str, float | None]:
            Counting.asked += 1
            return super().standing(permit, now)

    async with authority(tmp_path, people) as (real, engine):
        grant = await give(engine, ann, Role.VIEWER)
        decides = Counting(engine, real._vault, people.load, clock=real.clock)
        await decides.start()
        sessions = Sessions(PermitWatch(decides))
        permit = await token_permit(decides, engine, subject=ann.id)
        for number in range(10_000):
            sessions.begin(f"{number}", replace(permit, token_id=f"t{number}"))
        async with engine.begin() as connection:
            await bump(connection)
        await decides.refresh()
        assert sessions.watch.tick(NOON) == 0
        assert Counting.asked == 1
        async with engine.begin() as connection:
            await withdraw_grant(connection, grant.id)
        await decides.refresh()
        assert sessions.watch.tick(NOON) == 10_000
        assert len(sessions.ended) == 10_000


async def test_a_change_of_another_process_ends_a_session(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, engine), second_engine(tmp_path) as other:
        grant = await give(engine, ann, Role.VIEWER)
        await decides.refresh()
        sessions = Sessions(PermitWatch(decides))
        tasks = [asyncio.create_task(decides.run()), asyncio.create_task(sessions.watch.run())]
        sessions.begin("ann", decides.decide(session(ann), Action.WATCH, "cam"))
        async with other.begin() as connection:
            await withdraw_grant(connection, grant.id)
        await until(lambda: sessions.ended)
        assert sessions.ended == {"ann": ["the grant has ended"]}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_are_looked_at_in_slices_and_each_once(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, engine):
        grant = await give(engine, ann, Role.VIEWER)
        await decides.refresh()
        watch, ended = PermitWatch(decides), 0

        def end(why: str) -> None:
            nonlocal ended
            ended += 1
            # As long as a slice, so that each is one of its own.
            until_s = time.perf_counter() + SLICE_S
            while time.perf_counter() < until_s:
                pass

        for number in range(5):
            watch.add(decides.decide(session(ann, f"s{number}"), Action.WATCH, "cam"), end)
        watch.tick(NOON)
        async with engine.begin() as connection:
            await withdraw_grant(connection, grant.id)
        await decides.refresh()
        slices = list(watch.look(NOON))
        assert len(slices) > 5
        assert (sum(slices), ended, len(watch)) == (5, 5, 0)
        assert watch.tick(NOON) == 0
