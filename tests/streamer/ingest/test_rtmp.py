"""Publishing over RTMP with the relay's own client."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.access.rates import Rate, RateLimiter
from auth.permissions.actions import Action
from streamer.config import parse
from streamer.hub.registry import Registry
from streamer.hub.stream import Publisher, State
from streamer.ingest.rtmp import RtmpIngest, read_names
from tests.fakes.wait import until
from tests.rigs.doors import Doorkeeper
from tests.transport.media.sources import picture_units, sound_units, tone
from tests.transport.rtmp.ingest import Authority
from transport.errors import LinkError
from transport.media import AccessUnit, Codec
from transport.output import Push, PushOptions
from transport.push import push_to
from transport.rtmp.listener import RtmpListener
from transport.rtmp.server import Publishing

KEY, PASSPHRASE = "key-of-the-encoder", "correct horse battery"
STREAMS = {
    "cam": {"publish_key": KEY},
    "closed": {"publish_key": KEY, "passphrase": PASSPHRASE},
    "strict": {"publish_key": KEY, "passphrase": PASSPHRASE, "encryption": "aes-256"},
    "keyless": {},
    "pulled": {"source": "rtsp://192.0.2.1/"},
}


class Rig:
    def __init__(self, folder: Path, tls: ssl.SSLContext | None) -> None:
        self.doorkeeper = Doorkeeper(folder)
        self.registry = Registry()
        self.registry.apply(parse({"streams": STREAMS}).streams)
        self.ingest = RtmpIngest(self.registry, self.doorkeeper.guard.door)
        self.listener = RtmpListener(("127.0.0.1", 0), self.ingest.serve, tls)
        self.kept: list[AccessUnit] = []
        for stream in self.registry:
            stream.source.attach(self)
        self._pushes: list[Push] = []

    def write(self, unit: AccessUnit) -> None:
        self.kept.append(unit)

    async def push(self, key: str, *, app: str = "live", ca_file: str = "") -> Push:
        """Publish two seconds of picture and sound.

        Raises:
            LinkError: what the server says.
        """
        scheme, host = ("rtmps", "localhost") if ca_file else ("rtmp", "127.0.0.1")
        url = f"{scheme}://{host}:{self.listener.address[1]}/{app}"
        push = push_to(url, key, PushOptions(ca_file=ca_file))
        self._pushes.append(push)
        pictures = picture_units(Codec.H264, 50, options={"bf": "2"})
        sounds = sound_units(Codec.AAC, tone(2.0, 48_000), 48_000)
        push.announce((pictures[0].track, sounds[0].track))
        await push.connect()
        for unit in sorted((*pictures, *sounds), key=lambda unit: unit.dts_s):
            push.write(unit)
        return push

    async def close(self) -> None:
        await asyncio.to_thread(self.listener.close)
        for push in self._pushes:
            await push.close()
        await asyncio.to_thread(self.doorkeeper.close)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = await asyncio.to_thread(Rig, tmp_path, None)
    yield rig
    await rig.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secure(tmp_path: Path, authority: Authority) -> AsyncIterator[Rig]:
    rig = await asyncio.to_thread(Rig, tmp_path, authority.context("localhost"))
    yield rig
    await rig.close()


async def test_picture_and_sound_come(rig: Rig) -> None:
    await rig.push(f"cam?key={KEY}")
    await until(lambda: len(rig.kept) > 130)
    stream = rig.registry.find("cam")
    video, audio = stream.source.video, stream.source.audio
    assert video is not None
    assert audio is not None
    assert (video.codec, video.width, video.height, video.has_b_frames) == (Codec.H264, 320, 240, True)
    assert (audio.codec, audio.sample_rate, audio.channels) == (Codec.AAC, 48_000, 2)
    assert rig.kept[0].keyframe
    publisher = stream.publisher
    assert publisher is not None
    assert publisher.protocol == "rtmp"
    leg = publisher.encryption()
    assert leg is not None
    assert (leg.cipher, leg.key_state) == ("none", "unsecured")
    described = publisher.describe()["rtmp"]
    assert isinstance(described, dict)
    assert described["bytes"] > 1000
    assert described["encryption"] == "none"


async def test_the_program_has_the_name_that_it_calls_itself(rig: Rig) -> None:
    """OBS connects as Flash's encoder, as ours does, and has its own name in onMetaData."""
    await rig.push(f"cam?key={KEY}")
    await until(lambda: len(rig.kept) > 0)
    publisher = rig.registry.find("cam").publisher
    assert publisher is not None
    described = publisher.describe()["rtmp"]
    assert isinstance(described, dict)
    assert described["agent"] == "Streamer"


@pytest.mark.parametrize(
    ("app", "key", "expected"),
    [
        ("live", f"nowhere?key={KEY}", "no stream is called"),
        ("live", "cam", "key"),
        ("live", "cam?key=wrong", "key"),
        ("live", "keyless?key=anything", "key"),
        ("live", f"pulled?key={KEY}", "from its source"),
        ("live", f"closed?key={KEY}", "has a passphrase, so nothing comes in the clear; use rtmps"),
    ],
)
async def test_refused(rig: Rig, app: str, key: str, expected: str) -> None:
    with pytest.raises(LinkError, match=expected):
        await rig.push(key, app=app)
    assert rig.kept == []


@pytest.mark.parametrize(
    ("key", "busy", "expected"),
    [
        (f"nowhere?key={KEY}", False, "NetStream.Publish.Rejected no stream is called"),
        ("cam?key=wrong", False, "NetStream.Publish.Denied the publish key is wrong"),
        (f"cam?key={KEY}", False, "NetStream.Publish.BadName '…' is being published by 192.0.2.1:4000"),
        (f"cam?key={KEY}", True, "NetStream.Publish.Rejected too many"),
    ],
)
async def test_the_reason_has_a_code_that_obs_knows(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, key: str, busy: bool, expected: str
) -> None:
    """OBS logs the words of an error behind such a code; of another it logs "Unhandled" and the code."""
    rig.registry.find("cam").publish(Publisher("one", "srt", "192.0.2.1:4000"))
    if busy:
        knocks = RateLimiter(Rate(per_s=0.001, burst=1))
        knocks.check("127.0.0.1")
        monkeypatch.setattr(rig.ingest, "_knocks", knocks)
    with pytest.raises(LinkError) as refused:
        await rig.push(key)
    assert expected in str(refused.value)


async def test_who_gives_the_key_alone_is_told_the_form(rig: Rig) -> None:
    with pytest.raises(LinkError, match=r"; expected the stream key to be NAME\?key=PUBLISH-KEY"):
        await rig.push(KEY)


async def test_the_field_for_the_key_may_hold_just_the_key(rig: Rig) -> None:
    """As in OBS, whose settings have one field for the server and one for the key."""
    rig.registry.apply(parse({"streams": {"cam": {"publish_key": "a+b/c?d=="}}}).streams)
    for app in ("live/cam", "cam"):
        with pytest.raises(LinkError, match="key"):
            await rig.push("another", app=app)
        push = await rig.push("a+b/c?d==", app=app)
        await until(lambda: rig.registry.find("cam").ready)
        await push.close()
        await until(lambda: rig.registry.find("cam").publisher is None)


async def test_why_an_encoder_with_the_key_was_refused_is_in_the_api(rig: Rig) -> None:
    with pytest.raises(LinkError):
        await rig.push(f"closed?key={KEY}")
    assert rig.registry.find("closed").ingest.reason.startswith(
        "refused 127.0.0.1: 'closed' has a passphrase"
    )
    with pytest.raises(LinkError):
        await rig.push("closed?key=wrong")  # a stranger writes nothing there
    assert "wrong" not in rig.registry.find("closed").ingest.reason


async def test_a_key_is_not_guessed_at_will(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.ingest, "_knocks", RateLimiter(Rate(per_s=0.001, burst=1)))
    with pytest.raises(LinkError, match="key"):
        await rig.push("cam?key=wrong")
    with pytest.raises(LinkError, match="too many"):
        await rig.push(f"cam?key={KEY}")


async def test_a_token_for_one_use_is_not_used_up_by_a_refusal(secure: Rig, authority: Authority) -> None:
    token = secure.doorkeeper.token(Action.PUBLISH, "closed", once=True)
    with pytest.raises(LinkError, match="rtmps"):
        await secure.push(f"closed?token={token}")
    await secure.push(f"closed?token={token}", ca_file=str(authority.file))
    await until(lambda: secure.registry.find("closed").ready)


async def test_rtmps_without_a_certificate_is_in_the_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(LinkError):
        await push_to(f"rtmps://localhost:{rig.listener.address[1]}/live", "cam").connect()
    await until(lambda: "this server has no certificate" in caplog.text)


async def test_who_does_not_take_the_certificate_is_in_the_log(
    secure: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    def call() -> None:
        with socket.create_connection(secure.listener.address) as plain, pytest.raises(ssl.SSLError):
            # One that says why it leaves, which asyncio's does not.
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")

    with caplog.at_level(logging.WARNING):
        await asyncio.to_thread(call)
    await until(lambda: "it does not take this server's certificate: unknown ca" in caplog.text)


async def test_a_token_publishes_what_it_is_for(rig: Rig) -> None:
    token = rig.doorkeeper.token(Action.PUBLISH, "cam")
    await rig.push(f"cam?token={token}")
    await until(lambda: rig.registry.find("cam").ready)
    with pytest.raises(LinkError):
        await rig.push(f"closed?token={token}")


async def test_rtmps_may_have_a_passphrase_and_a_floor(secure: Rig, authority: Authority) -> None:
    for name in ("closed", "strict"):
        await secure.push(f"{name}?key={KEY}", ca_file=str(authority.file))
        await until(lambda name=name: secure.registry.find(name).ready)
        publisher = secure.registry.find(name).publisher
        assert publisher is not None
        leg = publisher.encryption()
        assert leg is not None
        assert (leg.cipher, leg.key_state) == ("AES-256", "secured")


async def test_who_comes_second_is_refused(rig: Rig) -> None:
    publication = rig.registry.find("cam").publish(Publisher("one", "srt", "192.0.2.1:4000"))
    with pytest.raises(LinkError, match=r"is being published by 192\.0\.2\.1:4000"):
        await rig.push(f"cam?key={KEY}")
    publication.close("it left")
    await rig.push(f"cam?key={KEY}")


async def test_who_comes_second_keeps_his_token_for_one_use(rig: Rig) -> None:
    publication = rig.registry.find("cam").publish(Publisher("one", "srt", "192.0.2.1:4000"))
    token = rig.doorkeeper.token(Action.PUBLISH, "cam", once=True)
    with pytest.raises(LinkError, match="is being published by"):
        await rig.push(f"cam?token={token}")
    publication.close("it left")
    await rig.push(f"cam?token={token}")
    await until(lambda: rig.registry.find("cam").ready)


async def test_who_fell_silent_gives_way(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.push(f"cam?key={KEY}")
    stream = rig.registry.find("cam")
    await until(lambda: stream.ready)
    first = stream.publisher
    monkeypatch.setattr("streamer.ingest.rtmp.SILENT_S", 0.0)
    await rig.push(f"cam?key={KEY}")
    await until(lambda: stream.publisher is not None and stream.publisher is not first)


async def test_the_end_is_told(rig: Rig) -> None:
    push = await rig.push(f"cam?key={KEY}")
    stream = rig.registry.find("cam")
    await until(lambda: stream.ready)
    await push.close()
    await until(lambda: stream.state is State.AWAY)
    assert stream.ingest.reason == "the publisher left"


async def test_it_can_be_ended_from_outside(rig: Rig) -> None:
    push = await rig.push(f"cam?key={KEY}")
    stream = rig.registry.find("cam")
    await until(lambda: stream.publisher is not None)
    publisher = stream.publisher
    assert publisher is not None
    publisher.stop()
    await until(lambda: stream.state is State.AWAY)
    assert (await push.ended()).reason == "ended"


@pytest.mark.parametrize(
    ("app", "key", "name", "secret"),
    [
        ("live", "cam?key=k", "cam", "k"),
        ("live", "cam", "cam", ""),
        ("live/cam", "?key=k", "cam", "k"),
        ("live/cam?key=k", "", "cam", "k"),
        ("live?key=k", "cam", "cam", "k"),
        ("", "cam?token=a.b.c", "cam", "a.b.c"),
        ("live", "studio/cam?user=x&pass=k", "cam", "k"),
        ("live", "cam?key=a%2Bb%20c", "cam", "a+b c"),
        ("live", "cam?key=a+b/c==", "cam", "a+b/c=="),
        ("live/cam?key=a+b", "c/d==", "cam", "a+b/c/d=="),  # ffmpeg, GStreamer
        ("live/cam?key=k", "d?e", "cam", "k/d?e"),
        ("", "", "", ""),
    ],
)
def test_names_are_found_wherever_encoders_put_them(app: str, key: str, name: str, secret: str) -> None:
    assert read_names(Publishing(app, key))[0] == (name, secret)


def test_a_key_alone_is_the_last_thing_that_is_thought_of() -> None:
    assert read_names(Publishing("live/cam", "k/k")) == [("k", ""), ("cam", "k/k")]
    assert read_names(Publishing("live", "cam?key=k")) == [("cam", "k")]


async def test_a_key_may_have_what_base64_has(rig: Rig) -> None:
    rig.registry.apply(parse({"streams": {"cam": {"publish_key": "a+b/c/d+e=="}}}).streams)
    for app, key in (
        ("live", "cam?key=a+b/c/d+e=="),
        ("live/cam?key=a+b/c", "d+e=="),
        ("cam?key=a+b", "c/d+e=="),
    ):
        push = await rig.push(key, app=app)
        await until(lambda: rig.registry.find("cam").ready)
        await push.close()
        await until(lambda: rig.registry.find("cam").publisher is None)
