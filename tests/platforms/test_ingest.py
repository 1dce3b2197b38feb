"""The sink with ffmpeg and with connections that misbehave: whom it takes, what it counts, what it keeps."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from ops.sandbox.app import Sandbox
from ops.sandbox.parties import Certificate, Platform
from ops.sandbox.reception import StreamKey
from tests.fakes.wait import until
from tests.platforms.encoder import encoder, until_active
from tests.rigs.sandbox import sandbox as started
from tests.transport.rtmp.test_session import RANDOM
from transport.rtmp.address import parse_rtmp_url
from transport.rtmp.session import ClientSession, State
from transport.rtmp.wire import MessageType


async def pushed(url: str) -> str:
    """What ffmpeg says when it was sent away."""
    async with encoder(url) as process:
        _, said = await process.communicate()
    assert process.returncode not in {0, None}
    return said.decode()


async def probed(path: str) -> dict[str, int]:
    """How many pictures and how much sound a file decodes to."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=codec_name,nb_read_frames"),
        *("-of", "json", path),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    streams = json.loads(out)["streams"]
    return {stream["codec_name"]: int(stream["nb_read_frames"]) for stream in streams}


async def post(sandbox: Sandbox, http: aiohttp.ClientSession, path: str, **order: object) -> None:
    async with http.post(f"{sandbox.addresses.http}/control{path}", json=order) as answer:
        assert answer.status < 300, await answer.text()


async def test_who_is_sent_away(sandbox: Sandbox) -> None:
    keys, rtmp = sandbox.world.keys, sandbox.addresses.rtmp
    assert "not known" in await pushed(f"{rtmp}/live2/aaaa-bbbb")
    secret = keys.add(Platform.FACEBOOK, "rtmp", "FB-1-0-x", secure_only=True)
    assert "RTMPS only" in await pushed(f"{rtmp}/rtmp/FB-1-0-x")
    assert secret.reception.refused == 1
    keys.add(Platform.FACEBOOK, "rtmp", "FB-2-0-x", lambda: "this live video has ended")
    assert "has ended" in await pushed(f"{rtmp}/rtmp/FB-2-0-x")


async def test_a_cut_a_return_and_files_that_decode(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with started(record=tmp_path / "kept") as sandbox:
        url = f"{sandbox.addresses.rtmp}/live/cam?token=1"
        async with encoder(url) as process:
            key = await found(sandbox, "live", "cam")
            await until_active(key.reception, process)
            await until(lambda: key.reception.video.frames >= 20 and key.reception.rates()[2] > 0)
            await post(sandbox, http, "/ingest/cut", key="cam")
            await process.communicate()
        await until(lambda: not key.reception.connected)
        assert not key.reception.said_goodbye
        first = key.reception.video.frames
        async with encoder(url) as process:
            await until_active(key.reception, process)
            # An encoder that comes back before its old connection is seen to be dead takes over.
            async with encoder(url) as second:
                await until(lambda: key.reception.connections == 3)
                await until_active(key.reception, second)
                await process.communicate()
                assert key.reception.connected
        await until(lambda: not key.reception.connected)
        assert key.reception.said_goodbye
        kept = key.reception.recordings
        assert len(kept) == 3
        assert not any("cam" in Path(path).name for path in kept)
        counts = await probed(kept[0])
        assert (counts["h264"], counts["aac"] > 0) == (first, True)
        assert (key.reception.video.back, key.reception.video.back_on_return) == (0, 2)


async def found(sandbox: Sandbox, app: str, name: str) -> StreamKey:
    await until(lambda: any((key.app, key.name) == (app, name) for key in sandbox.world.keys))
    key = sandbox.world.keys.find(app, name)
    assert key is not None
    return key


async def test_a_sink_that_is_silent_or_not_there(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    host, port = sandbox.addresses.rtmp.removeprefix("rtmp://").split(":")

    async def greeted(seconds: float) -> bool:
        """Whether the sink answers a handshake."""
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"\x03" + bytes(1536))
            async with asyncio.timeout(seconds):
                return bool(await reader.readexactly(1537))
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return False
        finally:
            writer.close()

    assert await greeted(20)
    await post(sandbox, http, "/ingest/deaf", seconds=3600)
    assert not await greeted(0.3)
    await post(sandbox, http, "/ingest/deaf", seconds=0)
    assert await greeted(20)
    await post(sandbox, http, "/ingest/refuse", seconds=3600)
    assert not await greeted(20)
    await post(sandbox, http, "/ingest/refuse", seconds=0)
    assert await greeted(20)


async def test_what_is_no_picture_is_not_counted_as_one(sandbox: Sandbox) -> None:
    client = ClientSession(parse_rtmp_url(f"{sandbox.addresses.rtmp}/live", "hdr"), RANDOM, time.monotonic())
    host, port = sandbox.addresses.rtmp.removeprefix("rtmp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        while client.state is not State.LIVE:
            writer.write(client.take_output())
            client.receive(await reader.read(1 << 16), time.monotonic())
        # As ffmpeg begins with H.265: a configuration, what colours it has, a picture, the end.
        for body in (b"\x90hvc1cfg", b"\xd4hvc1\x02\x00\x09colorInfo", b"\x93hvc1picture", b"\x92hvc1"):
            for piece in client.media(MessageType.VIDEO, 0, body):
                writer.write(piece)
        for piece in client.media(MessageType.AUDIO, 0, b"\xaf\x01sound"):
            writer.write(piece)
        key = await found(sandbox, "live", "hdr")
        await until(lambda: key.reception.audio.frames > 0)
        assert key.reception.video.frames == 1
    finally:
        writer.close()


async def test_nonsense_ends_its_own_connection(sandbox: Sandbox) -> None:
    host, port = sandbox.addresses.rtmp.removeprefix("rtmp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n" * 200)
    assert await reader.read() == b""
    writer.close()
    await until(lambda: sandbox.sink.connections == 0)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Certificate.GOOD, ""),
        (Certificate.EXPIRED, "certificate has expired"),
        (Certificate.WRONG_HOST, "IP address mismatch"),
        (Certificate.UNKNOWN, "unable to get local issuer certificate"),
    ],
)
async def test_certificates(kind: Certificate, why: str) -> None:
    async with started(certificate=kind) as sandbox:
        host, port = sandbox.addresses.rtmps.removeprefix("rtmps://").split(":")
        context = ssl.create_default_context(cadata=sandbox.authority.pem.decode())
        if not why:
            _, writer = await asyncio.open_connection(host, int(port), ssl=context)
            writer.close()
            return
        with pytest.raises(ssl.SSLCertVerificationError, match=why):
            await asyncio.open_connection(host, int(port), ssl=context)
