"""Asks a program of the operator's whether somebody may in.

One POST for each question, JSON:

    {"action": "watch", "stream": "cam", "protocol": "whep", "address": "192.0.2.7",
     "principal": {"id": "…", "name": "…", "kind": "user"},   who it is, where it is known here
     "token": "…", "user": "…", "password": "…",              what was presented, where it is not
     "claims": {…}}                                           of a token that was verified here

Answers: any 2xx allows, and may say in JSON `expires_in` (seconds), `limits` (as in tokens) and `user` (a
name); 401 and 403 refuse, with the reason in JSON `reason` or as text. Everything else, and no answer in
time, refuses too, unless it `may_be_missed`. `limits` count for those whom nothing here knows.

The receiver knows a question is ours by the header

    X-Streamer-Signature: t=<seconds since 1970>,v1=<HMAC-SHA-256 of "<t>.<body>", hexadecimal>

and refuses old ones; `is_signed` shows how. Answers are remembered for a while, and one question that many
wait for is asked once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from auth.errors import AuthUnavailable, Forbidden
from auth.permissions.actions import Action
from auth.permissions.limits import NO_LIMITS, Limits
from auth.permissions.protocols import Protocol
from auth.storage.lru import LruCache

_log = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Streamer-Signature"
#: (url, body, headers) to (status, body); the caller's HTTP client, which follows no redirects.
Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Awaitable[tuple[int, bytes]]]

_MAX_ANSWER_BYTES = 65_536
_MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Whom to ask.

    Attributes:
        url: of the operator's program.
        secret: that both know; signs the questions.
        timeout_s: for an answer.
        ttl_s: how long an answer is remembered, if its `expires_in` is not shorter; 0 for not at all.
        max_remembered: answers.
        max_waiting: questions under way at once; more wait for their turn, within the time-out.
        may_be_missed: without an answer, whom this server would let in by itself is let in. Whom it does not
            know is refused all the same.
    """

    url: str
    secret: str = field(repr=False)
    timeout_s: float = 3.0
    ttl_s: float = 10.0
    max_remembered: int = 4096
    max_waiting: int = 128
    may_be_missed: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. Without secrets when printed."""

    action: Action
    stream: str
    protocol: Protocol
    address: str
    principal: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    def body(self) -> bytes:
        """The JSON that is sent; equal questions have equal bodies."""
        said = {
            "action": self.action.value,
            "stream": self.stream,
            "protocol": self.protocol.value,
            "address": self.address,
            "principal": dict(self.principal),
            "claims": dict(self.claims),
            "token": self.token,
            "user": self.user,
            "password": self.password,
        }
        # Escaped to ASCII: what arrived as lone surrogates cannot be UTF-8.
        return json.dumps({name: value for name, value in said.items() if value}, sort_keys=True).encode(
            "ascii"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was answered.

    Attributes:
        allowed: if not, `reason` may say why.
        expires_at: until when it is allowed, seconds since 1970; None for no end.
        user: a name for who it is, "" when there was none.
    """

    allowed: bool
    reason: str = ""
    expires_at: float | None = None
    limits: Limits = NO_LIMITS
    user: str = ""


class Webhook:
    """Asks, remembers, and refuses when in doubt. Belongs to one event loop.

    Args:
        config: whom to ask.
        post: sends.
        clock: seconds since 1970.
    """

    def __init__(self, config: WebhookConfig, post: Post, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self._post = post
        self._clock = clock
        self._turns = asyncio.Semaphore(config.max_waiting)
        self._remembered: LruCache[bytes, tuple[float, Verdict]] = LruCache(config.max_remembered)
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}

    async def ask(self, question: Question) -> Verdict:
        """The verdict, if it allows.

        Raises:
            Forbidden: it does not; with the reason.
            AuthUnavailable: there was no answer, or none that can be understood.
        """
        body = question.body()
        # Passwords and tokens are in it, and are kept nowhere.
        key = hashlib.sha256(body).digest()
        verdict = self._recall(key)
        if verdict is None:
            task = self._asking.get(key)
            if task is None:
                task = self._asking[key] = asyncio.create_task(self._ask(key, body))
                task.add_done_callback(lambda done: self._asked(key, done))
            # Others wait for the same answer when this one gives up.
            try:
                verdict = await asyncio.shield(task)
            except asyncio.CancelledError:
                waiting = asyncio.current_task()
                if not task.cancelled() or (waiting is not None and waiting.cancelling()):
                    raise
                raise AuthUnavailable("the program that decides is not asked any more") from None
        if not verdict.allowed:
            raise Forbidden(question.action, question.stream, verdict.reason)
        return verdict

    async def finish(self) -> None:
        """Wait for the answers that are under way, in vain after `timeout_s`."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def close(self) -> None:
        """Give up what is under way: who waits for an answer is told that there is none."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _recall(self, key: bytes) -> Verdict | None:
        known = self._remembered.find(key)
        if known is None:
            return None
        until, verdict = known
        if self._clock() < until:
            return verdict
        self._remembered.remove(key)
        return None

    def _asked(self, key: bytes, task: asyncio.Task[Verdict]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            # Also when nobody waits any more, so that the loop does not complain.
            task.exception()

    async def _ask(self, key: bytes, body: bytes) -> Verdict:
        config = self.config
        try:
            async with asyncio.timeout(config.timeout_s), self._turns:
                now = self._clock()
                headers = {
                    "Content-Type": "application/json",
                    SIGNATURE_HEADER: sign(config.secret, body, now),
                }
                status, answer = await self._post(config.url, body, headers)
        except TimeoutError:
            _log.warning("the webhook did not answer within %g s", config.timeout_s)
            raise AuthUnavailable("the program that decides did not answer in time") from None
        # Whatever a client for HTTP raises, it means that there is no answer.
        except Exception as error:
            _log.warning("the webhook cannot be asked: %s", type(error).__name__)
            raise AuthUnavailable("the program that decides cannot be reached") from None
        verdict = _read(status, answer, now)
        until = now + config.ttl_s
        if verdict.expires_at is not None:
            until = min(until, verdict.expires_at)
        if until > now:
            self._remembered.add(key, (until, verdict))
        return verdict


def sign(secret: str, body: bytes, now: float) -> str:
    """The signature header's value for a body that is sent now."""
    at = int(now)
    return f"t={at},v1={_mac(secret, body, at)}"


def is_signed(secret: str, header: str, body: bytes, now: float, tolerance_s: float = 300.0) -> bool:
    """Whether a question is signed with the secret, and not older or newer than tolerated; for receivers."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    at = parts.get("t", "")
    if not (at.isascii() and at.isdigit() and len(at) < 16) or abs(now - int(at)) > tolerance_s:
        return False
    return hmac.compare_digest(
        parts.get("v1", "").encode(errors="replace"), _mac(secret, body, int(at)).encode()
    )


def _mac(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest()


def _read(status: int, answer: bytes, now: float) -> Verdict:
    if status in (401, 403):
        return Verdict(False, _reason(answer))
    if not 200 <= status < 300:
        _log.warning("the webhook answered with status %d", status)
        raise AuthUnavailable("the program that decides answered with an error")
    try:
        return _allowance(answer, now)
    except (ValueError, RecursionError):
        # Who says "yes, but" in a way that is not understood has not said yes.
        _log.warning("the webhook allowed with an answer that cannot be understood")
        raise AuthUnavailable("the program that decides gave an answer that cannot be understood") from None


def _allowance(answer: bytes, now: float) -> Verdict:
    if len(answer) > _MAX_ANSWER_BYTES:
        raise ValueError("too long")
    said = json.loads(answer) if answer.strip() else {}
    if not isinstance(said, dict):
        raise ValueError("no object")
    user = said.get("user", "")
    if not isinstance(user, str):
        raise ValueError("user")
    expires_in = said.get("expires_in")
    if expires_in is not None and (
        isinstance(expires_in, bool)
        or not isinstance(expires_in, int | float)
        or not (math.isfinite(expires_in) and expires_in > 0)
    ):
        raise ValueError("expires_in")
    return Verdict(
        True,
        expires_at=None if expires_in is None else now + expires_in,
        limits=Limits.from_claim(said.get("limits")),
        user=_plain(user),
    )


def _reason(answer: bytes) -> str:
    text = answer[:_MAX_ANSWER_BYTES].decode(errors="replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return _plain(text)
    reason = said.get("reason") if isinstance(said, dict) else said
    return _plain(reason) if isinstance(reason, str) else ""


def _plain(text: str) -> str:
    """One short line that can be shown and logged."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_REASON_CHARACTERS]
