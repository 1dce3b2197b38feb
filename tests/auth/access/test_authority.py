"""Deciding as a whole, with a real database below."""

from __future__ import annotations

import asyncio
import itertools
import threading
from pathlib import Path

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.authority import EXPIRED, Authority
from auth.access.permit import Basis
from auth.errors import (
    AuthError,
    AuthUnavailable,
    BadCredentials,
    BadGrant,
    Forbidden,
    TokenExpired,
    TokenInvalid,
    VaultError,
)
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.credentials import (
    NOTHING,
    ApiKeyCredential,
    KeyCredential,
    PasswordCredential,
    TokenCredential,
)
from auth.permissions.directory import ApiKeyOwner
from auth.permissions.grants import GrantKind, NewGrant, withdraw_grant
from auth.permissions.limits import Limits
from auth.permissions.principals import ANONYMOUS, Kind, Principal
from auth.storage.schema import bump, generations
from auth.tokens.issued import issue, revoke, revoke_before
from auth.tokens.signing import rotate_keys
from auth.tokens.tokens import SERVER, TokenOrder, implied
from auth.vault.digests import digest
from tests.auth.ground import NOON, Clock, People, authority, database, give, second_engine, session, vault
from tests.fakes.wait import until


async def told(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await bump(connection)


async def new_token(
    decides: Authority,
    engine: AsyncEngine,
    *actions: Action,
    streams: tuple[str, ...] = ("cam",),
    subject: str = SERVER,
    lifetime_s: float = 3600,
    limits: Limits | None = None,
) -> TokenCredential:
    order = TokenOrder(frozenset(actions), streams, lifetime_s, subject, limits or Limits())
    async with engine.begin() as connection:
        issued = await issue(connection, decides.tokens, decides.snapshot.ring, order, decides.clock())
    return TokenCredential(issued.token)


class TestNothing:
    async def test_a_fresh_install_lets_nobody_do_anything(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, _):
            for action in Action:
                for stream in ("", "cam"):
                    with pytest.raises(BadCredentials, match="a login, a key or a token"):
                        decides.decide(NOTHING, action, stream)
                    with pytest.raises(Forbidden):
                        decides.decide(session(ann), action, stream)

    async def test_public_streams_are_for_watching_and_hearing_only(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, _):
            permit = decides.decide(NOTHING, Action.WATCH, "cam", "192.0.2.1", public=True)
            assert permit.principal is ANONYMOUS
            assert permit.basis is Basis.PUBLIC
            assert permit.actions == {Action.WATCH, Action.LISTEN}
            assert permit.expires_at is None
            assert decides.decide(NOTHING, Action.LISTEN, "cam", public=True)
            for action in set(Action) - {Action.WATCH, Action.LISTEN}:
                with pytest.raises(BadCredentials):
                    decides.decide(NOTHING, action, "cam", public=True)

    async def test_somebody_known_may_watch_what_is_public_too(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            assert decides.decide(session(ann), Action.WATCH, "cam", public=True).basis is Basis.PUBLIC
            token = await new_token(decides, engine, Action.WATCH, streams=("other",))
            assert decides.decide(token, Action.WATCH, "cam", public=True).basis is Basis.PUBLIC
            with pytest.raises(TokenInvalid):
                decides.decide(TokenCredential("a.b.c"), Action.WATCH, "cam", public=True)


class TestGrants:
    @pytest.mark.parametrize("role", list(Role))
    async def test_roles_allow_what_the_table_says(self, tmp_path: Path, role: Role) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, role)
            await decides.refresh()
            for action, stream in itertools.product(Action, ("", "cam")):
                if action in actions_of(role):
                    permit = decides.decide(session(ann), action, stream)
                    assert permit.actions == actions_of(role)
                    assert permit.basis is Basis.GRANT
                else:
                    with pytest.raises(Forbidden, match=f"not allowed to {action}"):
                        decides.decide(session(ann), action, stream)

    async def test_patterns(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Role.OPERATOR, "studio-*")
            await give(engine, ann, Action.WATCH, "cam")
            await decides.refresh()
            assert decides.decide(session(ann), Action.MANAGE, "studio-1")
            assert decides.decide(session(ann), Action.WATCH, "cam").actions == {Action.WATCH, Action.LISTEN}
            for stream in ("", "cam", "Studio-1", "studio"):
                with pytest.raises(Forbidden):
                    decides.decide(session(ann), Action.MANAGE, stream)

    async def test_groups_and_disabling(self, tmp_path: Path) -> None:
        people = People()
        crew = people.add("crew", kind=Kind.GROUP)
        ann = people.add("ann", groups=[crew.id])
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, crew, Role.VIEWER)
            await decides.refresh()
            # As the session was made before she came to the group.
            permit = decides.decide(session(Principal(ann.id, Kind.USER, "ann")), Action.WATCH, "cam")
            assert decides.still_good(permit, NOON)
            people.disabled = {crew.id}
            await told(engine)
            await decides.refresh()
            assert decides.why_over(permit, NOON) == "the grant has ended"
            people.disabled = {ann.id}
            await told(engine)
            await decides.refresh()
            assert decides.why_over(permit, NOON) == "the account is disabled or gone"
            with pytest.raises(BadCredentials, match="disabled or gone"):
                decides.decide(session(ann), Action.WATCH, "cam")

    async def test_the_grant_that_lasts_longest_counts(self, tmp_path: Path) -> None:
        people, clock = People(), Clock()
        ann = people.add("ann")
        async with authority(tmp_path, people, clock) as (decides, engine):
            await give(engine, ann, Role.VIEWER, expires_at=NOON + 60)
            await give(engine, ann, Role.VIEWER, "cam", expires_at=NOON + 120)
            await give(engine, ann, Action.LISTEN, "cam")
            await decides.refresh()
            assert decides.decide(session(ann), Action.WATCH, "cam").expires_at == NOON + 120
            assert decides.decide(session(ann), Action.WATCH, "other").expires_at == NOON + 60
            assert decides.decide(session(ann), Action.LISTEN, "cam").expires_at == NOON + 86_400
            assert (
                decides.decide(session(ann, expires_at=NOON + 5), Action.WATCH, "cam").expires_at == NOON + 5
            )
            clock.now = NOON + 60
            with pytest.raises(Forbidden):
                decides.decide(session(ann), Action.WATCH, "other")

    async def test_who_watches_hears_the_sound_and_who_listens_sees_nothing(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Action.WATCH, "cam")
            sound = await give(engine, ann, Action.LISTEN)
            await decides.refresh()
            seeing = decides.decide(session(ann), Action.WATCH, "cam")
            assert seeing.actions == {Action.WATCH, Action.LISTEN}
            hearing = decides.decide(session(ann), Action.LISTEN, "other")
            assert hearing.actions == {Action.LISTEN}
            with pytest.raises(Forbidden):
                decides.decide(session(ann), Action.WATCH, "other")
            async with engine.begin() as connection:
                await withdraw_grant(connection, sound.id)
            await decides.refresh()
            assert decides.still_good(seeing, NOON)
            assert decides.why_over(hearing, NOON) == "the grant has ended"
            assert decides.decide(session(ann), Action.LISTEN, "cam")

    async def test_a_session_that_has_ended(self, tmp_path: Path) -> None:
        people, clock = People(), Clock()
        ann = people.add("ann")
        people.sessions = {"s1"}
        async with authority(tmp_path, people, clock) as (decides, engine):
            await give(engine, ann, Role.VIEWER)
            await decides.refresh()
            permit = decides.decide(session(ann), Action.WATCH, "cam")
            clock.now += 1
            later = decides.decide(session(ann, "s2"), Action.WATCH, "cam")
            assert decides.still_good(later, clock.now), "it began after the sessions were read"
            people.sessions = {"s2"}
            await told(engine)
            clock.now += 1
            await decides.refresh()
            assert decides.why_over(permit, clock.now) == "the session was ended"
            assert decides.still_good(later, clock.now)
            with pytest.raises(TokenExpired, match="session has ended"):
                decides.decide(session(ann, expires_at=clock.now), Action.WATCH, "cam")


RIGHT = "sk_k1_right"


class TestApiKeys:
    async def test_a_service_account(self, tmp_path: Path) -> None:
        people, clock = People(), Clock()
        robot = people.add("robot", kind=Kind.SERVICE)
        people.api_keys = {"k1": ApiKeyOwner(robot.id, digest(RIGHT), NOON + 60)}
        async with authority(tmp_path, people, clock) as (decides, engine):
            await give(engine, robot, Role.PUBLISHER, "cam")
            await decides.refresh()
            permit = decides.decide(ApiKeyCredential(RIGHT), Action.PUBLISH, "cam")
            assert (permit.principal, permit.api_key, permit.expires_at) == (robot, "k1", NOON + 60)
            for wrong in (
                RIGHT[:-1],
                RIGHT + "x",
                RIGHT.swapcase(),
                "sk_k1",
                "sk_",
                "",
                "sk_\udcff_",
                "x" * 9999,
            ):
                with pytest.raises(BadCredentials, match="does not count"):
                    decides.decide(ApiKeyCredential(wrong), Action.PUBLISH, "cam")
            people.api_keys.clear()
            await told(engine)
            clock.now += 1
            await decides.refresh()
            assert decides.why_over(permit, clock.now) == "the API key was withdrawn"
            people.api_keys["k1"] = ApiKeyOwner(robot.id, digest(RIGHT), NOON + 1)
            await told(engine)
            await decides.refresh()
            with pytest.raises(TokenExpired):
                decides.decide(ApiKeyCredential(RIGHT), Action.PUBLISH, "cam")


class TestPublishKeys:
    async def test_a_key_is_for_publishing(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, _):
            permit = decides.decide(KeyCredential("right", "right"), Action.PUBLISH, "cam", "192.0.2.1")
            assert (permit.basis, permit.actions) == (Basis.KEY, {Action.PUBLISH})
            assert permit.principal.name == "publisher of cam"
            assert "right" not in repr(permit)
            for presented in ("wrong", "", "right ", "Right", "a\udcff"):
                with pytest.raises(BadCredentials, match="publish key is wrong"):
                    decides.decide(KeyCredential(presented, "right"), Action.PUBLISH, "cam")
            for expected in (None, ""):
                for presented in ("", "anything"):
                    with pytest.raises(Forbidden, match="has no publish key"):
                        decides.decide(KeyCredential(presented, expected), Action.PUBLISH, "cam")
            for action in set(Action) - {Action.PUBLISH}:
                with pytest.raises(Forbidden):
                    decides.decide(KeyCredential("right", "right"), action, "cam", public=True)


class TestTokens:
    async def test_one_of_the_machines_owner_stands_for_itself(self, tmp_path: Path) -> None:
        clock = Clock()
        async with authority(tmp_path, People(), clock) as (decides, engine):
            token = await new_token(decides, engine, Action.WATCH, streams=("cam", "studio-*"), lifetime_s=60)
            permit = decides.decide(token, Action.WATCH, "studio-7")
            assert (permit.basis, permit.actions) == (Basis.TOKEN, {Action.WATCH, Action.LISTEN})
            assert permit.expires_at == NOON + 60
            assert permit.principal.id == f"token:{permit.token_id}"
            for action, stream in ((Action.PUBLISH, "cam"), (Action.WATCH, "other"), (Action.WATCH, "")):
                with pytest.raises(Forbidden):
                    decides.decide(token, action, stream)
            clock.now += 60
            assert decides.why_over(permit, clock.now) == EXPIRED
            with pytest.raises(TokenExpired):
                decides.decide(token, Action.WATCH, "cam")

    async def test_an_administrators_token_does_everything(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, engine):
            token = await new_token(decides, engine, *implied({Action.ADMIN}), streams=("*",))
            for action in Action:
                for stream in ("", "cam"):
                    assert decides.decide(token, action, stream)

    async def test_it_never_allows_more_than_its_issuer_may(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            grant = await give(engine, ann, Role.OPERATOR, "cam", expires_at=NOON + 30)
            await decides.refresh()
            token = await new_token(
                decides, engine, Action.WATCH, Action.ADMIN, streams=("*",), subject=ann.id
            )
            permit = decides.decide(token, Action.WATCH, "cam")
            assert permit.expires_at == NOON + 30
            assert permit.actions == {Action.WATCH, Action.LISTEN}
            assert permit.principal != ann
            assert permit.subject == ann.id
            for action, stream in ((Action.ADMIN, "cam"), (Action.WATCH, "other")):
                with pytest.raises(Forbidden):
                    decides.decide(token, action, stream)
            async with engine.begin() as connection:
                await withdraw_grant(connection, grant.id)
            await decides.refresh()
            assert decides.why_over(permit, NOON) == "the grant has ended"
            del people.principals[ann.id]
            await told(engine)
            await decides.refresh()
            with pytest.raises(TokenInvalid, match="disabled or gone"):
                decides.decide(token, Action.WATCH, "cam")

    async def test_revoking(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, engine):
            token = await new_token(decides, engine, Action.WATCH)
            other = await new_token(decides, engine, Action.WATCH)
            permit, good = (decides.decide(one, Action.WATCH, "cam") for one in (token, other))
            async with engine.begin() as connection:
                await revoke(connection, permit.token_id, NOON, NOON + 3600)
            await decides.refresh()
            assert decides.why_over(permit, NOON) == "the token was revoked"
            assert decides.still_good(good, NOON)
            with pytest.raises(TokenInvalid, match="revoked"):
                decides.decide(token, Action.WATCH, "cam")

    @pytest.mark.parametrize("of", [SERVER, ""])
    async def test_revoking_all_of_a_time(self, tmp_path: Path, of: str) -> None:
        clock = Clock()
        async with authority(tmp_path, People(), clock) as (decides, engine):
            old = decides.decide(await new_token(decides, engine, Action.WATCH), Action.WATCH, "cam")
            async with engine.begin() as connection:
                await revoke_before(connection, NOON, of)
            await decides.refresh()
            clock.now += 0.5
            new = decides.decide(await new_token(decides, engine, Action.WATCH), Action.WATCH, "cam")
            assert not decides.still_good(old, clock.now)
            assert decides.still_good(new, clock.now)

    async def test_a_key_that_became_known_to_others(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, engine):
            token = await new_token(decides, engine, Action.WATCH)
            permit = decides.decide(token, Action.WATCH, "cam")
            async with engine.begin() as connection:
                await rotate_keys(connection, vault(), NOON, overlap_s=3600)
            await decides.refresh()
            assert decides.still_good(permit, NOON)
            async with engine.begin() as connection:
                await rotate_keys(connection, vault(), NOON, overlap_s=0)
            await decides.refresh()
            assert "key that signed" in decides.why_over(permit, NOON)
            with pytest.raises(TokenInvalid, match="unknown, or too old"):
                decides.decide(token, Action.WATCH, "cam")

    async def test_addresses(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, engine):
            token = await new_token(
                decides, engine, Action.WATCH, limits=Limits.of(networks=["192.0.2.0/24"])
            )
            assert decides.decide(token, Action.WATCH, "cam", "192.0.2.9")
            for address in ("192.0.3.1", "", "2001:db8::1"):
                with pytest.raises(TokenInvalid, match="not be used from this address"):
                    decides.decide(token, Action.WATCH, "cam", address)

    async def test_what_says_nothing_of_who_asks(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, _):
            with pytest.raises(BadCredentials):
                decides.decide(PasswordCredential("ann", "secret"), Action.WATCH, "cam")
            assert not decides.knows(PasswordCredential("ann", "secret"))
            assert not decides.knows(TokenCredential("not even a token"))
            assert not decides.knows(NOTHING)


class TestPassingOn:
    async def test_who_administers_may_give(self, tmp_path: Path) -> None:
        people = People()
        ann, bob, eve = people.add("ann"), people.add("bob"), people.add("eve")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Role.ADMINISTRATOR)
            await give(engine, bob, Role.ADMINISTRATOR, "studio-*")
            await give(engine, eve, Role.ADMINISTRATOR, kind=GrantKind.SUPPORT, expires_at=NOON + 3600)
            await decides.refresh()

            def grant(giver: Principal, stream: str) -> NewGrant:
                return NewGrant("id-new", Role.VIEWER, stream, giver.id)

            decides.check_grant(session(ann), grant(ann, "*"))
            decides.check_grant(session(bob), grant(bob, "studio-1"))
            decides.check_grant(session(bob), grant(bob, "studio-1*"))
            for giver, stream in ((bob, "*"), (bob, "cam"), (bob, "stud*"), (eve, "cam")):
                with pytest.raises(Forbidden):
                    decides.check_grant(session(giver), grant(giver, stream))
            # Support does what it was given for all the same.
            assert decides.decide(session(eve), Action.MANAGE, "cam").support
            with pytest.raises(BadGrant, match="own name"):
                decides.check_grant(session(ann), grant(bob, "*"))
            with pytest.raises(BadCredentials, match="to admin needs a login"):
                decides.check_grant(NOTHING, grant(ann, "*"))
            with pytest.raises(BadGrant):
                decides.check_grant(session(ann), grant(ann, "a*b"))

    async def test_who_manages_may_issue_tokens_for_what_he_has(self, tmp_path: Path) -> None:
        people = People()
        ann, bob = people.add("ann"), people.add("bob")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Role.OPERATOR, "studio-*")
            await give(engine, bob, Role.VIEWER)
            await decides.refresh()

            def order(who: Principal, action: Action, *streams: str) -> TokenOrder:
                return TokenOrder(implied({action}), streams, 60, who.id)

            decides.check_order(session(ann), order(ann, Action.WATCH, "studio-*", "studio-1"))
            for who, action, streams in (
                (ann, Action.WATCH, ("studio-1", "cam")),
                (ann, Action.ADMIN, ("studio-1",)),
                (bob, Action.WATCH, ("cam",)),
            ):
                with pytest.raises(Forbidden, match="not his own"):
                    decides.check_order(session(who), order(who, action, *streams))
            with pytest.raises(BadGrant, match="own name"):
                decides.check_order(session(ann), order(bob, Action.WATCH, "studio-1"))

    async def test_a_token_makes_no_stronger_one(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Role.OPERATOR)
            await decides.refresh()
            token = await new_token(
                decides, engine, Action.MANAGE, Action.WATCH, streams=("cam",), subject=ann.id, lifetime_s=60
            )
            watch = frozenset({Action.WATCH})
            decides.check_order(token, TokenOrder(watch, ("cam",), 60, ann.id))
            with pytest.raises(BadGrant, match="cannot outlive"):
                decides.check_order(token, TokenOrder(watch, ("cam",), 61, ann.id))
            with pytest.raises(BadGrant, match="own name"):
                decides.check_order(token, TokenOrder(watch, ("cam",), 60, SERVER))
            for order in (
                TokenOrder(watch, ("other",), 60, ann.id),
                TokenOrder(frozenset({Action.PUBLISH}), ("cam",), 60, ann.id),
            ):
                with pytest.raises(Forbidden):
                    decides.check_order(token, order)
            owner = await new_token(decides, engine, *implied({Action.ADMIN}), streams=("*",), lifetime_s=60)
            decides.check_order(owner, TokenOrder(watch, ("*",), 86_400))
            decides.check_grant(owner, NewGrant("id-new", Role.ADMINISTRATOR, "*", SERVER))


class TestFollowing:
    async def test_a_change_of_another_process_counts_within_a_second(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, _), second_engine(tmp_path) as other:
            task = asyncio.create_task(decides.run())
            version = decides.version
            await give(other, ann, Role.VIEWER)
            await until(lambda: decides.version > version)
            assert decides.decide(session(ann), Action.WATCH, "cam")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_nothing_is_read_where_nothing_changed(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (decides, engine):
            assert not await decides.refresh()
            known = decides.known
            assert not await decides.refresh()
            assert decides.known is known
            await told(engine)
            assert await decides.refresh()

    async def test_without_database_it_decides_from_memory_for_a_while(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with database(tmp_path) as engine:
            decides = Authority(engine, vault(), People().load, clock=Clock(), max_stale_s=0.3)
            await decides.start()
            async with engine.begin() as connection:
                await connection.execute(delete(generations))
            task = asyncio.create_task(decides.run())
            assert decides.decide(NOTHING, Action.WATCH, "cam", public=True)

            def closed() -> bool:
                try:
                    decides.decide(NOTHING, Action.WATCH, "cam", public=True)
                except AuthUnavailable:
                    return True
                return False

            await until(closed)
            assert caplog.text.count("cannot be read") == 1
            async with engine.begin() as connection:
                await connection.execute(generations.insert().values(id=1, number=99))
            await until(lambda: not closed())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_before_it_knows_anything_the_door_is_closed(self, tmp_path: Path) -> None:
        async with database(tmp_path) as engine:
            decides = Authority(engine, vault(), People().load)
            with pytest.raises(AuthUnavailable):
                decides.decide(NOTHING, Action.WATCH, "cam", public=True)
            assert decides.version == 0

    async def test_a_wrong_master_key_is_told_at_the_start(self, tmp_path: Path) -> None:
        async with authority(tmp_path, People()) as (_, engine):
            with pytest.raises(VaultError):
                await Authority(engine, vault(2), People().load).start()

    async def test_threads_decide_while_it_changes(self, tmp_path: Path) -> None:
        people = People()
        ann = people.add("ann")
        async with authority(tmp_path, people) as (decides, engine):
            await give(engine, ann, Role.VIEWER)
            await decides.refresh()
            token = await new_token(decides, engine, Action.WATCH, subject=ann.id)
            stop = threading.Event()
            wrong: list[AuthError] = []
            counts = [0] * 2

            def decide(index: int) -> None:
                while not stop.is_set():
                    try:
                        decides.decide(token, Action.WATCH, "cam")
                    except AuthError as error:
                        wrong.append(error)
                        return
                    counts[index] += 1

            threads = [threading.Thread(target=decide, args=(index,)) for index in range(2)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                await told(engine)
                await decides.refresh()
            await until(lambda: all(counts) or wrong)
            stop.set()
            for thread in threads:
                thread.join()
            assert not wrong
