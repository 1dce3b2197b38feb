from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import pytest
import uvloop

from tests.transport.media.sources import picture_units, sound_units, tone
from tests.transport.rtmp.ingest import Authority, Ingest
from transport.errors import LinkError, StateError
from transport.media import AccessUnit, Codec
from transport.output import PushOptions
from transport.push import push_to
from transport.rtmp.flv import parse_audio, parse_video
from transport.rtmp.wire import MessageType


@pytest.fixture
async def ingest() -> AsyncIterator[Ingest]:
    server = await Ingest().start()
    yield server
    await server.stop()


def merged(*rows: list[AccessUnit]) -> list[AccessUnit]:
    return sorted((unit for row in rows for unit in row), key=lambda unit: unit.dts_s)


def url(server: Ingest, scheme: str = "rtmp", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.port}/live"


async def test_picture_and_sound_arrive_and_decode(ingest: Ingest) -> None:
    pictures = picture_units(Codec.H264, 60, options={"bf": "2"})
    sounds = sound_units(Codec.AAC, tone(2.4, 48_000), 48_000)
    push = push_to(url(ingest), "the-key", PushOptions(start_ms=5000))
    push.announce((pictures[0].track, sounds[0].track))
    await push.connect()
    for unit in merged(pictures, sounds):
        push.write(unit)
    await push.close()
    await ingest.until(lambda: ingest.ends)

    assert ingest.ends == ["unpublished"]
    assert ingest.publications[0].key == "the-key"
    values = ingest.metadata[0].values
    assert (values["width"], values["height"], values["videocodecid"]) == (320.0, 240.0, 7.0)
    assert (values["audiocodecid"], values["audiosamplerate"], values["stereo"]) == (10.0, 48_000.0, True)
    first = next(tag for tag in ingest.tags if tag.kind is MessageType.VIDEO)
    assert first.timestamp == 5000
    assert parse_video(first.body).is_header
    assert parse_audio(next(t for t in ingest.tags if t.kind is MessageType.AUDIO).body).is_header
    with av.open(io.BytesIO(ingest.file())) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert len(shown) == 60
    assert shown == sorted(shown)
    assert shown[-1] - shown[0] == pytest.approx(59 / 25, abs=0.002)
    with av.open(io.BytesIO(ingest.file())) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard >= 1024 * (len(sounds) - 4)

    statistics = push.statistics()
    assert statistics.pictures_sent == 60
    assert statistics.keyframes_sent == 3
    assert statistics.pictures_dropped == statistics.sounds_dropped == 0
    assert statistics.position_ms > 5000 + 2300
    assert (await push.ended()).reason == "ended"


def test_the_servers_own_event_loop_does_the_same(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pictures = picture_units(Codec.H264, 30)

    async def run(scheme: str) -> None:
        server = await Ingest().start(authority.context("localhost") if scheme == "rtmps" else None)
        options = PushOptions(ca_file=str(authority.file))
        push = push_to(url(server, scheme, "localhost"), "key", options)
        await push.connect()
        for unit in pictures:
            push.write(unit)
        statistics = push.statistics()
        await push.close()
        await server.until(lambda: server.ends)
        assert server.ends == ["unpublished"]
        assert len(server.tags) == 31
        assert statistics.rtt_ms is not None
        assert statistics.unacknowledged_bytes is not None
        refused = push_to(url(server, scheme, "127.0.0.1"), "key", options)
        if scheme == "rtmps":
            with pytest.raises(LinkError, match="for another address") as caught:
                await refused.connect()
            assert caught.value.reason == "certificate"
        await server.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run("rtmp"))
        runner.run(run("rtmps"))


async def test_h265_goes_the_enhanced_way_where_it_is_allowed(ingest: Ingest) -> None:
    pictures = picture_units(Codec.H265, 30)
    plain = push_to(url(ingest), "key")
    assert not plain.accepts(pictures[0].track)
    push = push_to(url(ingest), "key", PushOptions(enhanced=True))
    assert push.accepts(pictures[0].track)
    await push.connect()
    for unit in pictures:
        push.write(unit)
    await push.close()
    await ingest.until(lambda: ingest.ends)
    tags = [parse_video(tag.body) for tag in ingest.tags]
    assert {tag.codec for tag in tags} == {"h265"}
    assert [tag.is_header for tag in tags[:2]] == [True, False]
    # libavformat of this age reads Enhanced RTMP from FLV.
    with av.open(io.BytesIO(ingest.file())) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
        assert sum(1 for _ in container.decode(video=0)) == 30


async def test_new_parameter_sets_are_told_again(ingest: Ingest) -> None:
    small = picture_units(Codec.H264, 25)
    large = picture_units(Codec.H264, 25, width=640, height=480, start_s=2.0)
    push = push_to(url(ingest), "key")
    await push.connect()
    for unit in small + large:
        push.write(unit)
    await push.close()
    await ingest.until(lambda: ingest.ends)
    headers = [n for n, tag in enumerate(ingest.tags) if parse_video(tag.body).is_header]
    assert headers == [0, 26]
    assert [each.values["width"] for each in ingest.metadata] == [320.0, 640.0]


async def test_tls_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    ca = str(authority.file)
    cases = [
        (authority.context("localhost", "127.0.0.1"), ca, None),
        (
            authority.context("localhost"),
            str(Authority(tmp_path, "another").file),
            "authority that is not trusted",
        ),
        (authority.context("localhost"), "", "authority that is not trusted"),
        (authority.context("elsewhere.example"), ca, "for another host"),
        (authority.context("localhost", days=-1), ca, "has expired"),
    ]
    for context, ca_file, what in cases:
        server = await Ingest().start(context)
        push = push_to(url(server, "rtmps", "localhost"), "key", PushOptions(ca_file=ca_file))
        if what is None:
            await push.connect()
            assert push.statistics().encryption.startswith("TLSv1.3, TLS_AES_")
            push.write(picture_units(Codec.H264, 1)[0])
            await server.until(lambda server=server: server.tags)
        else:
            with pytest.raises(LinkError, match=what) as caught:
                await push.connect()
            assert caught.value.reason == "certificate"
        await push.close()
        await server.stop()


async def test_files_without_certificates_and_servers_without_tls_are_named(
    ingest: Ingest, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name, what in (("missing.pem", "No such file"), ("empty.pem", "no certificate")):
        options = PushOptions(ca_file=str(tmp_path / name))
        with pytest.raises(LinkError, match=what) as caught:
            await push_to("rtmps://localhost/live", "key", options).connect()
        assert caught.value.reason == "certificate"
    with pytest.raises(LinkError) as caught:
        await push_to(url(ingest, "rtmps"), "key", PushOptions(connect_timeout_s=5)).connect()
    assert caught.value.reason in ("unsupported", "ended")


async def test_refusals_tell_why(ingest: Ingest) -> None:
    ingest.refuse_publication = ("key-1 is wrong", "NetStream.Publish.BadName")
    with pytest.raises(LinkError, match="… is wrong") as caught:
        await push_to(url(ingest), "key-1").connect()
    assert caught.value.reason == "occupied"
    ingest.refuse_connection = "NetConnection.Connect.InvalidApp"
    with pytest.raises(LinkError) as caught:
        await push_to(url(ingest), "key-1").connect()
    assert caught.value.reason == "not_found"


async def test_nobody_there_is_told_apart(ingest: Ingest) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(LinkError) as caught:
            await push_to(f"rtmp://127.0.0.1:{unused.getsockname()[1]}/live", "key").connect()
    assert caught.value.reason == "refused"
    with pytest.raises(LinkError) as caught:
        await push_to("rtmp://no-such-host.invalid/live", "key").connect()
    assert caught.value.reason == "unreachable"
    push = push_to(url(ingest), "key")
    await push.connect()
    with pytest.raises(StateError):
        await push.connect()
    await push.close()
    await push.close()


async def test_a_server_that_accepts_and_says_nothing_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    for scheme, options in (
        ("rtmp", PushOptions(connect_timeout_s=0.2)),
        ("rtmps", PushOptions(connect_timeout_s=0.2)),
    ):
        server = await Ingest().start(serve=silent)
        with pytest.raises(LinkError) as caught:
            await push_to(url(server, scheme), "key", options).connect()
        assert caught.value.reason == "timeout"
        await server.stop()


@pytest.mark.parametrize(
    ("scheme", "factory"), [("rtmp", asyncio.new_event_loop), ("rtmps", uvloop.new_event_loop)]
)
def test_a_server_that_stops_reading_blocks_nobody(
    scheme: str, factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)

    async def run() -> None:
        server = await Ingest().start(authority.context("localhost") if scheme == "rtmps" else None)
        await _stops_reading(server, url(server, scheme, "localhost"), str(authority.file))
        await server.stop()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


async def _stops_reading(ingest: Ingest, address: str, ca_file: str) -> None:
    options = PushOptions(max_queued_bytes=200_000, stall_timeout_s=0.6, ca_file=ca_file)
    push = push_to(address, "key", options)
    await push.connect()
    await ingest.until(lambda: ingest.publications)
    ingest.reads.clear()
    pictures = picture_units(Codec.H264, 50, width=640, height=480, options={"crf": "1"})
    longest = 0
    # Without a turn of the event loop: the kernel's buffers fill, then ours, then pictures are dropped.
    for _ in range(2000):
        for unit in pictures:
            push.write(unit)
        statistics = push.statistics()
        longest = max(longest, statistics.queued_bytes)
        if statistics.pictures_dropped:
            break
    assert push.statistics().pictures_dropped
    # TLS adds its own to what waits.
    assert longest <= 1.1 * (200_000 + max(len(unit.data) for unit in pictures))
    ended = asyncio.ensure_future(push.ended())
    async with asyncio.timeout(60):
        while not ended.done():
            for unit in pictures:
                push.write(unit)
            await asyncio.wait([ended], timeout=0.01)
    failure = ended.result()
    assert failure.reason == "timeout"
    assert "took nothing" in str(failure)
    push.write(pictures[0])
    await push.close()


async def test_on_a_slow_line_pictures_are_dropped_before_they_are_too_old(ingest: Ingest) -> None:
    push = push_to(url(ingest), "key", PushOptions(max_lag_s=1.0, stall_timeout_s=60.0))
    await push.connect()
    await ingest.until(lambda: ingest.publications)
    ingest.reads.clear()
    # All of it has room in the kernel's buffers or in ours.
    pictures = picture_units(Codec.H264, 30, width=640, height=480, options={"crf": "1", "g": "1"})

    async def until_written(is_dropped: bool) -> None:
        async with asyncio.timeout(30):
            while True:
                before = push.statistics().pictures_dropped
                push.write(pictures[0])
                if (push.statistics().pictures_dropped > before) == is_dropped:
                    return
                await asyncio.sleep(0.05)

    for unit in pictures:
        push.write(unit)
    assert push.statistics().pictures_dropped == 0
    await until_written(is_dropped=True)
    assert push.statistics().queued_bytes < PushOptions().max_queued_bytes / 2
    assert push.statistics().lag_s > 1.0
    assert push.statistics().unacknowledged_bytes
    ingest.reads.set()
    await until_written(is_dropped=False)
    await push.close()


async def test_a_server_that_hangs_up_or_sends_away_ends_the_push(ingest: Ingest) -> None:
    push = push_to(url(ingest), "key")
    await push.connect()
    for _, writer in ingest.sessions:
        writer.transport.abort()
    async with asyncio.timeout(15):
        assert (await push.ended()).reason == "ended"
    push.write(picture_units(Codec.H264, 1)[0])

    push = push_to(url(ingest), "key")
    await push.connect()
    session, writer = ingest.sessions[-1]
    session.end("eight hours are over", "NetStream.Publish.Failed")
    writer.write(session.take_output())
    async with asyncio.timeout(15):
        failure = await push.ended()
    assert (failure.reason, "eight hours are over" in str(failure)) == ("refused", True)


async def test_statistics_know_the_network(ingest: Ingest) -> None:
    push = push_to(url(ingest), "key")
    assert push.statistics().peer == ""
    await push.connect()
    push.write(picture_units(Codec.H264, 1)[0])
    await ingest.until(lambda: ingest.tags)
    statistics = push.statistics()
    assert statistics.peer == f"127.0.0.1:{ingest.port}"
    assert statistics.rtt_ms is not None
    assert statistics.rtt_ms > 0
    assert statistics.unacknowledged_bytes is not None
    assert statistics.bytes_sent > 3072
    await push.close()
    assert "key" not in repr(push)
