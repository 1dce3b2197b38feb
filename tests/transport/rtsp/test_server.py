from __future__ import annotations

import itertools

import pytest

from transport.errors import StateError
from transport.rtsp.naming import Login, Named
from transport.rtsp.server import Asking, Packet, Pausing, ServerSession, Starting, State, Way
from transport.rtsp.wire import frame_header

ID = "f00d"
SDP = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
UDP = "RTP/AVP;unicast;client_port=5000-5001"


class Client:
    """Says what a test wants."""

    def __init__(self, udp_ports: tuple[int, int] | None = None) -> None:
        self.session = ServerSession(ID, udp_ports)
        self._numbers = itertools.count(1)

    def say(self, method: str, uri: str = "rtsp://h/cam", body: bytes = b"", **headers: str) -> None:
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {next(self._numbers)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self.session.receive("\r\n".join([*lines, "", ""]).encode() + body)

    def ask(self, method: str, uri: str = "rtsp://h/cam", body: bytes = b"", **headers: str) -> str:
        """What is answered at once."""
        self.say(method, uri, body, **headers)
        assert self.session.next_event() is None
        return self.session.take_output().decode()

    def describe(self, tracks: int = 2) -> str:
        self.say("DESCRIBE")
        assert isinstance(self.session.next_event(), Asking)
        self.session.describe(b"v=0\r\n", range(tracks))
        return self.session.take_output().decode()

    def set_up(self, track: int = 0, transport: str = TCP, **headers: str) -> str:
        return self.ask("SETUP", f"rtsp://h/cam/trackID={track}", Transport=transport, **headers)

    def play(self) -> str:
        self.say("PLAY", Session=ID)
        assert self.session.next_event() == Starting()
        self.session.start()
        return self.session.take_output().decode()

    def announce(self, description: bytes = SDP) -> str:
        self.say("ANNOUNCE", body=description, Content_Type="application/sdp")
        assert isinstance(self.session.next_event(), Asking)
        self.session.take_announcement()
        return self.session.take_output().decode()


@pytest.fixture
def client() -> Client:
    return Client()


def test_somebody_reads(client: Client) -> None:
    assert "Public: OPTIONS, DESCRIBE" in client.ask("OPTIONS", "*")
    described = client.describe()
    assert described.startswith("RTSP/1.0 200 OK\r\nCSeq: 2\r\n")
    assert "Content-Base: rtsp://h/cam/\r\n" in described
    assert described.endswith("\r\n\r\nv=0\r\n")
    answer = client.set_up()
    assert f"Session: {ID};timeout=60" in answer
    assert "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000000" in answer
    assert "interleaved=2-3" in client.set_up(1, "RTP/AVP/TCP;unicast;interleaved=2-3", Session=ID)
    assert client.session.state is State.READY
    assert client.play().startswith("RTSP/1.0 200 OK")
    assert client.session.state is State.PLAYING
    assert client.ask("GET_PARAMETER", Session=ID).startswith("RTSP/1.0 200 OK")
    client.session.receive(frame_header(3, 2) + b"rr")
    assert client.session.next_event() == Packet(1, True, b"rr")
    assert client.ask("TEARDOWN", Session=ID).startswith("RTSP/1.0 200 OK")
    assert client.session.state is State.ENDED
    # It may still ask, as GStreamer does, and is told that the session is no more.
    assert client.ask("PAUSE", Session=ID).startswith("RTSP/1.0 454 ")
    assert client.session.state is State.ENDED


def test_somebody_publishes(client: Client) -> None:
    client.say("ANNOUNCE", "rtsp://h/cam?key=k", SDP, Content_Type="application/sdp", User_Agent="Lavf")
    asked = client.session.next_event()
    assert isinstance(asked, Asking)
    assert (asked.named, asked.login, asked.agent) == (Named("cam", "k"), None, "Lavf")
    assert asked.announced is not None
    assert [media.name for media in asked.announced] == ["h264"]
    client.session.take_announcement()
    client.session.take_output()
    answer = client.ask("SETUP", "rtsp://h/cam?key=k/streamid=0", Transport=f"{TCP};mode=record")
    assert "interleaved=0-1;mode=record" in answer
    client.say("RECORD", Session=ID)
    client.session.receive(frame_header(0, 3) + b"rtp")  # some do not wait for the answer
    assert client.session.next_event() == Starting()
    assert client.session.next_event() is None
    client.session.start()
    assert client.session.state is State.RECORDING
    assert client.session.next_event() == Packet(0, False, b"rtp")


def test_what_is_announced_encrypted_is_set_up_so(client: Client) -> None:
    client.announce(SDP.replace(b"RTP/AVP", b"RTP/SAVP"))
    uri = "rtsp://h/cam/streamid=0"
    # gortsplib, of MediaMTX, tries UDP first.
    over_udp = UDP.replace("AVP", "SAVP")
    assert client.ask("SETUP", uri, Transport=over_udp).startswith(
        "RTSP/1.0 461 packets go over TCP, unicast, by RTP/SAVP"
    )
    assert client.ask("SETUP", uri, Transport=TCP).startswith("RTSP/1.0 461 ")
    answer = client.ask("SETUP", uri, Transport=TCP.replace("AVP", "SAVP") + ";mode=record")
    assert "Transport: RTP/SAVP/TCP;unicast;interleaved=0-1;mode=record" in answer


def test_what_is_announced_in_the_clear_is_set_up_so(client: Client) -> None:
    client.announce()
    secured = TCP.replace("AVP", "SAVP")
    assert client.ask("SETUP", "rtsp://h/cam/streamid=0", Transport=secured).startswith("RTSP/1.0 461 ")
    assert "RTP/AVP/TCP" in client.ask("SETUP", "rtsp://h/cam/streamid=0", Transport=f"{secured},{TCP}")


def test_who_is_refused_may_present_something(client: Client) -> None:
    client.say("DESCRIBE", "rtsp://h/cam")
    client.session.next_event()
    client.session.reject(401, "who is there?", challenge=True)
    answer = client.session.take_output().decode()
    assert answer.startswith("RTSP/1.0 401 who is there?\r\n")
    assert 'WWW-Authenticate: Basic realm="Streamer"' in answer
    client.say("DESCRIBE", "rtsp://h/cam?token=t", Authorization="Basic YTpi")
    assert client.session.next_event() == Asking(Named("cam", "t"), Login("a", "b"), "", None)


def test_tracks_may_be_set_up_without_a_description(client: Client) -> None:
    client.say("SETUP", "rtsp://h/cam/trackID=1", Transport=TCP)
    asked = client.session.next_event()
    assert isinstance(asked, Asking)
    assert asked.named == Named("cam")
    client.session.describe(b"v=0\r\n", [1, 2])
    assert b"ssrc=00000002" in client.session.take_output()
    assert set(client.session.ways) == {1}


def test_what_comes_before_the_answer_waits_for_it(client: Client) -> None:
    client.say("DESCRIBE")
    client.say("OPTIONS")
    assert isinstance(client.session.next_event(), Asking)
    assert client.session.next_event() is None
    assert client.session.take_output() == b""
    client.session.describe(b"v=0\r\n", [1])
    assert client.session.next_event() is None
    first, second = client.session.take_output().split(b"RTSP/1.0 200 OK\r\n")[1:]
    assert first.startswith(b"CSeq: 1\r\n")
    assert second.startswith(b"CSeq: 2\r\n")


def test_who_asks_and_asks_without_waiting_is_not_heard_any_more(client: Client) -> None:
    client.say("DESCRIBE")
    assert isinstance(client.session.next_event(), Asking)
    while not client.session.is_full:
        client.say("OPTIONS")


def test_channels_that_clash_become_others(client: Client) -> None:
    client.describe()
    client.set_up(0)
    assert "interleaved=2-3" in client.set_up(1, TCP)
    assert "interleaved=0-1" in client.set_up(0, "RTP/AVP/TCP;unicast;interleaved=3-4")
    assert client.session.ways == {0: Way(True, (0, 1)), 1: Way(True, (2, 3))}


def test_udp_where_it_is_offered(client: Client) -> None:
    client.describe()
    assert client.set_up(0, UDP).startswith("RTSP/1.0 461 packets go over TCP")
    assert "interleaved=0-1" in client.set_up(0, f"{UDP},{TCP}")
    both = Client((8554, 8555))
    both.describe()
    assert "client_port=5000-5001;server_port=8554-8555" in both.set_up(0, f"{UDP},{TCP}")
    # ffmpeg, where nothing arrives that way: another try, for all that was set up before.
    assert "interleaved=0-1" in both.set_up(0, TCP)
    assert both.session.ways == {0: Way(True, (0, 1))}


def test_pausing(client: Client) -> None:
    client.describe()
    client.set_up()
    client.play()
    client.say("PAUSE", Session=ID)
    assert client.session.next_event() == Pausing()
    assert client.session.state is State.READY
    assert client.ask("PAUSE", Session=ID)
    client.play()
    assert client.ask("PLAY", Session=ID).startswith("RTSP/1.0 200 OK")  # as a sign of life


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PLAY", {}, 455),
        ("PAUSE", {}, 455),
        ("RECORD", {}, 455),
        ("TEARDOWN", {}, 454),
        ("OPTIONS", {"Session": "other"}, 454),
        ("REDIRECT", {}, 501),
        ("DESCRIBE", {"Require": "www.onvif.org/ver20/backchannel"}, 551),
        ("DESCRIBE", {"Accept": "application/mheg"}, 406),
        ("ANNOUNCE", {"Content_Type": "text/plain"}, 415),
        ("ANNOUNCE", {"Content_Type": "application/sdp"}, 400),
    ],
)
def test_what_cannot_be_at_the_beginning(
    client: Client, method: str, headers: dict[str, str], status: int
) -> None:
    assert client.ask(method, **headers).startswith(f"RTSP/1.0 {status} ")
    assert client.session.state is State.INIT


def test_what_cannot_be_later(client: Client) -> None:
    client.describe()
    assert client.ask("SETUP", "rtsp://h/cam/trackID=9", Transport=TCP).startswith("RTSP/1.0 404 ")
    assert client.ask("SETUP", "rtsp://h/other/trackID=0", Transport=TCP).startswith("RTSP/1.0 404 ")
    assert client.set_up(0, "RTP/SAVP;unicast;client_port=1-2").startswith("RTSP/1.0 461 ")
    assert client.set_up(0, f"{TCP};mode=record").startswith("RTSP/1.0 461 ")
    assert client.set_up(0, Session="guessed").startswith("RTSP/1.0 454 ")
    client.set_up()
    assert client.ask("RECORD", Session=ID).startswith("RTSP/1.0 455 RECORD, and the session is to read")
    assert client.ask("DESCRIBE", Session=ID).startswith("RTSP/1.0 455 DESCRIBE in state READY")
    client.play()
    assert client.set_up(1).startswith("RTSP/1.0 455 SETUP in state PLAYING")
    assert client.session.state is State.PLAYING


def test_who_publishes_does_not_play() -> None:
    client = Client()
    client.announce()
    client.ask("SETUP", "rtsp://h/cam/streamid=0", Transport=TCP)
    assert client.ask("PLAY", Session=ID).startswith("RTSP/1.0 455 PLAY, and the session is to publish")


@pytest.mark.parametrize("said", ["", "CSeq: x\r\n", "CSeq: 99999999999\r\n", "CSeq: \xb2\r\n"])
def test_without_a_number_nothing_is_answered_with_yes(client: Client, said: str) -> None:
    client.session.receive(f"OPTIONS * RTSP/1.0\r\n{said}\r\n".encode())
    assert client.session.next_event() is None
    answer = client.session.take_output()
    assert answer.startswith(b"RTSP/1.0 400 a request without a CSeq\r\n")
    assert b"CSeq:" not in answer


@pytest.mark.parametrize("version", ["RTSP/2.0", "HTTP/1.1"])
def test_other_versions(client: Client, version: str) -> None:
    client.session.receive(f"OPTIONS * {version}\r\nCSeq: 1\r\n\r\n".encode())
    assert client.session.next_event() is None
    assert client.session.take_output().startswith(b"RTSP/1.0 505 ")


def test_packets_of_channels_that_nobody_set_up_are_left_out(client: Client) -> None:
    client.session.receive(frame_header(0, 2) + b"ab")
    client.describe()
    client.set_up()
    client.session.receive(frame_header(0, 2) + b"ab")
    client.play()
    client.session.receive(frame_header(7, 2) + b"ab")
    assert client.session.next_event() is None


def test_answers_without_a_question(client: Client) -> None:
    for answer in (client.session.start, client.session.take_announcement):
        with pytest.raises(StateError):
            answer()
    with pytest.raises(StateError):
        client.session.reject(404, "no")
    with pytest.raises(StateError):
        client.session.describe(b"", [])
