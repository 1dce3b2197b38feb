from __future__ import annotations

import contextlib
import gc
import io
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal

import av
import pytest

from tests.fakes.wait import wait_until
from tests.transport.media.sources import decoded_opus, decoded_pictures, psnr
from tests.transport.rtsp.camera import MOUNTS, Camera, camera
from transport.errors import LinkError, StateError
from transport.media.audio_transcode import OpusTranscoder
from transport.media.thumbnail import render_thumbnail
from transport.media.unit import AccessUnit, Codec
from transport.media.video_transcode import H264Transcoder
from transport.rtsp.endpoint import RtspOptions, RtspSource

QUICK = RtspOptions(connect_timeout_s=10, silence_timeout_s=10)


@pytest.fixture(scope="module")
def shared() -> Iterator[Camera]:
    with camera() as running:
        yield running


@contextlib.contextmanager
def opened(url: str, options: RtspOptions = QUICK) -> Iterator[RtspSource]:
    source = RtspSource(url, options)
    try:
        source.open()
        yield source
    finally:
        source.close()


def take(source: RtspSource, pictures: int) -> list[AccessUnit]:
    """Units until there are so many pictures."""
    units = []
    for unit in source.units():
        units.append(unit)
        pictures -= unit.track.is_video
        if pictures == 0:
            break
    return units


def reason_of(url: str, options: RtspOptions = QUICK) -> str:
    source = RtspSource(url, options)
    with pytest.raises(LinkError) as caught:
        source.open()
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(source)
    return caught.value.reason


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("path", "codec"), [("/h264", Codec.H264), ("/large", Codec.H264), ("/h265", Codec.H265)]
)
def test_a_camera_without_reordering(
    shared: Camera, path: str, codec: Codec, transport: Literal["tcp", "udp"]
) -> None:
    source = RtspSource(shared.url(path), replace(QUICK, transport=transport))
    try:
        (track,) = source.open()
        assert (track.codec, track.clock_rate) == (codec, 90_000)
        assert track.width in (320, 640)
        assert track.parameter_sets
        units = take(source, 40)
    finally:
        source.close()
    assert units[0].keyframe, "the first picture of the session is not lost"
    assert sum(unit.keyframe for unit in units) >= 2
    assert not units[-1].track.has_b_frames
    assert all(unit.dts == unit.pts for unit in units)
    assert {after.pts - before.pts for before, after in pairwise(units)} <= {3599, 3600, 3601}
    assert all(after.received_at >= before.received_at for before, after in pairwise(units))
    assert render_thumbnail(units[0]).startswith(b"\xff\xd8")
    if codec is Codec.H264:
        assert len(decoded_pictures(units)) == 40
    statistics = source.statistics()
    assert statistics.transport == transport
    assert statistics.bytes >= sum(len(unit.data) for unit in units) * 0.9
    assert statistics.packets >= 40
    assert statistics.malformed == 0
    assert source.warnings == ()


def test_a_camera_with_b_frames(shared: Camera) -> None:
    with opened(shared.url("/bframes")) as source:
        units = take(source, 30)
    assert any(after.pts < before.pts for before, after in pairwise(units))
    assert all(after.dts >= before.dts for before, after in pairwise(units))
    assert all(unit.dts <= unit.pts for unit in units)
    assert units[-1].track.has_b_frames
    assert len(decoded_pictures(units)) == 30


def test_a_camera_that_sends_jpegs(shared: Camera) -> None:
    with opened(shared.url("/mjpeg")) as source:
        units = take(source, 30)
        assert (source.statistics().malformed, source.warnings) == (0, ())
    assert {unit.track.codec for unit in units} == {Codec.MJPEG}
    assert (units[0].track.width, units[0].track.height) == (640, 360)
    assert all(unit.keyframe and unit.pts == unit.dts for unit in units)
    transcoder = H264Transcoder(units[0].track)
    shown = decoded_pictures([made for unit in units for made in transcoder.transcode(unit)])
    assert transcoder.errors == 0
    assert len(shown) == 30
    with av.open(io.BytesIO(units[-1].data), format="mjpeg") as container:
        sent = next(container.decode(video=0))
    assert psnr(shown[-1], sent) > 26


def test_jpegs_whose_size_rtp_cannot_tell_are_a_reason(shared: Camera) -> None:
    with opened(shared.url("/mjpeg_large")) as source:
        wait_until(lambda: bool(source.warnings), "the reason")
        assert "more than 2040 pixels" in source.warnings[0]


def test_parameter_sets_that_only_the_stream_carries(shared: Camera) -> None:
    with opened(shared.url("/inband")) as source:
        units = take(source, 30)
    keyframe = next(unit for unit in units if unit.keyframe)
    assert (keyframe.track.width, keyframe.track.height) == (320, 240)
    assert len(decoded_pictures(units[units.index(keyframe) :])) == len(units) - units.index(keyframe)


@pytest.mark.parametrize(
    ("path", "codec", "clock_rate"),
    [
        ("/aac", Codec.AAC, 44_100),
        ("/opus", Codec.OPUS, 48_000),
        ("/mp2", Codec.MP2, 90_000),
        ("/mp3", Codec.MP3, 90_000),
        ("/ac3", Codec.AC3, 48_000),
    ],
)
def test_a_camera_with_sound(shared: Camera, path: str, codec: Codec, clock_rate: int) -> None:
    source = RtspSource(shared.url(path), QUICK)
    try:
        tracks = source.open()
        # Which layer of MPEG audio it is, only the frames tell.
        assert {track.codec for track in tracks} == {Codec.H264, Codec.MP2 if codec is Codec.MP3 else codec}
        assert sorted(track.id for track in tracks) == [0, 1]
        units = take(source, 40)
    finally:
        source.close()
    sound = [unit for unit in units if not unit.track.is_video]
    track = sound[0].track
    assert (track.codec, track.clock_rate, track.channels) == (codec, clock_rate, 2)
    assert track.sample_rate == (44_100 if codec is Codec.AAC else 48_000)
    # They share a timeline: what comes together belongs together, unless the camera itself is late with one.
    together = [
        abs(one.pts_s - other.pts_s)
        for one, other in pairwise(units)
        if one.track.is_video is not other.track.is_video
    ]
    assert min(together) < 0.5
    transcoder = OpusTranscoder(track)
    _, heard = decoded_opus([packet for unit in sound for packet in transcoder.transcode(unit)])
    assert transcoder.errors == 0
    assert transcoder.jumps == 0
    assert abs(heard[24_000:43_200]).max() == pytest.approx(0.8, abs=0.1)  # the level of audiotestsrc


@pytest.mark.parametrize(
    ("path", "codec", "rate", "channels"),
    [
        ("/g711", Codec.PCMU, 8_000, 1),
        ("/alaw", Codec.PCMA, 8_000, 1),
        ("/l16", Codec.L16, 16_000, 2),
        ("/g722", Codec.G722, 16_000, 1),
        ("/g726", Codec.G726, 8_000, 1),
    ],
)
def test_a_camera_that_sends_samples(
    shared: Camera, path: str, codec: Codec, rate: int, channels: int
) -> None:
    with opened(shared.url(path)) as source:
        assert source.warnings == ()
        sound = [unit for unit in take(source, 80) if not unit.track.is_video]
    track = sound[0].track
    assert (track.codec, track.sample_rate, track.channels) == (codec, rate, channels)
    assert track.clock_rate == (8_000 if codec is Codec.G722 else rate)
    transcoder = OpusTranscoder(track)
    _, heard = decoded_opus([packet for unit in sound for packet in transcoder.transcode(unit)])
    assert (transcoder.errors, transcoder.jumps) == (0, 0)
    assert abs(heard[9_600:24_000]).max() == pytest.approx(0.8, abs=0.1)  # the level of audiotestsrc


def test_sound_that_cannot_be_carried_is_left_out_and_said(shared: Camera) -> None:
    with opened(shared.url("/speex")) as source:
        assert source.warnings == ("sound in speex is not supported",)
        assert all(unit.track.is_video for unit in take(source, 10))


def test_nothing_that_can_be_carried(shared: Camera) -> None:
    assert reason_of(shared.url("/speexalone")) == "unsupported"


def test_no_picture_is_cut_short_once_their_ends_are_foretold(shared: Camera) -> None:
    with opened(shared.url("/fast")) as source:
        units = take(source, 200)
        assert source.statistics().malformed == 0
    assert {after.pts - before.pts for before, after in pairwise(units)} == {900}
    assert len(decoded_pictures(units)) == 200


def test_wrong_path(shared: Camera) -> None:
    assert reason_of(shared.url("/nothing", "admin:secret")) == "not_found"


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_user_and_password(method: str) -> None:
    with camera({"/cam": MOUNTS["/h264"]}, auth=method, user="admin", password="se:cret/1") as guarded:
        with opened(guarded.url("/cam", "admin:se%3Acret%2F1")) as source:
            assert len(take(source, 3)) == 3
        assert reason_of(guarded.url("/cam", "admin:secret")) == "unauthorized"
        assert reason_of(guarded.url("/cam")) == "unauthorized"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    path = folder / "both.pem"
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out certificate.pem".split(),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    path.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return path


def test_encrypted_and_the_certificate_checked(certificate: Path) -> None:
    with camera({"/cam": MOUNTS["/h264"]}, certificate=str(certificate)) as encrypted:
        trusting = replace(QUICK, ca_file=str(certificate.with_name("certificate.pem")))
        with opened(encrypted.url("/cam"), trusting) as source:
            assert len(take(source, 3)) == 3
        with opened(encrypted.url("/cam"), replace(QUICK, verify=False)) as source:
            assert len(take(source, 3)) == 3
        assert reason_of(encrypted.url("/cam")) == "unreachable"


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert reason_of(f"rtsp://127.0.0.1:{unused.getsockname()[1]}/cam") == "refused"


def test_an_unknown_name() -> None:
    assert reason_of("rtsp://camera.invalid/cam") == "unreachable"
    with pytest.raises(LinkError, match=r"for the name camera\.invalid"):
        RtspSource("rtsp://admin:secret@camera.invalid/cam").open()


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_camera_that_accepts_and_says_nothing(mute: socket.socket) -> None:
    url = f"rtsp://user:secret@127.0.0.1:{mute.getsockname()[1]}/cam"
    assert reason_of(url, RtspOptions(connect_timeout_s=0.3)) == "timeout"


def test_something_else_than_a_camera() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/cam"
        assert reason_of(url, RtspOptions(connect_timeout_s=5)) in ("ended", "unsupported", "unreachable")
        thread.join()


def test_a_camera_that_dies() -> None:
    with camera({"/cam": MOUNTS["/h264"]}) as mortal, opened(mortal.url("/cam")) as source:
        take(source, 5)
        mortal.kill()
        with pytest.raises(LinkError) as caught:
            for _ in source.units():
                pass
        assert caught.value.reason == "ended"


def test_a_camera_that_falls_silent() -> None:
    quick = replace(QUICK, silence_timeout_s=0.5)
    with camera({"/cam": MOUNTS["/h264"]}) as mortal, opened(mortal.url("/cam"), quick) as source:
        take(source, 5)
        mortal.freeze()
        with pytest.raises(LinkError) as caught:
            for _ in source.units():
                pass
        assert caught.value.reason == "silent"


def test_a_camera_that_has_nothing_more_to_show() -> None:
    mounts = {"/cam": MOUNTS["/h264"].replace("is-live=1", "is-live=1 num-buffers=30")}
    with camera(mounts) as mortal, opened(mortal.url("/cam")) as source:
        units: list[AccessUnit] = []
        with pytest.raises(LinkError) as caught:
            units.extend(source.units())
        assert caught.value.reason == "ended"


def test_close_ends_a_waiting_open(mute: socket.socket) -> None:
    source = RtspSource(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/cam", RtspOptions(connect_timeout_s=60))
    reasons = []

    def wait() -> None:
        try:
            source.open()
        except LinkError as error:
            reasons.append(error.reason)

    thread = threading.Thread(target=wait)
    thread.start()
    connection, _ = mute.accept()
    with connection:
        source.close()
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert reasons == ["ended"]


def test_close_ends_units_and_the_session() -> None:
    with camera({"/cam": MOUNTS["/h264"]}) as watched:
        source = RtspSource(watched.url("/cam"), QUICK)
        source.open()
        seen = threading.Event()

        def read() -> None:
            for _ in source.units():
                seen.set()

        thread = threading.Thread(target=read)
        thread.start()
        assert seen.wait(10)
        source.close()
        thread.join(timeout=10)
        assert not thread.is_alive()
        watched.wait_for("gone")
        source.close()
        assert list(source.units()) == []


def test_a_reader_that_stops_holds_the_camera_back_and_nothing_grows(shared: Camera) -> None:
    with opened(shared.url("/fast")) as source:
        reader = source.units()
        next(reader)
        before = source.statistics().packets
        received = threading.Event()

        def full() -> None:
            last = -1
            while (now := source.statistics().packets) != last or now == before:
                last = now
                received.wait(0.2)

        full()
        assert source.statistics().packets < 128 * 20
        assert len(list(islice(reader, 150))) == 150


def test_order_of_calls(shared: Camera) -> None:
    source = RtspSource(shared.url("/h264"), QUICK)
    with pytest.raises(StateError):
        next(source.units())
    source.open()
    with pytest.raises(StateError):
        source.open()
    source.close()


def test_only_cameras_are_opened() -> None:
    for url in ("file:///etc/passwd", "http://user:secret@host/", "rtsp:///path", "rtsp://host:99999/"):
        with pytest.raises(LinkError) as caught:
            RtspSource(url)
        assert caught.value.reason == "unsupported"
        assert "secret" not in str(caught.value)


def test_libav_writes_nothing_to_the_terminal(shared: Camera, capfd: pytest.CaptureFixture[str]) -> None:
    with opened(shared.url("/aac")) as source:
        take(source, 10)
    reason_of(shared.url("/nothing"))
    gc.collect()
    assert capfd.readouterr() == ("", "")
