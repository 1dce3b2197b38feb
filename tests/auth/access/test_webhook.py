from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import pytest

from auth.access.webhook import SIGNATURE_HEADER, Question, Webhook, WebhookConfig, is_signed, sign
from auth.errors import AuthUnavailable, Forbidden
from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.permissions.protocols import Protocol
from tests.auth.ground import NOON, Clock
from tests.fakes.wait import until

CONFIG = WebhookConfig("https://decides.example/", "a shared secret")
QUESTION = Question(
    Action.WATCH,
    "cam",
    Protocol.WHEP,
    "192.0.2.1",
    principal={"id": "1", "name": "ann", "kind": "user"},
    token="hidden",
    password="hidden",
)


class Receiver:
    """Answers what a test wants, and remembers what it was asked."""

    def __init__(self, status: int = 200, body: bytes = b"") -> None:
        self.status = status
        self.body = body
        self.asked: list[tuple[bytes, Mapping[str, str]]] = []
        self.error: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        assert url == CONFIG.url
        self.asked.append((body, headers))
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        return self.status, self.body


def webhook(receiver: Receiver, config: WebhookConfig = CONFIG, clock: Clock | None = None) -> Webhook:
    return Webhook(config, receiver.post, clock or Clock())


async def test_the_question_and_its_signature() -> None:
    receiver = Receiver()
    await webhook(receiver).ask(QUESTION)
    ((body, headers),) = receiver.asked
    assert json.loads(body) == {
        "action": "watch",
        "stream": "cam",
        "protocol": "whep",
        "address": "192.0.2.1",
        "principal": {"id": "1", "name": "ann", "kind": "user"},
        "token": "hidden",
        "password": "hidden",
    }
    assert headers["Content-Type"] == "application/json"
    assert is_signed(CONFIG.secret, headers[SIGNATURE_HEADER], body, NOON + 299)
    assert not is_signed(CONFIG.secret, headers[SIGNATURE_HEADER], body, NOON + 301)
    assert not is_signed(CONFIG.secret, headers[SIGNATURE_HEADER], body + b" ", NOON)
    assert not is_signed("another", headers[SIGNATURE_HEADER], body, NOON)


@pytest.mark.parametrize(
    "header", ["", "t=1", "v1=ab", "t=x,v1=ab", f"t={int(NOON)},v1=é", "t=²,v1=a", ",,=,"]
)
def test_what_is_no_signature(header: str) -> None:
    assert not is_signed("secret", header, b"body", NOON)


def test_a_signature_by_hand() -> None:
    # printf '1790000000.body' | openssl dgst -sha256 -hmac secret
    assert sign("secret", b"body", 1_790_000_000.9).startswith("t=1790000000,v1=")
    assert is_signed("secret", sign("secret", b"body", NOON), b"body", NOON)


@pytest.mark.parametrize(
    ("status", "body", "expires_at", "limits", "user"),
    [
        (200, b"", None, Limits(), ""),
        (204, b"", None, Limits(), ""),
        (200, b"{}", None, Limits(), ""),
        (201, b'{"expires_in": 60, "user": "ann\\n"}', NOON + 60, Limits(), "ann"),
        (
            200,
            b'{"limits": {"viewers": 2, "net": ["192.0.2.0/24"]}}',
            None,
            Limits.of(2, ["192.0.2.0/24"]),
            "",
        ),
    ],
)
async def test_allowed(status: int, body: bytes, expires_at: float | None, limits: Limits, user: str) -> None:
    verdict = await webhook(Receiver(status, body)).ask(QUESTION)
    assert (verdict.allowed, verdict.expires_at, verdict.limits, verdict.user) == (
        True,
        expires_at,
        limits,
        user,
    )


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"reason": "not paid"}', "not paid"),
        (b"not\r\npaid\x1b[31m", "not paid [31m"),
        (b"", ""),
        (b'{"other": 1}', ""),
        (b"\xff" * 100_000, "\ufffd" * 10),
        (b"[" * 100_000, "["),
    ],
)
async def test_refused_with_the_reason(status: int, body: bytes, reason: str) -> None:
    with pytest.raises(Forbidden) as refusal:
        await webhook(Receiver(status, body)).ask(QUESTION)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 300
    assert (refusal.value.action, refusal.value.stream) == ("watch", "cam")


class TestClosedWhenInDoubt:
    @pytest.mark.parametrize("status", [100, 301, 302, 400, 404, 429, 500, 503])
    async def test_other_answers(self, status: int) -> None:
        with pytest.raises(AuthUnavailable, match="answered with an error"):
            await webhook(Receiver(status, b"{}")).ask(QUESTION)

    @pytest.mark.parametrize(
        "body",
        [
            b"yes",
            b"[]",
            b"[" * 60_000,
            b"x" * 70_000,
            b'{"expires_in": "60"}',
            b'{"expires_in": 0}',
            b'{"expires_in": true}',
            b'{"expires_in": NaN}',
            b'{"limits": {"new": 1}}',
            b'{"limits": {"viewers": 0}}',
            b'{"user": 7}',
        ],
    )
    async def test_a_yes_that_is_not_understood(self, body: bytes) -> None:
        with pytest.raises(AuthUnavailable, match="cannot be understood"):
            await webhook(Receiver(200, body)).ask(QUESTION)

    async def test_no_answer_in_time(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        quick = WebhookConfig(CONFIG.url, CONFIG.secret, timeout_s=0.02)
        with pytest.raises(AuthUnavailable, match="in time"):
            await webhook(receiver, quick).ask(QUESTION)

    async def test_nobody_there(self, caplog: pytest.LogCaptureFixture) -> None:
        receiver = Receiver()
        receiver.error = ConnectionError("https://user:hidden@host")
        with caplog.at_level(logging.DEBUG), pytest.raises(AuthUnavailable, match="cannot be reached"):
            await webhook(receiver).ask(QUESTION)
        assert "hidden" not in caplog.text

    async def test_failures_are_not_remembered(self) -> None:
        receiver = Receiver(500)
        hook = webhook(receiver)
        with pytest.raises(AuthUnavailable):
            await hook.ask(QUESTION)
        receiver.status = 200
        assert (await hook.ask(QUESTION)).allowed


class TestMemory:
    async def test_answers_count_for_a_while(self) -> None:
        clock, receiver = Clock(), Receiver()
        hook = webhook(receiver, clock=clock)
        for _ in range(3):
            await hook.ask(QUESTION)
        assert len(receiver.asked) == 1
        receiver.status = 403
        clock.now += CONFIG.ttl_s - 0.1
        await hook.ask(QUESTION)
        clock.now += 0.1
        for _ in range(3):
            with pytest.raises(Forbidden):
                await hook.ask(QUESTION)
        assert len(receiver.asked) == 2

    async def test_none_counts_for_longer_than_it_says(self) -> None:
        clock, receiver = Clock(), Receiver(200, b'{"expires_in": 5}')
        hook = webhook(receiver, clock=clock)
        first = await hook.ask(QUESTION)
        clock.now += 4
        assert (await hook.ask(QUESTION)).expires_at == first.expires_at == NOON + 5
        clock.now += 1
        await hook.ask(QUESTION)
        assert len(receiver.asked) == 2

    async def test_each_question_has_its_own(self) -> None:
        receiver = Receiver()
        hook = webhook(receiver)
        for question in (
            QUESTION,
            Question(Action.WATCH, "cam", Protocol.WHEP, "192.0.2.2"),
            Question(Action.WATCH, "cam", Protocol.SRT, "192.0.2.1"),
            Question(Action.WATCH, "cam", Protocol.WHEP, "192.0.2.1", token="other\udcff"),
        ):
            await hook.ask(question)
        assert len(receiver.asked) == 4

    async def test_it_is_bounded(self) -> None:
        receiver = Receiver()
        hook = webhook(receiver, WebhookConfig(CONFIG.url, CONFIG.secret, max_remembered=10))
        for number in range(50):
            await hook.ask(Question(Action.WATCH, f"cam{number}", Protocol.WHEP, ""))
        assert len(hook._remembered) == 10
        assert not hook._asking

    async def test_many_that_wait_for_one_answer(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        hook = webhook(receiver)
        waiting = [asyncio.create_task(hook.ask(QUESTION)) for _ in range(20)]
        await until(lambda: receiver.asked)
        waiting[0].cancel()
        receiver.hold.set()
        verdicts = await asyncio.gather(*waiting[1:])
        assert all(verdict.allowed for verdict in verdicts)
        assert len(receiver.asked) == 1

    async def test_so_many_are_under_way_at_most(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        hook = webhook(receiver, WebhookConfig(CONFIG.url, CONFIG.secret, max_waiting=3))
        waiting = [
            asyncio.create_task(hook.ask(Question(Action.WATCH, f"cam{number}", Protocol.WHEP, "")))
            for number in range(10)
        ]
        await until(lambda: len(receiver.asked) == 3)
        receiver.hold.set()
        await asyncio.gather(*waiting)
        assert len(receiver.asked) == 10

    async def test_closing_gives_up(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        hook = webhook(receiver)
        task = asyncio.create_task(hook.ask(QUESTION))
        await until(lambda: receiver.asked)
        await hook.close()
        with pytest.raises(AuthUnavailable, match="not asked any more"):
            await task

    async def test_who_waits_when_it_ends_gets_the_answer(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        hook = webhook(receiver)
        task = asyncio.create_task(hook.ask(QUESTION))
        await until(lambda: receiver.asked)
        ending = asyncio.create_task(hook.finish())
        receiver.hold.set()
        await ending
        assert (await task).allowed

    async def test_who_gives_up_is_not_answered(self) -> None:
        receiver = Receiver()
        receiver.hold.clear()
        hook = webhook(receiver)
        task = asyncio.create_task(hook.ask(QUESTION))
        await until(lambda: receiver.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await hook.close()


def test_nothing_secret_is_shown() -> None:
    assert "hidden" not in repr(QUESTION)
    assert CONFIG.secret not in repr(CONFIG)
