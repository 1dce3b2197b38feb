"""Receiving over RTMP, the server's side without I/O: what a platform's ingest does, for one connection.

Bytes in; events, bytes and a deadline out. Whoever owns a session answers its questions (`Connecting`,
`Publishing`) with `accept` or `reject`, at once or later. The opposite side is `session.py`.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

from transport.errors import StateError, WireError
from transport.rtmp.amf0 import Value
from transport.rtmp.conversation import Command, Conversation, parse_command, parse_data
from transport.rtmp.wire import Message, MessageType, UserControl, user_control

# A keyframe of 50 Mb/s material stays below this.
_MAX_MESSAGE_BYTES = 8 << 20
_CHUNK_BYTES = 4096
_STREAM_ID = 1
# Of an FLV tag inside an aggregate message: header before the body, size behind it.
_TAG_HEADER_BYTES, _TAG_SIZE_BYTES = 11, 4


@dataclass(frozen=True, slots=True)
class Connecting:
    """The client asks to be connected to an application; wants `accept` or `reject`.

    Attributes:
        app: application, instance and query.
        tc_url: the address it used.
        agent: its software's name.
        four_ccs: what it wants to send by Enhanced RTMP.
    """

    app: str
    tc_url: str = field(default="", repr=False)
    agent: str = ""
    four_ccs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Publishing:
    """The client asks to publish; wants `accept` or `reject`.

    Attributes:
        app: as in `Connecting`.
        key: the stream's name, which is its secret too, with its query.
    """

    app: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """One audio or video message, as `flv.parse_video` and `flv.parse_audio` read it.

    Attributes:
        kind: `MessageType.AUDIO` or `MessageType.VIDEO`.
        timestamp: milliseconds, modulo 2**32.
    """

    kind: MessageType
    timestamp: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Metadata:
    """onMetaData: what the client says about its tracks."""

    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The client ended its publication in the protocol's way."""


Event = Connecting | Publishing | Tag | Metadata | Unpublished


class _State(enum.Enum):
    HANDSHAKE = enum.auto()
    OPEN = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    PUBLISHING = enum.auto()
    LIVE = enum.auto()
    ENDED = enum.auto()


_REJECTIONS = {
    _State.CONNECTING: "NetConnection.Connect.Rejected",
    _State.PUBLISHING: "NetStream.Publish.BadName",
}


class ServerSession:
    """One connection of a publishing client.

    Args:
        random: 1528 bytes for the handshake.
        now: time.monotonic().
        timeout_s: how long the client may take until it publishes.
        max_message_bytes: of one message.

    Attributes:
        deadline_at: when the client must have begun to publish, None once it has: the owner hangs up then.
    """

    def __init__(
        self,
        random: bytes,
        now: float,
        *,
        timeout_s: float = 20.0,
        max_message_bytes: int = _MAX_MESSAGE_BYTES,
    ) -> None:
        self.deadline_at: float | None = now + timeout_s
        self._conversation = Conversation(random, initiates=False, max_message_bytes=max_message_bytes)
        self._state = _State.HANDSHAKE
        self._events: deque[Event] = deque()
        self._asked = Command("", 0.0, ())
        self._app = ""
        self._key = ""

    @property
    def is_live(self) -> bool:
        """True while the client publishes."""
        return self._state is _State.LIVE

    @property
    def is_ended(self) -> bool:
        """True once nothing more will come: send `take_output` and hang up."""
        return self._state is _State.ENDED

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; events follow from it.

        Raises:
            WireError: the client's fault; the session is of no use any more.
        """
        for message in self._conversation.receive(data):
            if self._state is _State.ENDED:
                return
            self._message(message)

    def next_event(self) -> Event | None:
        """What happened next, None when there is nothing more."""
        return self._events.popleft() if self._events else None

    def take_output(self) -> bytes:
        """What is to be sent now; ask after every call."""
        return self._conversation.take_output()

    def accept(self) -> None:
        """Say yes to the last `Connecting` or `Publishing`.

        Raises:
            StateError: nothing was asked.
        """
        if self._state is _State.CONNECTING:
            self._welcome()
            self._state = _State.CONNECTED
        elif self._state is _State.PUBLISHING:
            self._conversation.send_control(user_control(UserControl.STREAM_BEGIN, _STREAM_ID))
            self._send_status("status", "NetStream.Publish.Start", "Publishing")
            self._state = _State.LIVE
            self.deadline_at = None
        else:
            raise StateError(f"an RTMP client asked for nothing, in state {self._state.name}")

    def reject(self, description: str, code: str = "") -> None:
        """Say no to the last `Connecting` or `Publishing`; ends the session.

        Args:
            description: in words.
            code: such as "NetStream.Publish.BadName"; "" for the question's usual one.

        Raises:
            StateError: nothing was asked.
        """
        if self._state not in _REJECTIONS:
            raise StateError(f"an RTMP client asked for nothing, in state {self._state.name}")
        self._refuse(code or _REJECTIONS[self._state], description)

    def end(self, description: str, code: str = "NetStream.Publish.Failed") -> None:
        """Send the client away, whatever it is doing."""
        if self._state is _State.LIVE:
            self._refuse(code, description)
        self._state = _State.ENDED
        self.deadline_at = None

    def _message(self, message: Message) -> None:
        if self._state is _State.HANDSHAKE:
            self._state = _State.OPEN
        match message.type:
            case MessageType.AUDIO | MessageType.VIDEO:
                self._tag(message.type, message.timestamp, message.payload)
            case MessageType.AGGREGATE:
                self._aggregate(message)
            case MessageType.DATA | MessageType.DATA_AMF3:
                self._data(parse_data(message))
            case MessageType.COMMAND | MessageType.COMMAND_AMF3:
                self._command(parse_command(message))

    def _tag(self, kind: int, timestamp: int, body: bytes) -> None:
        # An empty one is how Flash says that sound or picture pauses.
        if self._state is _State.LIVE and body:
            self._events.append(Tag(MessageType(kind), timestamp, body))

    def _aggregate(self, message: Message) -> None:
        """Take a message made of FLV tags apart (7.1.6); its own timestamp is that of the first."""
        data, at, shift = message.payload, 0, None
        while at + _TAG_HEADER_BYTES <= len(data):
            size = int.from_bytes(data[at + 1 : at + 4], "big")
            timestamp = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
            shift = message.timestamp - timestamp if shift is None else shift
            body = data[at + _TAG_HEADER_BYTES : at + _TAG_HEADER_BYTES + size]
            if len(body) < size:
                raise WireError("rtmp: an aggregate message ends inside a tag")
            if data[at] in (MessageType.AUDIO, MessageType.VIDEO):
                self._tag(data[at], (timestamp + shift) & 0xFFFFFFFF, body)
            at += _TAG_HEADER_BYTES + size + _TAG_SIZE_BYTES

    def _data(self, values: list[Value]) -> None:
        if values[:1] == ["@setDataFrame"]:
            del values[0]
        if self._state is _State.LIVE and len(values) > 1 and values[0] == "onMetaData":
            if isinstance(values[1], dict):
                self._events.append(Metadata(values[1]))

    def _command(self, command: Command) -> None:
        match command.name:
            case "connect" if self._state is _State.OPEN:
                self._connect(command)
            case "createStream" if self._state is _State.CONNECTED:
                self._answer(command, float(_STREAM_ID))
            case "releaseStream" if self._state is _State.CONNECTED:
                self._answer(command, None)
            case "FCPublish" if self._state is _State.CONNECTED:
                self._conversation.send_command(
                    "onFCPublish", 0, None, _status("status", "NetStream.Publish.Start", "FCPublish")
                )
            case "publish" if self._state is _State.CONNECTED:
                self._publish(command)
            case "FCUnpublish" | "deleteStream" | "closeStream" if self._state is _State.LIVE:
                self._unpublish(command)
            case "play" | "play2" if self._state is _State.CONNECTED:
                self._refuse("NetStream.Play.Failed", "only publishing is offered here")
            case name if self._state is _State.OPEN:
                raise WireError(f'rtmp: command "{name[:40]}" before "connect"')

    def _connect(self, command: Command) -> None:
        said = command.value(0)
        app = said.get("app") if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(app, str):
            raise WireError('rtmp: "connect" without an application')
        self._asked, self._app, self._state = command, app.strip("/"), _State.CONNECTING
        codes = said.get("fourCcList")
        self._events.append(
            Connecting(
                self._app,
                str(said.get("tcUrl") or ""),
                str(said.get("flashVer") or ""),
                tuple(code for code in codes if isinstance(code, str)) if isinstance(codes, list) else (),
            )
        )

    def _welcome(self) -> None:
        conversation = self._conversation
        conversation.announce_window()
        conversation.announce_bandwidth()
        conversation.announce_chunk_bytes(_CHUNK_BYTES)
        info = _status("status", "NetConnection.Connect.Success", "Connection succeeded.")
        server: dict[str, Value] = {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}
        conversation.send_command("_result", self._asked.transaction, server, {**info, "objectEncoding": 0.0})

    def _publish(self, command: Command) -> None:
        key = command.value(1)
        if not isinstance(key, str):
            raise WireError('rtmp: "publish" without a stream name')
        self._asked, self._key, self._state = command, key, _State.PUBLISHING
        self._events.append(Publishing(self._app, key))

    def _unpublish(self, command: Command) -> None:
        if command.name == "FCUnpublish":
            self._conversation.send_command(
                "onFCUnpublish", 0, None, _status("status", "NetStream.Unpublish.Success", "FCUnpublish")
            )
            return
        self._send_status("status", "NetStream.Unpublish.Success", "Unpublished")
        self._events.append(Unpublished())
        self._state = _State.ENDED

    def _answer(self, command: Command, value: Value) -> None:
        self._conversation.send_command("_result", command.transaction, None, value)

    def _refuse(self, code: str, description: str) -> None:
        if self._state is _State.CONNECTING:
            info = _status("error", code, description)
            self._conversation.send_command("_error", self._asked.transaction, None, info)
        else:
            self._send_status("error", code, description)
        self._state = _State.ENDED
        self.deadline_at = None

    def _send_status(self, level: str, code: str, description: str) -> None:
        self._conversation.send_command(
            "onStatus", 0, None, _status(level, code, description), stream_id=_STREAM_ID
        )


def _status(level: str, code: str, description: str) -> dict[str, Value]:
    """An information object (7.2.2)."""
    return {"level": level, "code": code, "description": description}
