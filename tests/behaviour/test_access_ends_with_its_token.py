"""A token opens what it says and no more, and what it opened ends with it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typer.testing import CliRunner

from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from ops.cli import app as cli
from tests.behaviour.streams import KEY, stream_id
from transport.srt import ConnectError, SrtOptions, SrtTarget, connect

SMALL = Programme(size="160x90", bitrate_kbps=200)
STREAMS = f'[streams.cam]\npublish_key = "{KEY}"\n[streams.keyless]\n'
PATIENCE_S = 20.0
#: Long enough for the command to end and a viewer to join on a machine that has much to do.
SHORT_S = 8.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(STREAMS) as server:
        yield server


def streamer(server: Server, *arguments: str) -> str:
    """What the command prints, beside the running server."""
    command = [*arguments, "--config", str(server.config_path)]
    # In a thread: whoever asks may be on an event loop.
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(CliRunner().invoke, cli, command).result()
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def token(server: Server, action: str, stream: str, lifetime: str, *more: str) -> str:
    return streamer(server, "token", "--action", action, "--stream", stream, "--for", lifetime, *more)


def end_of(presented: str) -> float:
    """When a token ends, seconds since 1970, as it says itself."""
    body = presented.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"])


def status(server: Server, path: str, presented: str, method: str = "GET") -> tuple[int, str]:
    """The answer to somebody with a token: its status, and what it calls the error."""
    headers = {"Authorization": f"Bearer {presented}", "Content-Type": "application/sdp"}
    body = b"v=0" if method == "POST" else None
    request = urllib.request.Request(server.url + path, headers=headers, method=method, data=body)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, str(json.load(error)["error"])


def wait_open(server: Server, presented: str) -> None:
    """Wait until the server has seen what a command changed."""
    wait_until(lambda: status(server, "/whep/cam", presented)[0] == 204, PATIENCE_S, "the change to count")


def ended_with(server: Server, reason: str) -> bool:
    return any(f"viewer left: {reason}" in line for line in server.output.splitlines())


def reject_code(server: Server, stream: str) -> int | None:
    target = SrtTarget("caller", "127.0.0.1", server.srt_port, stream, options=SrtOptions())
    with pytest.raises(ConnectError) as caught:
        connect(target)
    return caught.value.reject_code


async def test_a_viewer_leaves_with_its_token(server: Server) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(), SMALL):
        server.wait_live("cam")
        presented = token(server, "watch", "cam", f"{SHORT_S:g}s")
        expires_at = end_of(presented)
        crowd = Crowd(Whep(f"{server.url}/whep/cam?token={presented}"), "127.0.0.1")
        try:
            outcome = await crowd.join(1, 0)
            assert outcome.joined == 1, outcome.failed
            assert len(server.viewers()) == 1
            seen = time.time()
            while server.viewers():
                seen = time.time()
                await asyncio.sleep(0.1)
                assert seen < expires_at + PATIENCE_S, "the viewer stays for ever"
            assert seen > expires_at - 1.5, "it went before its time"
            assert ended_with(server, "its time is over")
            assert status(server, "/whep/cam", presented) == (401, "token_expired")
            assert presented not in server.output
        finally:
            await crowd.close()


async def test_a_viewer_leaves_with_the_grant_that_its_token_rests_on(server: Server) -> None:
    streamer(server, "user", "add", "anna")
    grant = streamer(server, "grant", "add", "anna", "viewer", "--stream", "cam")
    server.wait_free("cam")
    with ffmpeg_srt(server.srt_port, stream_id(), SMALL):
        server.wait_live("cam")
        presented = token(server, "watch", "cam", "1h", "--as", "anna")
        await asyncio.to_thread(wait_open, server, presented)
        crowd = Crowd(Whep(f"{server.url}/whep/cam?token={presented}"), "127.0.0.1")
        try:
            outcome = await crowd.join(1, 0)
            assert outcome.joined == 1, outcome.failed
            assert len(server.viewers()) == 1
            streamer(server, "grant", "remove", grant)
            wait_until(lambda: not server.viewers(), PATIENCE_S, "the viewer to be gone")
            assert ended_with(server, "the grant has ended")
            assert status(server, "/whep/cam", presented) == (403, "forbidden")
        finally:
            await crowd.close()


def test_a_publisher_leaves_with_its_token(server: Server) -> None:
    presented = token(server, "publish", "keyless", f"{SHORT_S:g}s")
    expires_at = end_of(presented)
    with ffmpeg_srt(server.srt_port, stream_id("keyless", presented), SMALL):
        server.wait_live("keyless")
        seen = time.time()
        while server.stream("keyless")["publisher"] is not None:
            seen = time.time()
            time.sleep(0.1)
            assert seen < expires_at + PATIENCE_S, "the publisher stays for ever"
        assert seen > expires_at - 1.5, "it went before its time"
        assert server.stream("keyless")["ingest"]["reason"] == "its time is over"
    assert reject_code(server, stream_id("keyless", presented)) == 1401


def test_what_does_not_count_opens_nothing(server: Server) -> None:
    watch, publish = token(server, "watch", "cam", "1h"), token(server, "publish", "cam", "1h")
    changed = watch[:-4] + ("aaaa" if not watch.endswith("aaaa") else "bbbb")
    for wrong in (changed, "wrong"):
        assert status(server, "/whep/cam", wrong) == (401, "token_invalid")
        assert status(server, "/api/v1/streams", wrong) == (401, "token_invalid")
        assert reject_code(server, stream_id("cam", wrong)) == 1401
    assert status(server, "/whep/cam", publish) == (403, "forbidden")
    assert status(server, "/whep/keyless", watch) == (403, "forbidden")
    assert status(server, "/api/v1/streams", watch) == (403, "forbidden")
    assert reject_code(server, stream_id("cam", watch)) == 1403
    assert reject_code(server, stream_id("keyless", publish)) == 1403


def test_an_administrators_token_opens_the_api(server: Server) -> None:
    presented = streamer(server, "token", "--action", "admin", "--for", "1h")
    assert status(server, "/api/v1/streams", presented)[0] == 200
    assert status(server, "/api/v1/viewers/none", presented, "DELETE") == (404, "no_such_viewer")


def test_refusals_and_tokens_are_in_the_audit_log(server: Server) -> None:
    streamer(server, "token", "--action", "watch", "--stream", "cam", "--for", "1h")
    assert status(server, "/whep/cam", "wrong")[0] == 401

    def kinds() -> set[str]:
        lines = streamer(server, "audit", "export").splitlines()
        return {json.loads(line)["what"] for line in lines}

    wait_until(lambda: kinds() >= {"token.issue", "refused.watch"}, PATIENCE_S, "the audit log")
    assert streamer(server, "audit", "verify").startswith("whole: ")


def test_a_changed_configuration_is_in_the_audit_log(server: Server) -> None:
    secret = "another-key-of-the-encoder"
    server.configure(f'[streams.cam]\npublish_key = "{secret}"\n[streams.keyless]\n[streams.more]\n')

    def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = server.request("GET", "/api/v1/audit?what=configuration")[1]["entries"]
        return found

    try:
        wait_until(lambda: bool(entries()), PATIENCE_S, "the audit log")
        (entry,) = entries()
        assert entry["details"] == {"changed": ["streams.cam.publish_key", "streams.more"]}
        assert entry["who_name"] == "this machine"
    finally:
        server.configure(STREAMS)


def test_a_new_master_key_leaves_everything_in_force(server: Server) -> None:
    before = token(server, "watch", "cam", "1h")
    old = (server.folder / "state" / "master.key").read_text()
    streamer(server, "keys", "rotate")
    assert (server.folder / "state" / "master.key").read_text() != old
    after = token(server, "watch", "cam", "1h")
    for presented in (before, after):
        wait_open(server, presented)
    assert status(server, "/whep/cam", "wrong")[0] == 401
    streamer(server, "user", "add", "berta")
    assert "cannot be read" not in server.output
    assert streamer(server, "audit", "verify").startswith("whole: ")
