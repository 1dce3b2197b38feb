from __future__ import annotations

import base64
import itertools
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pylibsrtp
import pytest

from auth.access.rates import Rate, RateLimiter
from auth.permissions.actions import Action
from loadtests.rig.process import Process
from streamer.hub.stream import Publisher, State
from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig, paired_port
from tests.transport.rtmp.ingest import Authority
from tests.transport.rtsp.caller import RtspCaller
from tests.transport.rtsp.keys import KEY, management, mikey
from transport.media import AccessUnit, Codec
from transport.rtsp.udp import even_port

SDP = b"v=0\r\nm=audio 0 RTP/AVP 8\r\na=control:streamid=0\r\n"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000")


class Kept:
    def __init__(self, rig: Rig, name: str) -> None:
        self.units: list[AccessUnit] = []
        rig.registry.find(name).source.attach(self)

    def write(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def of(self, *, video: bool) -> list[AccessUnit]:
        return [unit for unit in self.units if unit.track.is_video is video]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def rig(tmp_path: Path, authority: Authority) -> Iterator[Rig]:
    rig = Rig(tmp_path, authority.context("localhost"), udp=True)
    yield rig
    rig.close()


def ffmpeg(url: str, *options: str, inputs: Sequence[str] = (*PICTURE, *SOUND), way: str = "tcp") -> Process:
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-g", "25", "-c:a", "aac")
    paced = [part for each in inputs for part in (("-re", each) if each == "-f" else (each,))]
    transport = ("-rtsp_transport", way) if way else ()
    return Process(
        ["ffmpeg", "-v", "error", "-nostdin", *paced, *coded, *options, "-f", "rtsp", *transport, url]
    )


def announced(rig: Rig, path: str, *, login: str = "", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
    said = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    caller = rig.call(tls)
    return caller.ask("ANNOUNCE", rig.url(path), SDP, Content_Type="application/sdp", **said)


def recording(rig: Rig, path: str = "open?key=key") -> RtspCaller:
    """Somebody who publishes G.711."""
    caller = rig.call()
    assert caller.ask("ANNOUNCE", rig.url(path), SDP, Content_Type="application/sdp")[0] == 200
    assert caller.ask("SETUP", rig.url(f"{path}/streamid=0"), Transport=TCP)[0] == 200
    assert caller.ask("RECORD", rig.url(path))[0] == 200
    return caller


def packet(number: int) -> bytes:
    head = b"\x80\x08" + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + b"ssrc"
    return b"$\0" + (172).to_bytes(2, "big") + head + bytes([number]) * 160


class TestEncoders:
    @pytest.mark.parametrize("way", ["tcp", "udp", ""])
    def test_ffmpeg_with_b_frames_and_aac(self, rig: Rig, way: str) -> None:
        kept = Kept(rig, "open")
        with ffmpeg(rig.url("open?key=key"), "-bf", "2", way=way):
            wait_until(lambda: len(kept.of(video=True)) > 60, "pictures")
            stream = rig.registry.find("open")
            publisher = stream.publisher
            assert publisher is not None
            video, audio = stream.source.video, stream.source.audio
            described = publisher.describe()["rtsp"]
        assert publisher.protocol == "rtsp"
        assert isinstance(described, dict)
        assert (described["transport"], described["lost"]) == (way or "udp", 0)
        assert described["agent"].startswith("Lavf")
        assert video is not None
        assert audio is not None
        assert (video.codec, video.width, video.height, video.has_b_frames) == (Codec.H264, 320, 240, True)
        assert (audio.codec, audio.sample_rate, audio.channels) == (Codec.AAC, 48_000, 1)
        pictures, sounds = kept.of(video=True), kept.of(video=False)
        assert pictures[0].keyframe
        shown = sorted(unit.pts for unit in pictures)[4:-4]
        assert {b - a for a, b in itertools.pairwise(shown)} <= {3599, 3600, 3601}
        assert all(a.dts <= b.dts for a, b in itertools.pairwise(pictures))
        heard = [unit.pts for unit in sounds][5:]
        assert {b - a for a, b in itertools.pairwise(heard)} <= set(range(1020, 1029))
        assert abs(pictures[-1].pts_s - sounds[-1].pts_s) < 0.5

    @pytest.mark.parametrize(
        ("options", "codec"),
        [
            (("-c:a", "libopus"), Codec.OPUS),
            (("-c:a", "mp2"), Codec.MP2),
            (("-c:a", "libmp3lame"), Codec.MP3),
            (("-c:a", "pcm_alaw", "-ar", "8000"), Codec.PCMA),
            (("-c:a", "pcm_s16be"), Codec.L16),
        ],
    )
    def test_other_sound(self, rig: Rig, options: tuple[str, ...], codec: Codec) -> None:
        kept = Kept(rig, "open")
        with ffmpeg(rig.url("open?key=key"), *options, inputs=SOUND):
            wait_until(lambda: len(kept.units) > 30, "sound")
        assert {unit.track.codec for unit in kept.units[1:]} == {codec}
        rate = 8000 if codec is Codec.PCMA else 48_000
        assert kept.units[-1].track.sample_rate == rate

    def test_ffmpeg_with_h265(self, rig: Rig) -> None:
        kept = Kept(rig, "open")
        coded = ("-c:v", "libx265", "-x265-params", "log-level=none:keyint=25")
        with ffmpeg(rig.url("open?key=key"), *coded, inputs=PICTURE):
            wait_until(lambda: len(kept.units) > 30, "pictures")
        assert kept.units[0].keyframe
        assert (kept.units[0].track.codec, kept.units[0].track.width) == (Codec.H265, 320)

    def test_a_password_does_as_well(self, rig: Rig) -> None:
        with ffmpeg(rig.url("private", login="encoder:key@")):
            wait_until(lambda: rig.registry.find("private").ready, "the stream")

    def test_what_has_a_passphrase_comes_over_tls(self, rig: Rig) -> None:
        with ffmpeg(rig.url("sealed?key=key", scheme="rtsps"), way=""):
            wait_until(lambda: rig.registry.find("sealed").ready, "the stream")
            publisher = rig.registry.find("sealed").publisher
            assert publisher is not None
            leg = publisher.encryption()
            assert leg is not None
            assert (leg.cipher, leg.key_state) == ("AES-256", "secured")

    def test_what_is_published_is_read(self, rig: Rig) -> None:
        with ffmpeg(rig.url("open?key=key"), "-bf", "2"):
            wait_until(lambda: rig.registry.find("open").ready, "the stream")
            command = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", rig.url("open")]
            done = subprocess.run(
                [*command, "-t", "2", "-f", "null", "-"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, done.stderr


class TestAdmission:
    @pytest.mark.parametrize(
        ("path", "login", "status", "words"),
        [
            ("nowhere?key=key", "", 404, "no stream is called"),
            ("open", "", 401, "key"),
            ("open?key=wrong", "", 401, "key"),
            ("open", "encoder:wrong", 401, "key"),
            ("gate?key=key", "", 403, "from its source"),
            ("sealed?key=key", "", 403, "has a passphrase, so nothing comes in the clear; use rtsps"),
            ("sealed", "", 403, "use rtsps"),
            ("sealed?key=wrong", "", 401, "key"),
        ],
    )
    def test_who_may_not(self, rig: Rig, path: str, login: str, status: int, words: str) -> None:
        answer = announced(rig, path, login=login)
        assert (answer[0], words in answer[1]) == (status, True), answer
        assert ("WWW-Authenticate" in answer[1]) is (status == 401)
        assert all(stream.publisher is None for stream in rig.registry)

    def test_why_an_encoder_with_the_key_was_refused_is_in_the_api(self, rig: Rig) -> None:
        announced(rig, "sealed?key=wrong")  # a stranger writes nothing there
        assert rig.registry.find("sealed").ingest.reason == ""
        announced(rig, "sealed?key=key")
        assert rig.registry.find("sealed").ingest.reason.startswith(
            "refused 127.0.0.1: 'sealed' has a passph"
        )

    def test_a_token_publishes_what_it_is_for(self, rig: Rig, authority: Authority) -> None:
        token = rig.doorkeeper.token(Action.PUBLISH, "sealed", once=True)
        assert announced(rig, f"sealed?token={token}")[0] == 403
        tls = ssl.create_default_context(cafile=str(authority.file))
        assert announced(rig, f"open?token={token}")[0] == 403
        # What was refused has not used it up.
        assert announced(rig, f"sealed?token={token}", tls=tls)[0] == 200
        assert announced(rig, f"sealed?token={token}", tls=tls)[0] == 401
        watching = rig.doorkeeper.token(Action.WATCH, "open")
        assert announced(rig, f"open?token={watching}")[0] == 403

    def test_a_key_is_not_guessed_at_will(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rig.ingest, "_knocks", RateLimiter(Rate(per_s=0.001, burst=1)))
        assert announced(rig, "open?key=wrong")[0] == 401
        status, text = announced(rig, "open?key=key")
        assert (status, "too many" in text) == (503, True)

    def test_who_comes_second_is_refused(self, rig: Rig) -> None:
        publication = rig.registry.find("open").publish(Publisher("one", "srt", "192.0.2.1:4000"))
        status, text = announced(rig, "open?key=key")
        assert (status, "is being published by 192.0.2.1:4000" in text) == (503, True)
        publication.close("it left")
        assert announced(rig, "open?key=key")[0] == 200

    def test_who_is_slower_is_refused(self, rig: Rig) -> None:
        caller = rig.call()
        assert caller.ask("ANNOUNCE", rig.url("open?key=key"), SDP, Content_Type="application/sdp")[0] == 200
        assert caller.ask("SETUP", rig.url("open/streamid=0"), Transport=TCP)[0] == 200
        recording(rig)
        assert caller.ask("RECORD", rig.url("open"))[0] == 503

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"v=0\r\n", 415),
            (b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n", 415),
            (b"v=0\r\nm=audio 0 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/48000\r\n", 415),
            (
                b"v=0\r\nm=audio 0 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/48000\r\na=fmtp:96 config=zz\r\n",
                415,
            ),
        ],
    )
    def test_what_cannot_be_carried_is_told(self, rig: Rig, body: bytes, status: int) -> None:
        answer = rig.call().ask("ANNOUNCE", rig.url("open?key=key"), body, Content_Type="application/sdp")
        assert answer[0] == status


class TestEncryptedPackets:
    """As MediaMTX forwards to rtsps://: SRTP inside TLS, whose key the description holds."""

    SECURED = SDP.replace(b"RTP/AVP", b"RTP/SAVP")

    def test_they_are_decrypted(self, rig: Rig, authority: Authority) -> None:
        kept = Kept(rig, "open")
        caller = rig.call(ssl.create_default_context(cafile=str(authority.file)))
        described = self.SECURED + f"a=key-mgmt:{management(mikey())}\r\n".encode()
        path = rig.url("open?key=key")
        assert caller.ask("ANNOUNCE", path, described, Content_Type="application/sdp")[0] == 200
        way = TCP.replace("AVP", "SAVP")
        assert caller.ask("SETUP", rig.url("open?key=key/streamid=0"), Transport=way)[0] == 200
        assert caller.ask("RECORD", path)[0] == 200
        session = pylibsrtp.Session(pylibsrtp.Policy(key=KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND))
        caller.sock.sendall(packet(1))  # whoever does not have the key
        for number in range(2, 5):
            protected = session.protect(packet(number)[4:])
            caller.sock.sendall(b"$\0" + len(protected).to_bytes(2, "big") + protected)
        wait_until(lambda: len(kept.units) == 3, "sound")
        assert [unit.data[:1] for unit in kept.units] == [b"\2", b"\3", b"\4"]
        publisher = rig.registry.find("open").publisher
        assert publisher is not None
        statistics = publisher.describe()["rtsp"]
        assert isinstance(statistics, dict)
        assert (statistics["packets"], statistics["malformed"]) == (3, 1)
        caller.sock.close()

    @pytest.mark.parametrize("key", [b"", b"a=key-mgmt:mikey AAAA\r\n", b"a=key-mgmt:sdes x\r\n"])
    def test_without_a_key_that_can_be_read_they_are_refused_in_words(self, rig: Rig, key: bytes) -> None:
        caller = rig.call()
        described = self.SECURED + key
        status, said = caller.ask(
            "ANNOUNCE", rig.url("open?key=key"), described, Content_Type="application/sdp"
        )
        assert status == 415
        assert "mikey" in said


class TestGoingOn:
    def test_what_comes_is_written_and_the_end_is_told(self, rig: Rig) -> None:
        kept = Kept(rig, "open")
        caller = recording(rig)
        for number in range(10):
            caller.sock.sendall(packet(number))
        wait_until(lambda: len(kept.units) == 10, "the sound")
        assert [unit.data[0] for unit in kept.units] == list(range(10))
        assert [unit.pts - kept.units[0].pts for unit in kept.units] == [160 * n for n in range(10)]
        assert caller.ask("TEARDOWN", rig.url("open"))[0] == 200
        stream = rig.registry.find("open")
        wait_until(lambda: stream.state is State.AWAY, "the end")
        assert stream.ingest.reason == "the publisher left"

    def test_nonsense_in_packets_hurts_nobody(self, rig: Rig) -> None:
        kept = Kept(rig, "open")
        caller = recording(rig)
        for garbage in (b"", b"\xff", b"\x80", bytes(1000), b"\x90\x08" + bytes(10)):
            for channel in (0, 1, 9):
                caller.sock.sendall(b"$" + bytes([channel]) + len(garbage).to_bytes(2, "big") + garbage)
        caller.sock.sendall(packet(1) + packet(2))
        wait_until(lambda: len(kept.units) == 2, "the sound")
        publisher = rig.registry.find("open").publisher
        assert publisher is not None
        described = publisher.describe()["rtsp"]
        assert isinstance(described, dict)
        assert described["malformed"] > 0

    def test_who_fell_silent_gives_way(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        recording(rig)
        first = rig.registry.find("open").publisher
        monkeypatch.setattr("streamer.ingest.rtsp.SILENT_S", 0.0)
        recording(rig)
        assert rig.registry.find("open").publisher is not first

    def test_who_sends_nothing_ends(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("streamer.ingest.rtsp._SILENCE_S", 0.1)
        recording(rig)
        stream = rig.registry.find("open")
        wait_until(lambda: stream.state is State.AWAY, "the end")
        assert stream.ingest.reason == "no media for 0.1 s"

    def test_it_can_be_ended_from_outside(self, rig: Rig) -> None:
        caller = recording(rig)
        publisher = rig.registry.find("open").publisher
        assert publisher is not None
        publisher.stop()
        assert caller.ends()
        wait_until(lambda: rig.registry.find("open").state is State.AWAY, "the end")

    def test_datagrams_of_strangers_are_left_out(self, rig: Rig) -> None:
        kept = Kept(rig, "open")
        port = paired_port()
        caller = rig.call()
        assert caller.ask("ANNOUNCE", rig.url("open?key=key"), SDP, Content_Type="application/sdp")[0] == 200
        way = f"RTP/AVP;unicast;client_port={port}-{port + 1};mode=record"
        assert caller.ask("SETUP", rig.url("open/streamid=0"), Transport=way)[0] == 200
        assert caller.ask("RECORD", rig.url("open"))[0] == 200
        here = ("127.0.0.1", even_port(rig.address[1]))
        with socket.socket(type=socket.SOCK_DGRAM) as stranger, socket.socket(type=socket.SOCK_DGRAM) as own:
            own.bind(("127.0.0.1", port))
            stranger.sendto(packet(7)[4:], here)
            own.sendto(packet(1)[4:], here)
            wait_until(lambda: kept.units, "the sound")
        assert [unit.data[0] for unit in kept.units] == [1]
