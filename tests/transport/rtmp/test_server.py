from __future__ import annotations

import pytest

from tests.transport.rtmp.test_session import RANDOM
from transport.errors import StateError, WireError
from transport.rtmp import amf0
from transport.rtmp.conversation import Command, Conversation, parse_command
from transport.rtmp.server import Connecting, Publishing, ServerSession, Tag, Unpublished
from transport.rtmp.wire import Message, MessageType


class Client:
    """A client whose every message a test can choose."""

    def __init__(self) -> None:
        self.conversation = Conversation(RANDOM, initiates=True, max_message_bytes=1 << 20)
        self.server = ServerSession(RANDOM, 0.0, timeout_s=20)
        self.exchange()
        self.exchange()

    def exchange(self) -> list[Command]:
        self.server.receive(self.conversation.take_output())
        return [
            parse_command(message)
            for message in self.conversation.receive(self.server.take_output())
            if message.type == MessageType.COMMAND
        ]

    def say(self, name: str, *values: amf0.Value) -> list[Command]:
        self.conversation.send_command(name, 1, *values)
        return self.exchange()

    def publish(self) -> None:
        self.say("connect", {"app": "live"})
        self.server.accept()
        self.say("createStream", None)
        self.say("publish", None, "key", "live")
        self.server.accept()
        self.exchange()
        while self.server.next_event():
            pass


def test_every_question_waits_for_its_answer() -> None:
    client = Client()
    assert client.say("connect", {"app": "/live/"}) == []
    assert client.server.next_event() == Connecting("live")
    assert client.server.next_event() is None
    client.server.accept()
    (answer,) = client.exchange()
    assert (answer.name, answer.transaction) == ("_result", 1)
    info = answer.value(1)
    assert isinstance(info, dict)
    assert info["code"] == "NetConnection.Connect.Success"

    assert [command.name for command in client.say("releaseStream", None, "key")] == ["_result"]
    assert [command.name for command in client.say("FCPublish", None, "key")] == ["onFCPublish"]
    assert client.say("createStream", None)[0].value(1) == 1.0
    assert client.say("publish", None, "key?x=1", "live") == []
    assert client.server.next_event() == Publishing("live", "key?x=1")
    assert client.server.deadline_at == 20
    client.server.accept()
    (status,) = client.exchange()
    assert status.name == "onStatus"
    assert client.server.deadline_at is None


def test_media_before_the_permission_is_dropped() -> None:
    client = Client()
    client.say("connect", {"app": "live"})
    client.conversation.send(Message(MessageType.VIDEO, 0, 1, b"x"), 6)
    client.exchange()
    assert client.server.next_event() == Connecting("live")
    assert client.server.next_event() is None


def test_aggregates_are_taken_apart() -> None:
    client = Client()
    client.publish()
    tags = b""
    for kind, timestamp, body in ((8, 100, b"sound"), (18, 100, b"data"), (9, 0x1000000, b"picture")):
        tags += bytes((kind,)) + len(body).to_bytes(3, "big")
        tags += (timestamp & 0xFFFFFF).to_bytes(3, "big") + bytes((timestamp >> 24, 0, 0, 0)) + body
        tags += (11 + len(body)).to_bytes(4, "big")
    client.conversation.send(Message(MessageType.AGGREGATE, 500, 1, tags), 6)
    client.exchange()
    assert client.server.next_event() == Tag(MessageType.AUDIO, 500, b"sound")
    assert client.server.next_event() == Tag(MessageType.VIDEO, 0x1000000 + 400, b"picture")
    client.conversation.send(Message(MessageType.AGGREGATE, 500, 1, tags[:12]), 6)
    with pytest.raises(WireError, match="ends inside a tag"):
        client.exchange()


@pytest.mark.parametrize("name", ["deleteStream", "closeStream"])
def test_the_end_is_an_event(name: str) -> None:
    client = Client()
    client.publish()
    assert [command.name for command in client.say("FCUnpublish", None, "key")] == ["onFCUnpublish"]
    assert client.server.next_event() is None
    client.say(name, None, 1.0)
    assert client.server.next_event() == Unpublished()
    assert client.server.is_ended


def test_players_are_sent_away() -> None:
    client = Client()
    client.say("connect", {"app": "live"})
    client.server.accept()
    client.exchange()
    (status,) = client.say("play", None, "key")
    info = status.value(1)
    assert isinstance(info, dict)
    assert info["code"] == "NetStream.Play.Failed"
    assert client.server.is_ended


def test_only_questions_are_answered() -> None:
    server = ServerSession(RANDOM, 0.0)
    with pytest.raises(StateError, match="asked for nothing"):
        server.accept()
    with pytest.raises(StateError, match="asked for nothing"):
        server.reject("no")
    server.end("bye")
    assert server.is_ended
    assert server.take_output() == b""


@pytest.mark.parametrize(
    ("values", "what"), [(("connect", None), "without an application"), ((5.0,), "without a name")]
)
def test_malformed_commands_end_the_session(values: tuple[amf0.Value, ...], what: str) -> None:
    client = Client()
    payload = amf0.serialize([values[0], 1, *values[1:]])
    client.conversation.send(Message(MessageType.COMMAND, 0, 0, payload), 3)
    with pytest.raises(WireError, match=what):
        client.exchange()


def test_commands_wrapped_for_amf_3_are_read() -> None:
    message = Message(MessageType.COMMAND_AMF3, 0, 0, b"\0" + amf0.serialize(["close", 0]))
    assert parse_command(message).name == "close"
