from __future__ import annotations

import pytest

from transport.errors import StateError, WireError
from transport.rtmp import wire
from transport.rtmp.address import RtmpTarget
from transport.rtmp.conversation import Conversation
from transport.rtmp.server import Connecting, Event, Metadata, Publishing, ServerSession, Tag, Unpublished
from transport.rtmp.session import ClientSession, SessionOptions, State
from transport.rtmp.wire import MessageType, UserControl, split_body

RANDOM = bytes(1528)
TARGET = RtmpTarget(False, "host", 1935, "live?a=1", "the-key")


class Wire:
    """A client and a server, and every byte between them as soon as it is there."""

    def __init__(self, options: SessionOptions | None = None) -> None:
        self.client = ClientSession(TARGET, RANDOM, 0.0, options)
        self.server = ServerSession(RANDOM, 0.0)
        self.events: list[Event] = []

    def run(self, *, step: int = 1 << 20) -> None:
        while (there := self.client.take_output()) or self.server_has_output():
            for at in range(0, len(there), step):
                self.server.receive(there[at : at + step])
            back, self._back = self._back + self.server.take_output(), b""
            for at in range(0, len(back), step):
                self.client.receive(back[at : at + step], 0.0)
        while event := self.server.next_event():
            self.events.append(event)

    _back = b""

    def server_has_output(self) -> bool:
        self._back += self.server.take_output()
        return bool(self._back)

    def publish(self, *, step: int = 1 << 20) -> None:
        self.run(step=step)
        self.server.accept()
        self.run(step=step)
        self.server.accept()
        self.run(step=step)


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
def test_a_client_publishes(step: int) -> None:
    link = Wire(SessionOptions(four_ccs=("hvc1",)))
    link.publish(step=step)
    assert link.client.state is State.LIVE
    assert link.client.deadline_at is None
    assert link.server.is_live
    connecting, publishing = link.events
    assert connecting == Connecting(
        "live?a=1", "rtmp://host/live?a=1", "FMLE/3.0 (compatible; Streamer)", ("hvc1",)
    )
    assert publishing == Publishing("live?a=1", "the-key")


def test_media_and_metadata_arrive_as_they_were_sent() -> None:
    link = Wire()
    link.publish()
    link.client.send_metadata({"width": 1280.0}, 7)
    body = bytes(range(256)) * 500
    media = link.client.media(MessageType.VIDEO, 40, body) + link.client.media(MessageType.AUDIO, 41, b"snd")
    link.server.receive(link.client.take_output() + b"".join(media))
    link.run()
    assert link.events[2:] == [
        Metadata({"width": 1280.0}),
        Tag(MessageType.VIDEO, 40, body),
        Tag(MessageType.AUDIO, 41, b"snd"),
    ]


def test_pieces_made_once_serve_every_session_until_time_needs_its_own_place() -> None:
    link = Wire()
    link.publish()
    body = bytes(150_000)
    pieces = split_body(body, wire.VIDEO_CHUNK_STREAM, link.client.chunk_bytes)
    early = link.client.media(MessageType.VIDEO, 40, body, pieces)
    assert all(sent is shared for sent, shared in zip(early[1:], pieces, strict=True))
    late = link.client.media(MessageType.VIDEO, 0x1000000, body, pieces)
    link.server.receive(b"".join(early) + b"".join(late))
    link.run()
    assert link.events[2:] == [
        Tag(MessageType.VIDEO, 40, body),
        Tag(MessageType.VIDEO, 0x1000000, body),
    ]


def test_a_client_says_goodbye() -> None:
    link = Wire()
    link.publish()
    link.client.finish()
    link.run()
    assert link.events[2:] == [Unpublished()]
    assert link.server.is_ended
    assert link.client.failure is not None
    assert link.client.failure.reason == "ended"


@pytest.mark.parametrize(
    ("code", "description", "reason"),
    [
        ("", "no", "refused"),
        ("NetConnection.Connect.Rejected", "[ AccessManager.Reject ] : authmod=adobe", "unauthorized"),
        ("NetConnection.Connect.InvalidApp", "no such application", "not_found"),
    ],
)
def test_a_refused_connection_tells_why(code: str, description: str, reason: str) -> None:
    link = Wire()
    link.run()
    link.server.reject(description, code)
    link.run()
    assert link.server.is_ended
    failure = link.client.failure
    assert failure is not None
    assert failure.reason == reason
    assert description in str(failure)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "occupied"),
        ("NetStream.Publish.BadName", "occupied"),
        ("NetStream.Publish.Denied", "unauthorized"),
        ("NetStream.Publish.Whatever", "refused"),
    ],
)
def test_a_refused_publication_tells_why_and_keeps_the_key(code: str, reason: str) -> None:
    link = Wire()
    link.run()
    link.server.accept()
    link.run()
    link.server.reject("the-key is not good", code)
    link.run()
    failure = link.client.failure
    assert failure is not None
    assert failure.reason == reason
    assert "… is not good" in str(failure)
    assert "the-key" not in str(failure)


def test_a_server_may_end_what_it_accepted() -> None:
    link = Wire()
    link.publish()
    link.server.end("too long")
    link.run()
    failure = link.client.failure
    assert failure is not None
    assert (failure.reason, "too long" in str(failure)) == ("refused", True)
    with pytest.raises(StateError, match="ENDED"):
        link.client.media(MessageType.VIDEO, 0, b"x")


def test_every_step_has_a_deadline() -> None:
    link = Wire(SessionOptions(handshake_timeout_s=3, command_timeout_s=5))
    assert link.client.deadline_at == 3
    link.client.handle_timeout(2.9)
    assert link.client.failure is None
    link.client.handle_timeout(3)
    assert link.client.failure is not None
    assert link.client.failure.reason == "timeout"
    assert "handshake" in str(link.client.failure)

    link = Wire(SessionOptions(handshake_timeout_s=3, command_timeout_s=5))
    link.run()
    assert link.client.deadline_at == 5
    link.client.handle_timeout(5)
    assert '"connect"' in str(link.client.failure)


def test_a_server_that_hangs_up_is_told_apart_by_when() -> None:
    link = Wire()
    link.client.receive_end()
    assert "handshake" in str(link.client.failure)
    link = Wire()
    link.run()
    link.server.accept()
    link.run()
    link.client.receive_end()
    assert "instead of accepting the key" in str(link.client.failure)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46"])
def test_another_protocol_is_recognised(answer: bytes) -> None:
    client = ClientSession(TARGET, RANDOM, 0.0)
    client.receive(answer, 0.0)
    assert client.failure is not None
    assert client.failure.reason == "unsupported"
    client.receive(answer, 0.0)


def _greeted_server() -> tuple[ClientSession, Conversation]:
    """A client behind its handshake, and a server whose every message a test can choose."""
    client = ClientSession(TARGET, RANDOM, 0.0)
    server = Conversation(RANDOM, initiates=False, max_message_bytes=1 << 20)
    for _ in range(2):
        server.receive(client.take_output())
        client.receive(server.take_output(), 0.0)
    assert client.state is State.CONNECTING
    return client, server


def test_answers_to_what_was_not_asked_are_ignored() -> None:
    client, server = _greeted_server()
    for name, transaction, info in (
        ("_result", 7, {}),
        ("onBWDone", 0, None),
        ("_error", 9, {"code": "x"}),
        ("onStatus", 0, {"level": "status", "code": "NetStream.Publish.Start"}),
        ("onStatus", 0, None),
    ):
        server.send_command(name, transaction, None, info)  # type: ignore[arg-type]
    client.receive(server.take_output(), 0.0)
    assert client.state is State.CONNECTING


def test_a_stream_without_a_number_is_no_answer() -> None:
    client, server = _greeted_server()
    server.send_command("_result", 1, {}, {})
    client.receive(server.take_output(), 0.0)
    assert client.state is State.CREATING
    server.send_command("_result", 4, None, "one")
    client.receive(server.take_output(), 0.0)
    assert client.failure is not None
    assert "without a stream id" in str(client.failure)


def test_pings_are_answered_and_bytes_acknowledged() -> None:
    client, server = _greeted_server()
    client.take_output()
    server.send_control(wire.user_control(UserControl.PING_REQUEST, 77))
    server.send_control(wire.control(MessageType.WINDOW_ACKNOWLEDGEMENT_SIZE, 10))
    server.send_control(wire.control(MessageType.SET_PEER_BANDWIDTH, 1000, b"\x02"))
    client.receive(server.take_output(), 0.0)
    sent = client.take_output()
    assert wire.user_control(UserControl.PING_RESPONSE, 77) in sent
    server.receive(sent)
    assert server.acknowledged_bytes > 2 * wire.HANDSHAKE_BYTES


def test_commands_before_connect_are_refused() -> None:
    client = Conversation(RANDOM, initiates=True, max_message_bytes=1 << 20)
    server = ServerSession(RANDOM, 0.0)
    for _ in range(2):
        server.receive(client.take_output())
        client.receive(server.take_output())
    client.send_command("publish", 1, None, "k")
    with pytest.raises(WireError, match='"publish" before "connect"'):
        server.receive(client.take_output())
