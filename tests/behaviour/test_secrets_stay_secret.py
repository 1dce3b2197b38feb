"""No secret is seen again: not in logs at debug level, answers, metrics, processes, nor in what is stored."""

from __future__ import annotations

import asyncio
import http.client
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from auth.permissions.actions import Action, Role
from auth.permissions.grants import NewGrant, add_grant
from auth.permissions.principals import Kind
from auth.tokens.issued import issue
from auth.tokens.tokens import SERVER, TokenOrder
from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from ops.identity.identity import Identity, open_identity
from ops.storage.database import DatabaseError
from streamer.config import load, parse
from tests.behaviour.streams import stream_id
from tests.rigs.decider import SECRET, Decider
from transport.srt import ConnectError, SrtOptions, SrtTarget, connect

pytestmark = pytest.mark.timeout(180)

PUBLISH_KEY, WRONG_KEY = "PublishKeyOfTheEncoder77", "PublishKeyThatIsWrong78"
PASSPHRASE, WRONG_PASSPHRASE = "PassphraseOfTheLink79", "PassphraseThatIsWrong80"
CAMERA_PASSWORD, CAMERA_QUERY = "PasswordOfTheCamera81", "QueryOfTheCamera82"
FAR_PASSPHRASE, FAR_KEY = "PassphraseFarAway83", "PublishKeyFarAway84"
HOOK_PASSWORD = "PasswordOfTheHook85"
GUEST = "OpaqueTokenOfAGuest86"
USER_PASSWORD = "ein-Pferd-frisst-Holz-87"
DATABASE_PASSWORD = "PasswordOfTheDatabase88"
MISSPELT = "KeyUnderAMisspeltName89"
STREAM_KEY, RELAY_PASSPHRASE, RELAY_QUERY = (
    "StreamKeyOfThePlatform90",
    "PassphraseOfARelay91",
    "QueryOfARelay92",
)
CLIENT_SECRET, BIND_PASSWORD = "SecretOfOurClient93", "PasswordOfTheDirectory94"
PLATFORM_SECRET = "SecretOfTheApplication95"
WRONG_PASSWORD = "ein-Esel-frisst-Holz-96"

STREAMS = f"""
[log]
level = "debug"
format = "json"
[streams.cam]
publish_key = "{PUBLISH_KEY}"
passphrase = "{PASSPHRASE}"
[[streams.cam.relays]]
name = "tube"
url = "rtmp://127.0.0.1:1/app"
key = "{STREAM_KEY}"
[[streams.cam.relays]]
name = "link"
url = "srt://127.0.0.1:1?mode=caller&streamid={RELAY_QUERY}"
passphrase = "{RELAY_PASSPHRASE}"
[streams.sealed]
e2e = true
[streams.camera]
source = "rtsp://admin:{CAMERA_PASSWORD}@127.0.0.1:1/live?password={CAMERA_QUERY}"
[streams.far]
source = "srt://127.0.0.1:1?mode=caller&passphrase={FAR_PASSPHRASE}&streamid=publish:x:{FAR_KEY}"
"""
OTHERS = f"""
[oidc]
issuer = "http://127.0.0.1:1"
client_id = "streamer"
client_secret = "{CLIENT_SECRET}"
[ldap]
urls = ["ldap://127.0.0.1:1"]
bind_dn = "cn=streamer"
bind_password = "{BIND_PASSWORD}"
user_base = "dc=example"
[platforms.youtube]
client_id = "ours"
client_secret = "{PLATFORM_SECRET}"
base_url = "http://127.0.0.1:1"
"""
PATIENCE_S = 30.0


class Seen:
    """Everything that anybody got to see, by where.

    Attributes:
        secrets: by name.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.texts: dict[str, bytes] = {}
        self.statuses: list[int] = []

    def leaks(self) -> list[str]:
        return [
            f"{name} in {place}"
            for place, text in self.texts.items()
            for name, secret in self.secrets.items()
            if secret.encode() in text
        ]


@pytest.fixture(scope="module")
def decider() -> Iterator[Decider]:
    decider = Decider()
    decider.decide = lambda question: (200, "") if question.get("token") in (GUEST, None) else (403, "no")
    yield decider
    decider.close()


@pytest.fixture(scope="module")
def server(decider: Decider) -> Iterator[Server]:
    webhook = decider.webhook.replace("//127.0.0.1", f"//hook:{HOOK_PASSWORD}@127.0.0.1")
    with Server(webhook + decider.issuers + OTHERS + STREAMS, itself=True) as server:
        yield server


def fetch(server: Server, seen: Seen, method: str, path: str, token: str = "", body: str = "") -> int:
    """Ask, and remember the answer."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body:
        headers["Content-Type"] = "application/json" if body.startswith("{") else "application/sdp"
    connection.request(method, path, body=body or None, headers=headers)
    answer = connection.getresponse()
    # Events have no end.
    is_endless = answer.getheader("Content-Type", "").startswith("text/event-stream")
    text = b"".join(answer.readline() for _ in range(3)) if is_endless else answer.read()
    seen.texts[f"{method} {path.partition('?')[0]} {len(seen.texts)}"] = str(answer.headers).encode() + text
    connection.close()
    seen.statuses.append(answer.status)
    return answer.status


async def prepare(identity: Identity, seen: Seen) -> None:
    """An account with a password, a service account with a key, and tokens."""
    anna = await identity.accounts.create(Kind.USER, "anna")
    await identity.passwords.set(anna.id, "anna", USER_PASSWORD)
    robot = await identity.accounts.create(Kind.SERVICE, "robot")
    authority, now = identity.authority, identity.clock()
    order = TokenOrder(frozenset({Action.WATCH}), ("cam",), 600.0)
    orders = {"watch": order, "publish": TokenOrder(frozenset({Action.PUBLISH}), ("cam",), 600.0)}
    async with identity.engine.begin() as connection:
        await add_grant(connection, NewGrant(robot.id, Role.OPERATOR, "*", SERVER), now)
        for name, each in orders.items():
            made = await issue(connection, authority.tokens, authority.snapshot.ring, each, now)
            seen.secrets[f"token to {name}"] = made.token
        for key in identity.authority.snapshot.ring._keys.values():
            seen.secrets["signing key"] = key.secret.hex()
    seen.secrets["API key"] = (await identity.api_keys.issue(robot.id)).key


async def provoke(server: Server, seen: Seen) -> None:
    """Traffic, refusals and errors, with all of the secrets."""
    secrets = seen.secrets
    presented = [secrets[name] for name in ("token to watch", "token to publish", "API key", "outside token")]
    presented += [GUEST, secrets["token to watch"][:-3] + "abc", secrets["API key"][:-1] + "x"]
    for each in presented:
        for path in ("/whep/cam", "/api/v1/live", "/api/v1/streams", "/thumbnails/cam.jpg", "/none"):
            fetch(server, seen, "GET", path, each)
        fetch(server, seen, "GET", f"/whep/cam?token={each}")
        fetch(server, seen, "POST", f"/whep/cam?token={each}", "", "v=0\r\nthis is no offer")
        fetch(server, seen, "DELETE", "/api/v1/viewers/none", each)
    for password in (USER_PASSWORD, WRONG_PASSWORD):
        body = json.dumps({"name": "anna", "password": password})
        fetch(server, seen, "POST", "/api/v1/login", "", body)
    fetch(server, seen, "GET", "/login/oidc")
    for key, passphrase in (
        (WRONG_KEY, PASSPHRASE),
        (PUBLISH_KEY, WRONG_PASSPHRASE),
        (secrets["token to watch"], PASSPHRASE),
        (secrets["API key"] + "x", PASSPHRASE),
    ):
        options = SrtOptions(passphrase=passphrase)
        target = SrtTarget("caller", "127.0.0.1", server.srt_port, stream_id("cam", key), options=options)
        with pytest.raises(ConnectError):
            await asyncio.to_thread(connect, target)
    key = secrets["token to publish"]
    with ffmpeg_srt(
        server.srt_port,
        stream_id("cam", key),
        Programme(size="160x90", bitrate_kbps=200),
        passphrase=PASSPHRASE,
    ):
        await asyncio.to_thread(server.wait_live, "cam")
        crowd = Crowd(Whep(f"{server.url}/whep/cam?token={secrets['token to watch']}"), "127.0.0.1")
        try:
            assert (await crowd.join(1, 0)).joined == 1
            look_everywhere(server, seen)
        finally:
            await crowd.close()


def look_everywhere(server: Server, seen: Seen) -> None:
    """What an administrator sees, while everything is in use."""
    described = server.request("GET", "/openapi.json")[1]
    for path, methods in described["paths"].items():
        if "get" in methods and "content-key" not in path:
            concrete = path.replace("{name}", "cam").replace("{stream}", "cam").replace("{id}", "none")
            fetch(server, seen, "GET", concrete, server.token)
    for name in ("cam", "camera", "far"):
        fetch(server, seen, "GET", f"/api/v1/streams/{name}", server.token)
    for pid in processes(server.pid):
        for name in ("cmdline", "environ", "comm"):
            seen.texts[f"/proc/{pid}/{name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
        for task in Path(f"/proc/{pid}/task").iterdir():
            seen.texts[f"thread {task.name}"] = (task / "comm").read_bytes()


def processes(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes(int(child))
    return found


async def test_no_secret_is_seen_again(server: Server, decider: Decider) -> None:
    seen = Seen()
    identity = await open_identity(load(server.config_path))
    try:
        await prepare(identity, seen)
    finally:
        await identity.close()
    seen.secrets |= {
        "publish key": PUBLISH_KEY,
        "wrong publish key": WRONG_KEY,
        "passphrase": PASSPHRASE,
        "wrong passphrase": WRONG_PASSPHRASE,
        "camera's password": CAMERA_PASSWORD,
        "camera's query": CAMERA_QUERY,
        "far passphrase": FAR_PASSPHRASE,
        "far publish key": FAR_KEY,
        "webhook's password": HOOK_PASSWORD,
        "webhook's secret": SECRET,
        "guest's token": GUEST,
        "outside token": decider.token("crew"),
        "user's password": USER_PASSWORD,
        "misspelt key": MISSPELT,
        "stream key": STREAM_KEY,
        "relay's passphrase": RELAY_PASSPHRASE,
        "relay's stream id": RELAY_QUERY,
        "our secret at the provider": CLIENT_SECRET,
        "directory's password": BIND_PASSWORD,
        "application's secret": PLATFORM_SECRET,
        "wrong password": WRONG_PASSWORD,
        "administrator's token": server.token,
    }
    # That the key counts is known within a second.
    await asyncio.to_thread(
        wait_until,
        lambda: fetch(server, seen, "GET", "/whep/cam", seen.secrets["API key"]) == 204,
        PATIENCE_S,
        "the API key to count",
    )
    await provoke(server, seen)
    assert decider.asked
    assert {200, 401, 403, 404} <= set(seen.statuses)
    # What is wrong with a file is said, without the values of what looks like a secret.
    before = server.config_path.read_text()
    server.configure(before[before.index("[auth]") :] + f'publsh_key = "{MISSPELT}"\n')
    await asyncio.to_thread(
        wait_until, lambda: "configuration refused" in server.output, PATIENCE_S, "the file to be refused"
    )
    await asyncio.to_thread(
        wait_until,
        lambda: all(server.stream(name)["ingest"]["reason"] for name in ("camera", "far")),
        PATIENCE_S,
        "the cameras to be missed",
    )
    assert '"level": "debug"' in server.output
    seen.texts["the log"] = server.output.encode()
    for path in (server.folder / "state").rglob("*"):
        if path.is_file() and path.name != "master.key":
            seen.texts[f"state/{path.name}"] = path.read_bytes()
    assert any(name.startswith("state/streamer.db") for name in seen.texts)
    assert b"refused." in b"".join(text for name, text in seen.texts.items() if name.startswith("state/"))
    assert seen.leaks() == []


async def test_a_database_that_cannot_be_had_keeps_its_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://streamer:{DATABASE_PASSWORD}@127.0.0.1:1/streamer"
    config = parse({"state": {"dir": tmp_path}, "database": {"url": url}})
    with caplog.at_level("DEBUG"), pytest.raises(DatabaseError) as refusal:
        await open_identity(config)
    shown = "".join(traceback.format_exception(refusal.value))
    assert DATABASE_PASSWORD not in shown + caplog.text + repr(config)
