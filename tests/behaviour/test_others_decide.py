"""Who may in is decided by others too: a program that is asked, an issuer of tokens, an account's API key."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from auth.permissions.actions import Action, Role
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.limits import Limits
from auth.permissions.principals import Kind
from auth.tokens.issued import issue
from auth.tokens.links import Link, Target, build_link, parse_link
from auth.tokens.tokens import SERVER, TokenOrder
from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from ops.identity.identity import Identity, open_identity
from streamer.config import load
from tests.behaviour.streams import KEY, stream_id
from tests.rigs.decider import Decider

STREAMS = f'[streams.cam]\npublish_key = "{KEY}"\n[streams.keyless]\n'
SMALL = Programme(size="160x90", bitrate_kbps=200)
PATIENCE_S = 20.0

_Made = TypeVar("_Made")


@pytest.fixture(scope="module")
def decider() -> Iterator[Decider]:
    decider = Decider()
    yield decider
    decider.close()


@pytest.fixture(scope="module")
def server(decider: Decider) -> Iterator[Server]:
    with Server(decider.webhook + decider.issuers + STREAMS) as server:
        yield server


def beside(server: Server, work: Callable[[Identity], Awaitable[_Made]]) -> _Made:
    """Change something in the database of the running server, as the commands do."""

    async def run() -> _Made:
        identity = await open_identity(load(server.config_path))
        try:
            return await work(identity)
        finally:
            await identity.close()

    return asyncio.run(run())


def ask(server: Server, path: str, presented: str = "", method: str = "GET") -> tuple[int, dict[str, Any]]:
    """Status and body; of headers, the one that says when to come back."""
    headers = {"Authorization": f"Bearer {presented}"} if presented else {}
    body = b"v=0" if method == "POST" else None
    request = urllib.request.Request(server.url + path, headers=headers, method=method, data=body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error) | {"Retry-After": error.headers["Retry-After"]}


def opens(server: Server, presented: str, stream: str = "cam") -> bool:
    return ask(server, f"/whep/{stream}", presented)[0] == 204


def allow_all(question: dict[str, Any]) -> tuple[int, str]:
    return 200, ""


def test_the_program_has_a_say(server: Server, decider: Decider) -> None:
    decider.decide = lambda question: (
        (200, '{"user": "guest"}') if question.get("token") == "guest-7" else (403, '{"reason": "not today"}')
    )
    assert opens(server, "guest-7")
    status, body = ask(server, "/whep/cam", "guest-8")
    assert (status, body["error"]) == (403, "forbidden")
    assert body["message"].endswith("not today")
    # Whom the server knows it may still refuse; and what he presented is none of its business.
    token = beside(server, _watch_token)
    assert ask(server, "/whep/cam", token)[1]["message"].endswith("not today")
    last = decider.asked[-1]
    assert (last["action"], last["stream"], last["protocol"]) == ("watch", "cam", "whep")
    assert "token" not in last
    assert last["claims"]["sub"] == SERVER
    decider.decide = allow_all
    assert opens(server, token)
    # A token of ours that does not count is not asked about.
    before = len(decider.asked)
    assert ask(server, "/whep/cam", token[:-4] + "AAAA")[0] == 401
    assert len(decider.asked) == before
    assert decider.unsigned == 0


def test_the_program_says_who_may_publish_from_a_browser(server: Server, decider: Decider) -> None:
    decider.decide = lambda question: (
        (200, "") if question.get("token") == "guest-7" else (403, '{"reason": "not today"}')
    )
    assert ask(server, "/whip/keyless", "guest-7")[0] == 204
    last = decider.asked.pop()
    assert (last["action"], last["stream"], last["protocol"]) == ("publish", "keyless", "whip")
    assert ask(server, "/whip/keyless", "guest-8")[1]["message"].endswith("not today")
    decider.asked.clear()
    decider.decide = allow_all


def test_without_an_answer_nobody_is_let_in(server: Server, decider: Decider) -> None:
    decider.decide = lambda question: (500, "broken")
    status, body = ask(server, "/whep/cam", beside(server, _watch_token))
    assert (status, body["error"]) == (503, "unavailable")
    assert int(body["Retry-After"]) > 0
    server.configure(decider.webhook + 'webhook_unreachable = "decide_alone"\n' + decider.issuers + STREAMS)
    token = beside(server, _watch_token)
    wait_until(lambda: opens(server, token), PATIENCE_S, "the server to decide alone")
    assert ask(server, "/whep/cam", "guest-7")[0] == 503
    server.configure(decider.webhook + decider.issuers + STREAMS)
    wait_until(lambda: not opens(server, token), PATIENCE_S, "the program to be asked again")
    decider.decide = allow_all


async def test_an_issuers_token_opens_what_its_groups_say_until_nobody_believes_it(
    server: Server, decider: Decider
) -> None:
    decider.decide = allow_all
    crew = decider.token("crew")
    assert await asyncio.to_thread(opens, server, crew)
    assert (await asyncio.to_thread(ask, server, "/whep/cam", decider.token("staff")))[0] == 403
    assert (await asyncio.to_thread(ask, server, "/api/v1/streams", crew))[0] == 403
    # The program lets the encoder in, with a secret that only it knows.
    with ffmpeg_srt(server.srt_port, stream_id("keyless", "encoder-1"), SMALL):
        await asyncio.to_thread(server.wait_live, "keyless")
        assert {"action": "publish", "protocol": "srt", "token": "encoder-1"}.items() <= next(
            question for question in decider.asked if question["stream"] == "keyless"
        ).items()
        crowd = Crowd(Whep(f"{server.url}/whep/keyless?token={crew}"), "127.0.0.1")
        try:
            outcome = await crowd.join(1, 0)
            assert outcome.joined == 1, outcome.failed
            assert len(server.viewers()) == 1
            server.configure(decider.webhook + STREAMS)
            await asyncio.to_thread(
                wait_until, lambda: not server.viewers(), PATIENCE_S, "the viewer to be gone"
            )
            assert "its issuer is not trusted any more" in server.output
            assert "viewer is Olga" in server.output
        finally:
            await crowd.close()
    assert crew not in server.output


def test_a_service_account_publishes_and_watches_with_its_key(server: Server, decider: Decider) -> None:
    decider.decide = allow_all

    async def make(identity: Identity) -> tuple[str, str]:
        robot = await identity.accounts.create(Kind.SERVICE, "robot")
        async with identity.engine.begin() as connection:
            for role in (Role.PUBLISHER, Role.VIEWER):
                grant = NewGrant(robot.id, role, "keyless", SERVER)
                await add_grant(connection, grant, identity.clock())
        issued = await identity.api_keys.issue(robot.id)
        return issued.key, issued.prefix

    key, prefix = beside(server, make)
    wait_until(lambda: opens(server, key, "keyless"), PATIENCE_S, "the key to count")
    assert ask(server, "/whep/cam", key)[0] == 403
    server.wait_free("keyless")
    with ffmpeg_srt(server.srt_port, stream_id("keyless", key), SMALL):
        server.wait_live("keyless")
        beside(server, lambda identity: identity.api_keys.revoke(prefix))
        server.wait_free("keyless", PATIENCE_S)
    assert server.stream("keyless")["ingest"]["reason"] == "the API key was withdrawn"
    assert ask(server, "/whep/keyless", key)[0] == 401
    assert key not in server.output


def test_a_signed_link_opens_the_page_and_the_stream(server: Server, decider: Decider) -> None:
    decider.decide = allow_all
    token = beside(server, _watch_token)
    page = build_link(Link(server.url, Target.WATCH, "cam", token))
    assert token not in page.partition("#")[0]
    assert ask(server, page.partition("#")[0].removeprefix(server.url))[0] == 200
    whep = build_link(Link(server.url, Target.WHEP, "cam", parse_link(page).token))
    assert ask(server, whep.removeprefix(server.url))[0] == 204


def test_rates_follow_the_file(server: Server, decider: Decider) -> None:
    decider.decide = allow_all
    assert [ask(server, "/api/v1/live")[0] for _ in range(50)] == [200] * 50
    narrow = "[auth.rates]\napi_per_s = 0.01\napi_burst = 1\n"
    server.configure(decider.webhook + "confirm_after_s = 60\n" + narrow + STREAMS)
    wait_until(lambda: ask(server, "/api/v1/live")[0] == 429, PATIENCE_S, "the new rate")
    assert "auth.confirm_after_s changed; that takes effect at the next start" in server.output
    status, body = ask(server, "/api/v1/live")
    assert (status, body["error"], body["Retry-After"]) == (429, "rate_limited", str(body["retry_after_s"]))


async def _watch_token(identity: Identity) -> str:
    authority = identity.authority
    order = TokenOrder(frozenset({Action.WATCH}), ("cam",), 600.0, limits=Limits.of(networks=["127.0.0.1"]))
    async with identity.engine.begin() as connection:
        made = await issue(connection, authority.tokens, authority.snapshot.ring, order, identity.clock())
    return made.token
