"""What is published to one machine is watched on every one, and is fetched once, while somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from loadtests.crowd.crowd import Whep
from loadtests.crowd.dtls import Identity
from loadtests.crowd.viewer import Viewer
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import ENCRYPTED, PASSPHRASE, stream_id
from tests.rigs.redis import redis_server

SMALL = Programme(size="160x90", bitrate_kbps=200, audio="opus")
PATIENCE_S, SECRET = 30.0, "of the machines"
STREAM = f'{ENCRYPTED}encryption = "aes-256"\n'


def machines(stack: ExitStack, folder: Path, secrets: tuple[str, ...]) -> list[Server]:
    """Running servers that share a Redis, but no database."""
    redis = stack.enter_context(redis_server(folder))
    servers = []
    for secret in secrets:
        server = Server("")
        cluster = f'[cluster]\nsecret = "{secret}"\nadvertise = "127.0.0.1:{server.srt_port}"\n'
        server.configure(f'[redis]\nurl = "{redis.url}"\n{cluster}{STREAM}')
        servers.append(stack.enter_context(server))
    return servers


def publishing(server: Server) -> Process:
    return ffmpeg_srt(server.srt_port, stream_id("cam"), SMALL, passphrase=PASSPHRASE)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def publisher_of(server: Server) -> Any:
    return server.stream("cam")["publisher"]


def is_edge(server: Server) -> bool:
    publisher = publisher_of(server)
    return publisher is not None and publisher["address"].startswith("machine ")


def is_published_to(server: Server) -> bool:
    publisher = publisher_of(server)
    return publisher is not None and not publisher["address"].startswith("machine ")


def is_offered(server: Server) -> bool:
    _, overview = server.request("GET", "/api/v1/live")
    return bool(overview["streams"][0]["live"])


def readers_of(server: Server) -> list[Any]:
    _, found = server.request("GET", "/api/v1/readers")
    return list(found["readers"])


class Audience:
    """Viewers of one machine, who decrypt and count."""

    def __init__(self, server: Server) -> None:
        self._whep = Whep(f"{server.url}/whep/cam")
        self._identity = Identity()
        self._viewers: list[Viewer] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.go()
        await self._whep.close()

    async def come(self) -> None:
        """One more, who sees something."""
        viewer = Viewer(self._identity, "127.0.0.1", checks=True)
        self._viewers.append(viewer)
        await self._whep.join(viewer, len(self._viewers))
        await self.all_see()

    async def all_see(self, more: int = 50) -> None:
        """Wait until so many more packets came to each."""
        wanted = [viewer.counts().received + more for viewer in self._viewers]

        def have_seen() -> bool:
            return all(
                viewer.counts().received >= enough
                for viewer, enough in zip(self._viewers, wanted, strict=True)
            )

        await asyncio.to_thread(wait_until, have_seen, PATIENCE_S, "media")

    async def go(self) -> None:
        """They leave."""
        for viewer in self._viewers:
            await self._whep.leave(viewer)
            viewer.close()
        self._viewers.clear()


async def test_what_is_published_to_one_is_watched_on_another(stack: ExitStack, tmp_path: Path) -> None:
    origin, edge = machines(stack, tmp_path, (SECRET, SECRET))
    async with Audience(edge) as audience:
        with publishing(origin):
            wait_until(lambda: is_offered(edge), PATIENCE_S, "the other machine to hear of it")
            assert publisher_of(edge) is None  # nobody wants it yet
            await audience.come()
            await audience.come()
            (reader,) = readers_of(origin)
            assert reader["user"].startswith("machine ")
            assert publisher_of(edge)["encryption"]["cipher"] == "AES-256"
        wait_until(lambda: not is_offered(edge), PATIENCE_S, "the end to be heard of")
        with publishing(origin):  # it comes back, and they are still there
            wait_until(lambda: is_edge(edge), PATIENCE_S, "it to be fetched again")
            await audience.all_see()
            await audience.go()
            wait_until(lambda: not readers_of(origin), PATIENCE_S, "what nobody watches to be let go")
            assert is_offered(edge)


async def test_an_encoder_that_moves_to_another_machine_is_followed(stack: ExitStack, tmp_path: Path) -> None:
    first, second = machines(stack, tmp_path, (SECRET, SECRET))
    async with Audience(first) as near, Audience(second) as far:
        with publishing(first):
            wait_until(lambda: is_offered(second), PATIENCE_S, "the other machine to hear of it")
            await near.come()
            await far.come()
            # It calls the other machine before the one it left has missed it.
            stack.enter_context(publishing(second))
            wait_until(lambda: is_published_to(second), PATIENCE_S, "the encoder to take its place")
            await far.all_see()
        wait_until(lambda: is_edge(first), PATIENCE_S, "the first to fetch it from the second")
        await near.all_see()
        await far.all_see()


async def test_a_machine_that_dies_takes_nothing_with_it(stack: ExitStack, tmp_path: Path) -> None:
    first, second = machines(stack, tmp_path, (SECRET, SECRET))
    async with Audience(second) as audience:
        with publishing(first):
            wait_until(lambda: is_offered(second), PATIENCE_S, "the other machine to hear of it")
            await audience.come()
            first.kill()
        stack.enter_context(publishing(second))
        wait_until(lambda: is_published_to(second), PATIENCE_S, "the encoder to be taken")
        await audience.all_see()


async def test_who_does_not_know_the_secret_is_given_nothing(stack: ExitStack, tmp_path: Path) -> None:
    origin, stranger = machines(stack, tmp_path, (SECRET, "another one than that"))
    async with Audience(stranger) as audience:
        with publishing(origin):
            wait_until(lambda: is_offered(stranger), PATIENCE_S, "the other machine to hear of it")
            with pytest.raises(ConnectionError, match="wrong passphrase"):
                await audience.come()
            assert readers_of(origin) == []
