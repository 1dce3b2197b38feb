"""What is published over RTSP is read over RTSP and SRT; the API and the metrics show both."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_arguments
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server, free_ports
from tests.behaviour.streams import KEY, OPEN
from tests.transport.rtsp.caller import RtspCaller

(PORT,) = free_ports(1)
URI = f"rtsp://127.0.0.1:{PORT}/cam"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    encoder = [*ffmpeg_arguments(Programme(video="h264-b")), "-f", "rtsp", "-rtsp_transport", "tcp"]
    with (
        Server(f'{OPEN}\n[rtsp]\nlisten = "127.0.0.1:{PORT}"\nudp = false\n') as server,
        Process([*encoder, f"{URI}?key={KEY}"]),
    ):
        server.wait_live("cam")
        yield server


def playing() -> RtspCaller:
    caller = RtspCaller(("127.0.0.1", PORT))
    assert caller.ask("DESCRIBE", URI)[0] == 200
    assert caller.ask("SETUP", f"{URI}/trackID=0", Transport="RTP/AVP/TCP;unicast")[0] == 200
    assert caller.ask("PLAY", URI)[0] == 200
    return caller


def test_who_publishes_is_shown(server: Server) -> None:
    shown = server.stream("cam")
    assert shown["publisher"]["protocol"] == "rtsp"
    assert "Lavf" in json.dumps(shown)
    assert [track["codec"] for track in shown["tracks"]] == ["h264", "aac"]


def test_who_reads_is_shown_counted_and_ended(server: Server) -> None:
    with playing() as caller:
        caller.receive(10)
        (reader,) = server.request("GET", "/api/v1/readers")[1]["readers"]
        assert (reader["protocol"], reader["stream"], reader["user"]) == ("rtsp", "cam", "")
        assert reader["encryption"]["key_state"] == "unsecured"
        assert reader["statistics"]["transport"] == "tcp"
        assert reader["statistics"]["packets_sent"] >= 10
        assert server.metric("streamer_readers", stream="cam") == 1
        assert server.request("DELETE", f"/api/v1/readers/{reader['id']}")[0] == 204
        assert caller.ends()
    wait_until(lambda: server.metric("streamer_readers", stream="cam") == 0, 20, "nobody to read")


def test_it_is_read_over_srt_too(server: Server) -> None:
    url = f"srt://127.0.0.1:{server.srt_port}?streamid=read:cam"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", url, "-frames:v", "30", "-f", "null", "-"]
    with Process(command) as reader:
        reader.wait(30)
        assert reader.output == ""


def test_the_end_of_the_server_is_told(server: Server) -> None:
    """The last one, as it stops the server."""
    with playing() as caller:
        caller.receive(10)
        assert server.stop(timeout_s=5) == 0
        assert caller.ends()
