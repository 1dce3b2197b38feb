from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.authority import EXPIRED, REVOKED, Authority
from auth.access.door import Ask, Door, Entry
from auth.access.permit import Basis, Permit
from auth.access.seats import Seats
from auth.access.watch import PermitWatch
from auth.access.webhook import Webhook
from auth.errors import AuthError, AuthUnavailable, BadCredentials, Forbidden, SeatsTaken, TokenInvalid
from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.credentials import (
    NOTHING,
    Credential,
    KeyCredential,
    PasswordCredential,
    TokenCredential,
)
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.protocols import PROTOCOLS, Protocol
from auth.tokens.issued import issue, revoke
from auth.tokens.jwks import JwksVerifier
from auth.tokens.signing import rotate_keys
from auth.tokens.tokens import SERVER, TokenOrder
from tests.auth.access.test_webhook import CONFIG, Receiver
from tests.auth.ground import NOON, Clock, People, database, give, second_engine, session, vault
from tests.auth.tokens.test_jwks import CONFIG as OUTSIDE
from tests.auth.tokens.test_jwks import RSA, RSA_2, Provider, jwk, signed
from tests.fakes.wait import until


@dataclass
class House:
    """A door and what belongs to it."""

    authority: Authority
    engine: AsyncEngine
    watch: PermitWatch
    seats: Seats
    door: Door
    clock: Clock
    told: list[tuple[Ask, Permit | AuthError]] = field(default_factory=list)

    async def token(self, limits: Limits = NO_LIMITS, action: Action = Action.WATCH) -> TokenCredential:
        order = TokenOrder(frozenset({action}), ("cam",), 60, SERVER, limits)
        async with self.engine.begin() as connection:
            ring = self.authority.snapshot.ring
            issued = await issue(connection, self.authority.tokens, ring, order, self.clock())
        return TokenCredential(issued.token)


@asynccontextmanager
async def house(
    folder: Path,
    people: People | None = None,
    receiver: Receiver | None = None,
    verifier: JwksVerifier | None = None,
) -> AsyncIterator[House]:
    clock = Clock()
    async with database(folder) as engine:
        decides = Authority(
            engine, vault(), (people or People()).load, outside=[verifier] if verifier else [], clock=clock
        )
        await decides.start()
        watch, seats = PermitWatch(decides), Seats(engine, clock)
        webhook = Webhook(CONFIG, receiver.post, clock) if receiver is not None else None
        told: list[tuple[Ask, Permit | AuthError]] = []
        door = Door(
            decides, seats, watch, webhook=webhook, witness=lambda ask, answer: told.append((ask, answer))
        )
        yield House(decides, engine, watch, seats, door, clock, told)


def watching(credential: Credential, protocol: Protocol = Protocol.WHEP, public: bool = False) -> Ask:
    return Ask(credential, Action.WATCH, protocol, "cam", "192.0.2.1", public)


async def in_thread(call: Callable[[], Entry]) -> Entry | AuthError:
    outcome: list[Entry | AuthError] = []

    def run() -> None:
        try:
            outcome.append(call())
        except AuthError as refusal:
            outcome.append(refusal)

    thread = threading.Thread(target=run)
    thread.start()
    await until(lambda: outcome)
    thread.join()
    return outcome[0]


async def test_what_another_process_gave_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.access.authority.FRESH_S", -1.0)
    people = People()
    ann = people.add("ann")
    async with house(tmp_path, people) as at, second_engine(tmp_path) as elsewhere:
        async with elsewhere.begin() as connection:
            await rotate_keys(connection, vault(), at.clock(), overlap_s=60)
        other = Authority(elsewhere, vault(), people.load, clock=at.clock)
        await other.refresh()
        order = TokenOrder(frozenset({Action.WATCH}), ("cam",), 60, SERVER)
        async with elsewhere.begin() as connection:
            issued = await issue(connection, other.tokens, other.snapshot.ring, order, at.clock())
        assert (await at.door.check(watching(TokenCredential(issued.token)))).basis is Basis.TOKEN

        with pytest.raises(Forbidden):
            await at.door.check(watching(session(ann)))
        await give(elsewhere, ann, Role.VIEWER)
        assert (await at.door.check(watching(session(ann)))).principal == ann


async def test_refusals_in_a_row_look_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.access.authority.FRESH_S", 3600.0)
    people = People()
    ann = people.add("ann")
    async with house(tmp_path, people) as at:
        await give(at.engine, ann, Role.VIEWER)
        with pytest.raises(Forbidden):
            await at.door.check(watching(session(ann)))
        await at.authority.refresh()
        assert (await at.door.check(watching(session(ann)))).principal == ann


async def test_in_and_out(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        token = await at.token(Limits(viewers=1))
        ended: list[str] = []
        entry = await at.door.enter(watching(token), ended.append)
        with pytest.raises(SeatsTaken, match="all 1 "):
            await at.door.enter(watching(token), ended.append)
        entry.close()
        entry.close()
        entry = await at.door.enter(watching(token), ended.append)
        assert len(at.watch) == 1
        at.watch.tick(NOON + 60)
        assert ended == [EXPIRED]
        entry.close()
        assert at.seats.taken(entry.permit.token_id) == 0


async def test_the_first_that_would_be_let_in_is_chosen(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        listens = watching(await at.token(action=Action.LISTEN))
        asks = [listens, replace(listens, action=Action.LISTEN), watching(NOTHING, public=True)]
        assert await at.door.choose(asks) is asks[1]
        assert await at.door.choose([asks[0], asks[2]]) is asks[2]
        assert await at.door.choose([asks[0], watching(NOTHING)]) is asks[0]
        assert await at.door.choose(asks[:1]) is asks[0]
        assert at.told == []


async def test_a_revoked_token_ends_what_it_opened(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        ended: list[str] = []
        entry = await at.door.enter(watching(await at.token()), ended.append)
        async with at.engine.begin() as connection:
            await revoke(connection, entry.permit.token_id, NOON, NOON + 60)
        await at.authority.refresh()
        at.watch.tick(NOON)
        assert ended == [REVOKED]


async def test_the_witness_is_told_of_every_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        refused, allowed = watching(NOTHING), watching(NOTHING, public=True)
        for ask in (refused, allowed):
            for call in (at.door.check(ask), at.door.enter(ask, lambda why: None)):
                try:
                    await call
                except BadCredentials:
                    assert ask is refused
        await in_thread(lambda: at.door.enter_from_thread(refused, lambda why: None))
        await in_thread(lambda: at.door.enter_from_thread(allowed, lambda why: None))
        assert [ask for ask, _ in at.told] == [refused, refused, allowed, allowed, refused, allowed]
        assert [isinstance(answer, Permit) for _, answer in at.told] == [
            False,
            False,
            True,
            True,
            False,
            True,
        ]


@pytest.mark.parametrize("role", [None, *Role])
async def test_every_action_over_every_protocol(tmp_path: Path, role: Role | None) -> None:
    people = People()
    ann = people.add("ann")
    async with house(tmp_path, people) as at:
        if role is not None:
            await give(at.engine, ann, role)
            await at.authority.refresh()
        allowed = actions_of(role) if role is not None else frozenset[Action]()
        for action in Action:
            for protocol in Protocol:
                ask = Ask(session(ann), action, protocol, "cam", "192.0.2.1")
                if action in allowed and protocol in PROTOCOLS[action]:
                    assert (await at.door.check(ask)).action is action
                else:
                    with pytest.raises(Forbidden):
                        await at.door.check(ask)


class TestAskingAhead:
    async def test_who_passes_the_screen_takes_no_seat(self, tmp_path: Path) -> None:
        async with house(tmp_path) as at:
            token = await at.token(Limits(viewers=1))
            for _ in range(3):
                at.door.screen(watching(token))
            assert at.told == []
            (await at.door.enter(watching(token), print)).close()

    async def test_who_does_not_is_refused_and_the_witness_told(self, tmp_path: Path) -> None:
        async with house(tmp_path) as at:
            publisher = await at.token(action=Action.PUBLISH)
            for credential, kind in ((publisher, Forbidden), (TokenCredential("wrong"), TokenInvalid)):
                with pytest.raises(kind):
                    at.door.screen(watching(credential))
                ask, answer = at.told.pop()
                assert (ask, type(answer)) == (watching(credential), kind)

    async def test_a_webhook_is_left_to_judge_what_is_unknown(self, tmp_path: Path) -> None:
        async with house(tmp_path, receiver=Receiver()) as at:
            at.door.screen(watching(TokenCredential("somebody else's")))
            with pytest.raises(TokenInvalid):
                at.door.screen(watching(TokenCredential((await at.token()).token + "x")))

    async def test_what_to_offer(self, tmp_path: Path) -> None:
        async with house(tmp_path) as at:
            assert at.door.may(watching(await at.token()))
            assert at.door.may(watching(NOTHING, public=True))
            assert not at.door.may(watching(NOTHING))
            assert not at.door.may(watching(await at.token(action=Action.PUBLISH)))
            assert at.told == []


class TestThreads:
    async def test_they_need_no_event_loop_where_nothing_must_be_asked(self, tmp_path: Path) -> None:
        async with house(tmp_path) as at:
            token = await at.token()
            entered: list[Entry] = []
            thread = threading.Thread(
                target=lambda: entered.append(at.door.enter_from_thread(watching(token), lambda why: None))
            )
            thread.start()
            # The event loop stands still meanwhile.
            thread.join(20)
            assert len(entered) == 1

    async def test_a_token_for_one_use(self, tmp_path: Path) -> None:
        async with house(tmp_path) as at:
            token = await at.token(Limits(once=True))
            first = await in_thread(lambda: at.door.enter_from_thread(watching(token), lambda why: None))
            second = await in_thread(lambda: at.door.enter_from_thread(watching(token), lambda why: None))
            assert isinstance(first, Entry)
            assert isinstance(second, TokenInvalid)

    async def test_an_answer_that_takes_too_long(self, tmp_path: Path) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        async with house(tmp_path, receiver=receiver) as at:
            ask = watching(NOTHING)
            outcome = await in_thread(
                lambda: at.door.enter_from_thread(ask, lambda why: None, timeout_s=0.05)
            )
            assert isinstance(outcome, AuthUnavailable)
            receiver.hold.set()
            # Whom the late answer let in is shown out again.
            await until(lambda: len(at.told) == 1)
            await until(lambda: len(at.watch) == 0)

    async def test_a_key_that_was_not_seen_is_fetched(self, tmp_path: Path) -> None:
        provider, clock = Provider(jwk(RSA, "a")), Clock(0)
        verifier = JwksVerifier(OUTSIDE, provider.fetch, clock)
        await verifier.refresh()
        provider.keys = [jwk(RSA_2, "b")]
        clock.now += 60
        async with house(tmp_path, verifier=verifier) as at:
            ask = watching(TokenCredential(signed(RSA_2, "RS256", "b")))
            entry = await in_thread(lambda: at.door.enter_from_thread(ask, lambda why: None))
            assert isinstance(entry, Entry)
            with pytest.raises(TokenInvalid):
                await at.door.check(watching(TokenCredential(signed(RSA, "RS256", "a"))))


class TestWebhook:
    async def test_it_decides_for_whom_nothing_here_knows(self, tmp_path: Path) -> None:
        receiver = Receiver(200, b'{"expires_in": 30, "user": "ann", "limits": {"viewers": 1}}')
        async with house(tmp_path, receiver=receiver) as at:
            ended: list[str] = []
            entry = await at.door.enter(watching(TokenCredential("their own")), ended.append)
            assert entry.permit.basis is Basis.WEBHOOK
            assert entry.permit.principal.name == "ann"
            assert json.loads(receiver.asked[0][0])["token"] == "their own"
            with pytest.raises(SeatsTaken, match="all 1 "):
                await at.door.enter(watching(TokenCredential("their own")), ended.append)
            at.watch.tick(NOON + 30)
            assert ended == [EXPIRED]
            for credential in (PasswordCredential("ann", "pw"), NOTHING, KeyCredential("stream key", None)):
                ask = Ask(credential, Action.PUBLISH, Protocol.RTMP, "cam", "192.0.2.1")
                assert (await at.door.check(ask)).actions == {Action.PUBLISH}
            asked = [json.loads(body) for body, _ in receiver.asked]
            assert (asked[1]["user"], asked[1]["password"]) == ("ann", "pw")
            assert "token" not in asked[2]
            assert asked[3]["token"] == "stream key"

    async def test_without_an_answer_it_may_be_missed_for_whom_this_server_knows(
        self, tmp_path: Path
    ) -> None:
        receiver = Receiver(500, b"")
        async with house(tmp_path, receiver=receiver) as at:
            token = watching(await at.token())
            with pytest.raises(AuthUnavailable):
                await at.door.check(token)
            at.door.webhook = Webhook(replace(CONFIG, may_be_missed=True), receiver.post, at.clock)
            assert await at.door.check(token)
            with pytest.raises(AuthUnavailable):
                await at.door.check(watching(TokenCredential("their own")))

    async def test_who_may_listen_there_may_not_watch(self, tmp_path: Path) -> None:
        async with house(tmp_path, receiver=Receiver(200, b"")) as at:
            ask = replace(watching(TokenCredential("their own")), action=Action.LISTEN)
            assert (await at.door.check(ask)).actions == {Action.LISTEN}

    async def test_once_without_an_end(self, tmp_path: Path) -> None:
        receiver = Receiver(200, b'{"limits": {"once": true}}')
        async with house(tmp_path, receiver=receiver) as at:
            await at.door.enter(watching(TokenCredential("a")), lambda why: None)
            with pytest.raises(TokenInvalid, match="used once"):
                await at.door.enter(watching(TokenCredential("a")), lambda why: None)
            assert await at.door.enter(watching(TokenCredential("b")), lambda why: None)

    async def test_its_address_ranges(self, tmp_path: Path) -> None:
        receiver = Receiver(200, b'{"limits": {"net": ["198.51.100.0/24"]}}')
        async with house(tmp_path, receiver=receiver) as at:
            with pytest.raises(Forbidden, match="not from this address"):
                await at.door.check(watching(NOTHING))

    async def test_it_may_refuse_whom_the_authority_lets_in(self, tmp_path: Path) -> None:
        receiver = Receiver(403, b"not paid")
        people = People()
        ann = people.add("ann")
        async with house(tmp_path, people, receiver) as at:
            await give(at.engine, ann, Role.ADMINISTRATOR)
            await at.authority.refresh()
            token = await at.token()
            for ask in (watching(session(ann)), watching(token), watching(NOTHING, public=True)):
                with pytest.raises(Forbidden, match="not paid"):
                    await at.door.check(ask)
            bodies = [body.decode() for body, _ in receiver.asked]
            assert json.loads(bodies[0])["principal"] == {"id": ann.id, "name": "ann", "kind": "user"}
            assert json.loads(bodies[1])["claims"]["sub"] == SERVER
            # What is good here is nobody else's business.
            assert token.token not in bodies[1]
            # Nor is what is done to the server itself.
            assert await at.door.check(Ask(session(ann), Action.ADMIN, Protocol.API))
            assert len(receiver.asked) == 3

    async def test_it_may_shorten(self, tmp_path: Path) -> None:
        async with house(tmp_path, receiver=Receiver(200, b'{"expires_in": 10}')) as at:
            assert (await at.door.check(watching(await at.token()))).expires_at == NOON + 10
            assert (await at.door.check(watching(NOTHING, public=True))).expires_at == NOON + 10

    async def test_it_cannot_overrule_a_refusal_to_somebody_known(self, tmp_path: Path) -> None:
        receiver = Receiver(200)
        people = People()
        ann = people.add("ann")
        async with house(tmp_path, people, receiver) as at:
            token = await at.token()
            permit = at.authority.decide(token, Action.WATCH, "cam")
            async with at.engine.begin() as connection:
                await revoke(connection, permit.token_id, NOON, NOON + 60)
            await at.authority.refresh()
            asks = [watching(token), watching(session(ann))]
            asks.append(Ask(KeyCredential("wrong", "right"), Action.PUBLISH, Protocol.SRT, "cam"))
            asks.append(Ask(NOTHING, Action.PUBLISH, Protocol.WHEP, "cam"))
            asks.append(Ask(NOTHING, Action.MANAGE, Protocol.API, "cam"))
            for ask in asks:
                with pytest.raises((TokenInvalid, BadCredentials, Forbidden)):
                    await at.door.check(ask)
            assert receiver.asked == []

    async def test_without_an_answer_nobody_gets_in(self, tmp_path: Path) -> None:
        async with house(tmp_path, receiver=Receiver(500)) as at:
            for ask in (
                watching(NOTHING, public=True),
                watching(await at.token()),
                watching(TokenCredential("x")),
            ):
                with pytest.raises(AuthUnavailable):
                    await at.door.check(ask)
            outcome = await in_thread(
                lambda: at.door.enter_from_thread(watching(NOTHING, public=True), lambda why: None)
            )
            assert isinstance(outcome, AuthUnavailable)
            assert len(at.watch) == 0


async def test_who_gives_up_waiting_leaves_nothing(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.hold.clear()
    async with house(tmp_path, receiver=receiver) as at:
        task = asyncio.create_task(at.door.enter(watching(NOTHING), lambda why: None))
        await until(lambda: receiver.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        receiver.hold.set()
        assert len(at.watch) == 0
