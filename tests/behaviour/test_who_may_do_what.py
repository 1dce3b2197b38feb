"""Every action, by every role, over every protocol that is served: allowed or refused as the table says.

The table is `auth/permissions/PERMISSIONS.md`, which is rendered from what is asked here too: `actions_of`,
`PROTOCOLS`.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from typing import Any

import pytest

from auth.permissions.actions import Action, Role, actions_of
from auth.permissions.protocols import PROTOCOLS, Protocol
from auth.tokens.tokens import TokenOrder
from loadtests.rig.administrator import issue_tokens
from loadtests.rig.server import Server, free_ports
from tests.transport.rtsp.caller import RtspCaller
from transport.errors import LinkError
from transport.output import PushOptions
from transport.push import push_to
from transport.srt import ConnectError, SrtOptions, SrtTarget, connect

RTMP_PORT, RTSP_PORT = free_ports(2)
STREAMS = f"""
[rtmp]
listen = "127.0.0.1:{RTMP_PORT}"
[rtsp]
listen = "127.0.0.1:{RTSP_PORT}"
udp = false
[streams.cam]
[streams.sealed]
e2e = true
"""
RECORDING = "cam@2026-11-27T22-00-00.123Z"  #: there is none
PASSWORD = "ein Pferd frisst Holz"
OUTSIDER = "outsider"  #: an account to which nothing is granted
WHO: tuple[Role | str, ...] = (*Role, OUTSIDER)

#: Whether somebody with this token gets in.
Probe = Callable[[Server, str], bool]


def answered(server: Server, path: str, token: str, method: str = "GET", kind: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": kind} if kind else {})
    request = urllib.request.Request(
        server.url + path, method=method, headers=headers, data=b"v=0" if kind else None
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def over_api(path: str, otherwise: int = 200, method: str = "GET") -> Probe:
    """Allowed is answered with `otherwise`, and refused in no other way than by 403."""

    def probe(server: Server, token: str) -> bool:
        status = answered(server, path, token, method)
        assert status in (otherwise, 403), (path, status)
        return status == otherwise

    return probe


def over_whep(server: Server, token: str) -> bool:
    # Who may is told that this is no offer.
    status = answered(server, "/whep/cam", token, "POST", "application/sdp")
    assert status in (400, 409, 403), status
    return status != 403


def over_whip(server: Server, token: str) -> bool:
    status = answered(server, "/whip/cam", token, "POST", "application/sdp")
    assert status in (400, 403), status
    return status == 400


def over_rtmp(server: Server, token: str) -> bool:
    async def publishes() -> bool:
        push = push_to(f"rtmp://127.0.0.1:{RTMP_PORT}/live", f"cam?token={token}", PushOptions())
        try:
            await push.connect()
        except LinkError as error:
            assert error.reason in ("unauthorized", "occupied"), error
            # Whoever was there before leaves at this moment.
            return error.reason == "occupied" and await publishes()
        finally:
            await push.close()
        return True

    return asyncio.run(publishes())


def over_rtsp(method: str, allowed: int) -> Probe:
    """Who may is told that nobody publishes it, or that nothing of what he announces can be carried."""

    def probe(server: Server, token: str) -> bool:
        with RtspCaller(("127.0.0.1", RTSP_PORT)) as caller:
            uri, body = f"rtsp://127.0.0.1:{RTSP_PORT}/cam?token={token}", b"v=0\r\n"
            status, answer = caller.ask(method, uri, body, Content_Type="application/sdp")
        assert status in (allowed, 401, 403), answer
        return status == allowed

    return probe


def over_srt(mode: str) -> Probe:
    def probe(server: Server, token: str) -> bool:
        stream_id = f"#!::r=cam,m={mode},s={token}"
        target = SrtTarget("caller", "127.0.0.1", server.srt_port, stream_id, options=SrtOptions())
        try:
            connect(target).close()
        except ConnectError as error:
            assert error.reject_code in (1401, 1403), error
            return False
        return True

    return probe


content_key = over_api("/api/v1/streams/sealed/content-key")

PROBES: dict[tuple[Action, Protocol], list[Probe]] = {
    (Action.PUBLISH, Protocol.SRT): [over_srt("publish")],
    (Action.PUBLISH, Protocol.RTMP): [over_rtmp],
    (Action.PUBLISH, Protocol.RTSP): [over_rtsp("ANNOUNCE", 415)],
    (Action.PUBLISH, Protocol.WHIP): [over_whip],
    (Action.WATCH, Protocol.SRT): [over_srt("request")],
    (Action.WATCH, Protocol.RTSP): [over_rtsp("DESCRIBE", 404)],
    (Action.WATCH, Protocol.WHEP): [over_whep],
    (Action.LISTEN, Protocol.WHEP): [over_whep],
    (Action.WATCH, Protocol.API): [over_api("/thumbnails/cam.jpg", otherwise=404), content_key],
    (Action.LISTEN, Protocol.API): [content_key],
    (Action.MANAGE, Protocol.API): [
        over_api("/api/v1/streams"),
        over_api("/api/v1/streams/cam"),
        over_api("/api/v1/viewers"),
        over_api("/api/v1/viewers/none", otherwise=404, method="DELETE"),
        over_api("/api/v1/readers"),
        over_api("/api/v1/readers/none", otherwise=404, method="DELETE"),
        over_api("/api/v1/recordings"),
        over_api("/api/v1/recordings?stream=cam"),
        over_api(f"/api/v1/recordings/{RECORDING}", otherwise=404),
        over_api(f"/api/v1/recordings/{RECORDING}/clip", otherwise=404),
        over_api(f"/api/v1/recordings/{RECORDING}", otherwise=404, method="DELETE"),
        over_api("/api/v1/server"),
        over_api("/api/v1/tokens"),
        over_api("/api/v1/links"),
    ],
    (Action.ADMIN, Protocol.API): [
        over_api("/api/v1/users"),
        over_api("/api/v1/users/none", otherwise=404, method="DELETE"),
        over_api("/api/v1/groups"),
        over_api("/api/v1/grants"),
        over_api("/api/v1/grants/none", otherwise=404, method="DELETE"),
    ],
    (Action.AUDIT, Protocol.API): [
        over_api("/api/v1/audit?limit=1"),
        over_api("/api/v1/audit/verification"),
    ],
}
#: Sound alone is asked for in the same way as the picture.
EITHER = {over_whep: {Action.WATCH, Action.LISTEN}, content_key: {Action.WATCH, Action.LISTEN}}
#: Of the table, what this server does not offer. WEB: pages ask the API, by a session; see below.
NOT_OFFERED = {Protocol.HLS}
BY_OTHER_MEANS = {Protocol.WEB, Protocol.CLI}
#: Who may only listen is not let in to read.
NOT_HEARD = {(Action.LISTEN, Protocol.SRT), (Action.LISTEN, Protocol.RTSP)}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


@pytest.fixture(scope="module")
def accounts(server: Server) -> dict[Role | str, str]:
    """Ids of an account for each role, and of one without any."""
    found: dict[Role | str, str] = {}
    for who in WHO:
        status, made = server.request("POST", "/api/v1/users", {"name": str(who)})
        assert status == 201, made
        found[who] = made["id"]
        if isinstance(who, Role):
            grant = {"to": made["id"], "what": who, "stream": "*"}
            assert server.request("POST", "/api/v1/grants", grant)[0] == 201
    return found


@pytest.fixture(scope="module")
def tokens(server: Server, accounts: dict[Role | str, str]) -> dict[tuple[Role | str, Action], str]:
    """For each of them and each action a token that is for it alone; it opens what the account may."""
    wanted = [(who, action) for who in WHO for action in Action]
    orders = [TokenOrder(frozenset({action}), ("*",), 3600.0, accounts[who]) for who, action in wanted]
    return dict(zip(wanted, issue_tokens(server.config_path, orders), strict=True))


def test_nothing_of_the_table_is_left_out() -> None:
    table = {(action, protocol) for action in Action for protocol in PROTOCOLS[action]}
    elsewhere = {pair for pair in table if pair[1] in NOT_OFFERED | BY_OTHER_MEANS}
    assert table == set(PROBES) | elsewhere | NOT_HEARD


@pytest.mark.parametrize("who", WHO)
def test_it_is_as_the_table_says(
    server: Server, tokens: dict[tuple[Role | str, Action], str], who: Role | str
) -> None:
    allowed = actions_of(who) if isinstance(who, Role) else frozenset()
    wrong = []
    for (asked, protocol), probes in PROBES.items():
        for number, probe in enumerate(probes):
            opened_by = EITHER.get(probe, {asked})
            for action in Action:
                expected = action in opened_by and action in allowed
                if probe(server, tokens[who, action]) is not expected:
                    wrong.append((asked, protocol, number, action, expected))
    assert wrong == []


class Browser:
    """Somebody who signed in."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def ask(self, method: str, path: str, body: Any = None, csrf: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"X-CSRF-Token": csrf} if csrf else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, method=method, headers=headers, data=data)
        try:
            with self._opener.open(request, timeout=20) as answer:
                text = answer.read()
                kind = answer.headers.get_content_type()
                return answer.status, json.loads(text) if kind == "application/json" and text else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None


@pytest.mark.parametrize("who", WHO)
def test_a_session_opens_the_same(server: Server, accounts: dict[Role | str, str], who: Role | str) -> None:
    _, invited = server.request("POST", f"/api/v1/users/{accounts[who]}/invitation", {})
    browser = Browser(server)
    chosen = {"token": invited["link"].partition("#token=")[2], "password": PASSWORD}
    assert browser.ask("POST", "/api/v1/invitation/password", chosen)[0] == 200
    assert browser.ask("POST", "/api/v1/login", {"name": str(who), "password": PASSWORD})[0] == 200
    allowed = actions_of(who) if isinstance(who, Role) else frozenset()
    for path, action in (
        ("/whep/cam", Action.WATCH),
        ("/api/v1/streams/sealed/content-key", Action.WATCH),
        ("/api/v1/streams", Action.MANAGE),
        ("/api/v1/users", Action.ADMIN),
        ("/api/v1/audit?limit=1", Action.AUDIT),
    ):
        assert (browser.ask("GET", path)[0] < 300) is (action in allowed), path
    csrf = browser.ask("GET", "/api/v1/session")[1]["csrf_token"]
    new = {"name": f"made by {who}"}
    # Another site's page can send the cookie, and not what our pages know.
    assert browser.ask("POST", "/api/v1/users", new)[0] == 403
    assert (browser.ask("POST", "/api/v1/users", new, csrf)[0] == 201) is (Action.ADMIN in allowed)
