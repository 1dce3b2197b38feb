"""What is published is in files afterwards, picture by picture, also when the server is killed meanwhile."""

from __future__ import annotations

import asyncio
import io
import itertools
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.async_api import Browser

from loadtests.rig.encoder import Programme, ffmpeg_srt, recorded_arguments
from loadtests.rig.process import Process
from loadtests.rig.server import Server
from tests.behaviour.streams import KEY, OPEN, PASSPHRASE, stream_id
from tests.fakes.wait import wait_until

_PLAY = """address => {
    window.video = document.createElement("video");
    video.muted = true;
    document.body.append(video);
    video.src = address;
    return video.play();
}"""
FPS, SECONDS = 30, 6
RECORDED = OPEN + "record = true\n"
#: A disk that is nearly full is another test's matter.
TABLE = "[recording]\nkeep_free_bytes = 0\n"


def publish(server: Server, programme: Programme) -> None:
    """All of a short programme, up to its end. One that is coded too slowly would be a clock that jumps."""
    address = f"srt://127.0.0.1:{server.srt_port}?mode=caller&transtype=live&latency=120000"
    sent = ["-t", str(SECONDS), "-srt_streamid", stream_id(), "-f", "mpegts", "-muxdelay", "0", address]
    with Process([*recorded_arguments(programme), *sent]) as encoder:
        assert encoder.wait(120) == 0, encoder.output
    server.wait_free("cam")
    wait_until(lambda: server.stream("cam")["recording"]["id"] is None, "the file to be complete")


def recordings(server: Server) -> list[Any]:
    """The oldest first."""
    return list(reversed(server.request("GET", "/api/v1/recordings?stream=cam")[1]["recordings"]))


def download(server: Server, id: str) -> bytes:
    headers = {"Authorization": f"Bearer {server.token}"}
    request = urllib.request.Request(f"{server.url}/api/v1/recordings/{id}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers.get_content_type() == "video/mp4"
        return bytes(answer.read())


def times(data: bytes, kind: str) -> list[float]:
    """When each decoded frame is shown, or heard."""
    with av.open(io.BytesIO(data), format="mp4") as container:
        (stream,) = (each for each in container.streams if each.type == kind)
        frames = [
            float(frame.pts * frame.time_base)
            for packet in container.demux(stream)
            for frame in packet.decode()
            if frame.pts is not None and frame.time_base is not None
        ]
    return frames


def assert_none_is_missing(seen: list[float]) -> None:
    """The pictures follow each other in time; what was sent last is shown before what it was sent after."""
    assert seen == sorted(seen)
    gaps = [later - earlier for earlier, later in itertools.pairwise(seen)][:-4]
    assert gaps == pytest.approx([1 / FPS] * len(gaps), abs=0.001)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(TABLE + RECORDED) as server:
        yield server


def test_two_publishers_are_in_two_files(server: Server) -> None:
    publish(server, Programme(size="320x180", video="h264-b", bitrate_kbps=500))
    publish(server, Programme(size="640x360", video="h265", audio="opus"))
    first, second = recordings(server)
    assert first["began_at"] + first["duration_s"] < second["began_at"]
    assert [(each["codec"], each["width"]) for each in first["tracks"]] == [("h264", 320), ("aac", 0)]
    assert [(each["codec"], each["width"]) for each in second["tracks"]] == [("h265", 640), ("opus", 0)]
    for recording in (first, second):
        data = download(server, recording["id"])
        assert (recording["complete"], recording["bytes"]) == (True, len(data))
        assert recording["duration_s"] == pytest.approx(SECONDS, abs=0.2)
        seen, heard = times(data, "video"), times(data, "audio")
        assert_none_is_missing(seen)
        # ffmpeg does not wait for its last packets to arrive, and ends it by the time of decoding.
        assert SECONDS * FPS - 4 <= len(seen) <= SECONDS * FPS + 2
        assert seen[0] < 0.3
        assert heard[0] == pytest.approx(seen[0], abs=0.3)
        assert heard[-1] == pytest.approx(seen[-1], abs=0.3)
    folder = server.folder / "state" / "recordings" / "cam"
    names = {f"{each['id'].partition('@')[2]}.mp4" for each in (first, second)}
    assert {path.name for path in folder.iterdir()} == names
    for each in (first, second):
        assert server.request("DELETE", f"/api/v1/recordings/{each['id']}")[0] == 204
    assert list(folder.iterdir()) == []


def test_what_mp4_does_not_carry_is_made_into_what_it_does(server: Server) -> None:
    publish(server, Programme(size="320x180", fps=25, video="mpeg2", audio="mp2"))
    found = recordings(server)
    assert [each["codec"] for each in found[-1]["tracks"]] == ["h264", "aac"]
    # What the rendition could not show at its start, or had not shown yet at its end, is little.
    assert sum(each["duration_s"] for each in found) > SECONDS / 2
    data = download(server, found[-1]["id"])
    assert times(data, "video")
    assert times(data, "audio")


def test_a_player_begins_in_what_is_being_written(server: Server) -> None:
    with ffmpeg_srt(server.srt_port, stream_id(), Programme(size="320x180", video="h264-b")):
        server.wait_live("cam")
        wait_until(lambda: server.stream("cam")["recording"]["bytes"] > 100_000, "some of it")
        state = server.stream("cam")["recording"]
        assert (state["problem"], state["skipped_units"]) == ("", 0)
        assert len(times(download(server, state["id"]), "video")) >= FPS - 3
        assert server.request("DELETE", f"/api/v1/recordings/{state['id']}")[0] == 409
        assert server.metric("streamer_recording_active", stream="cam") == 1
        assert server.metric("streamer_recording_bytes_total", stream="cam") > 0
    server.wait_free("cam")


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("more", ["", "record_encrypted = true\n"], ids=["clear", "sealed"])
async def test_a_browser_plays_one_and_finds_its_way_in_it(browser: Browser, more: str) -> None:
    with Server(TABLE + RECORDED + more) as server:
        await asyncio.to_thread(publish, server, Programme(size="320x180", video="h264-b"))
        (recording,) = recordings(server)
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{server.url}/healthz")
        address = f"/api/v1/recordings/{recording['id']}?token={server.token}"
        await page.evaluate(_PLAY, address)
        await page.wait_for_function("video.currentTime > 0.5")
        length, width = await page.evaluate("[video.duration, video.videoWidth]")
        assert (length, width) == (pytest.approx(recording["duration_s"], abs=0.2), 320)
        await page.evaluate("video.currentTime = 4")
        await page.wait_for_function("video.currentTime > 4.3 && !video.seeking")
        assert await page.evaluate("video.error") is None
        await page.context.close()


def test_what_is_encrypted_everywhere_is_so_on_disk_and_survives_another_master_key() -> None:
    sealed = RECORDED + f'encryption = "aes-256"\npassphrase = "{PASSPHRASE}"\n'
    with Server(TABLE + sealed) as server:
        programme = Programme(size="320x180", video="h264-b")
        with ffmpeg_srt(server.srt_port, stream_id(), programme, passphrase=PASSPHRASE):
            wait_until(lambda: server.stream("cam")["recording"]["bytes"] > 150_000, "some of it")
        server.wait_free("cam")
        wait_until(lambda: server.stream("cam")["recording"]["id"] is None, "the file to be complete")
        (recording,) = recordings(server)
        (path,) = (server.folder / "state" / "recordings" / "cam").iterdir()
        assert path.name.endswith(".mp4.sealed")
        assert not any(known in path.read_bytes() for known in (b"ftyp", b"moof", b"avc1", b"mdat"))
        data = download(server, recording["id"])
        assert len(times(data, "video")) == pytest.approx(recording["duration_s"] * FPS, abs=2)
        command = [sys.executable, "-m", "ops", "keys", "rotate", "--config", str(server.config_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        server.stop()
        server.start()
        assert download(server, recording["id"]) == data


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("recordings/cam/*.mp4"))


def test_a_server_that_is_killed_leaves_what_plays(tmp_path: Path) -> None:
    with Server(TABLE + RECORDED, itself=True) as server:
        folder = server.folder / "state"
        with ffmpeg_srt(server.srt_port, stream_id(), Programme(size="320x180", video="h264-b")):
            wait_until(lambda: files(folder) and files(folder)[0].stat().st_size > 300_000, "some of it")
            server.signal(signal.SIGKILL)
            server.wait(20)
        (path,) = files(folder)
        left = path.read_bytes()
        seen = times(left, "video")
        assert len(seen) >= FPS - 3
        assert_none_is_missing(seen)
        # The next one goes on beside it, and knows how long it is.
        server.start()
        (found,) = recordings(server)
        assert (found["complete"], found["bytes"]) == (True, len(left))
        # It may have been killed between writing a fragment, of a second, and saying how long the file is.
        assert len(seen) / FPS - 1.2 < found["duration_s"] < len(seen) / FPS + 0.1
        publish(server, Programme(size="320x180"))
        assert len(recordings(server)) == 2


def test_recording_begins_while_somebody_publishes_and_nobody_notices() -> None:
    with (
        Server(TABLE + OPEN) as server,
        ffmpeg_srt(server.srt_port, stream_id(), Programme(size="320x180")),
    ):
        server.wait_live("cam")
        publisher = server.stream("cam")["publisher"]["id"]
        assert server.stream("cam")["recording"] is None
        server.configure(TABLE + RECORDED)
        wait_until(lambda: (server.stream("cam")["recording"] or {}).get("id"), "it to be recorded")
        server.configure(TABLE + OPEN)
        wait_until(lambda: server.stream("cam")["recording"] is None, "that to end")
        assert server.stream("cam")["publisher"]["id"] == publisher
        wait_until(lambda: recordings(server)[0]["complete"], "the file to be complete")
        assert KEY not in server.output
