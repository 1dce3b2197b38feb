from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from auth.access.door import Ask
from auth.access.permit import Permit
from auth.errors import AuthError, Forbidden, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.credentials import TokenCredential
from auth.permissions.protocols import Protocol
from ops.identity.identity import Guard, open_identity
from streamer.config import parse
from streamer.sections.others import OthersConfig
from tests.fakes.wait import until
from tests.rigs.decider import ISSUER, SECRET, Decider


@pytest.fixture(scope="module")
def decider() -> Iterator[Decider]:
    decider = Decider()
    yield decider
    decider.close()


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guard]:
    identity = await open_identity(parse({"state": {"dir": tmp_path}}))
    guard = Guard(identity)
    yield guard
    await guard.close()
    await identity.close()


def others(**keys: Any) -> OthersConfig:
    return parse({"auth": keys}).auth


def issuer(decider: Decider, **changes: Any) -> dict[str, Any]:
    told = {"issuer": ISSUER, "audience": "streamer", "jwks_url": f"{decider.url}/keys"}
    return told | {"default_actions": ["watch"], "default_streams": "cam"} | changes


async def check(guard: Guard, token: str) -> Permit | AuthError:
    try:
        ask = Ask(TokenCredential(token), Action.WATCH, Protocol.WHEP, "cam", "127.0.0.1")
        return await guard.door.check(ask)
    except AuthError as refusal:
        return refusal


async def believes(guard: Guard, token: str) -> bool:
    return isinstance(await check(guard, token), Permit)


async def test_issuers_come_and_go_and_keep_their_keys(guard: Guard, decider: Decider) -> None:
    token = decider.token()
    assert isinstance(await check(guard, token), TokenInvalid)
    guard.apply(others(issuers=[issuer(decider)]))
    verifier, _ = guard._others._verifiers[ISSUER]
    # Its keys are fetched at once, in the background.
    await until(lambda: verifier._keys.fetched_at is not None)
    assert await believes(guard, token)
    guard.apply(others(issuers=[issuer(decider)], webhook_timeout_s=1))
    assert guard._others._verifiers[ISSUER][0] is verifier
    guard.apply(others(issuers=[issuer(decider, default_actions=["publish"])]))
    assert guard._others._verifiers[ISSUER][0] is not verifier
    guard.apply(others())
    assert isinstance(await check(guard, token), TokenInvalid)


async def test_the_webhook_is_asked_as_the_file_says(guard: Guard, decider: Decider) -> None:
    decider.decide = lambda question: (200, "") if question["token"] == "theirs" else (403, "no")
    assert isinstance(await check(guard, "theirs"), TokenInvalid)
    hook = {"webhook": f"{decider.url}/hook", "webhook_secret": SECRET}
    guard.apply(others(**hook))
    asking = guard.door.webhook
    assert await believes(guard, "theirs")
    assert isinstance(await check(guard, "other"), Forbidden)
    guard.apply(others(**hook))
    assert guard.door.webhook is asking
    guard.apply(others(**hook, webhook_cache_s=0))
    assert guard.door.webhook is not asking
    guard.apply(others())
    assert guard.door.webhook is None
    assert isinstance(await check(guard, "theirs"), TokenInvalid)
    assert decider.unsigned == 0


async def test_who_is_asked_about_while_the_file_changes_is_answered(guard: Guard, decider: Decider) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def decide(question: dict[str, Any]) -> tuple[int, str]:
        asked.set()
        return (200, "") if go_on.wait(5) else (500, "nobody went on")

    decider.decide = decide
    guard.apply(others(webhook=f"{decider.url}/hook", webhook_secret=SECRET, webhook_timeout_s=5))
    waiting = asyncio.create_task(check(guard, "theirs"))
    await until(asked.is_set)
    guard.apply(others())
    assert isinstance(await check(guard, "theirs"), TokenInvalid)
    go_on.set()
    assert isinstance(await waiting, Permit)


async def test_rates_change_with_it(guard: Guard) -> None:
    guard.apply(others(rates={"login_burst": 7}))
    assert guard.rates.login.rate.burst == 7
