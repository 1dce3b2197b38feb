"""What both sides of an RTMP connection do alike: the handshake, and the protocol's own messages.

Bytes in, the messages that matter out. Chunk sizes, acknowledgements, windows and pings are dealt with here
(section 5.4 and 7.1.7 of the specification); `session.py` and `server.py` only see commands, data and media.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.errors import WireError
from transport.rtmp import amf0
from transport.rtmp.amf0 import Value
from transport.rtmp.wire import (
    COMMAND_CHUNK_STREAM,
    DATA_CHUNK_STREAM,
    DEFAULT_CHUNK_BYTES,
    HANDSHAKE_BYTES,
    ChunkReader,
    Message,
    MessageType,
    UserControl,
    check_version,
    control,
    parse_number,
    serialize_hello,
    serialize_message,
    user_control,
)

#: What both sides ask to have acknowledged, as FMLE and most servers do.
WINDOW_BYTES = 2_500_000
# How a peer may take what we say about its bandwidth (5.4.5).
_DYNAMIC = b"\x02"


@dataclass(frozen=True, slots=True)
class Command:
    """A command message (7.1.1).

    Attributes:
        name: such as "connect" or "_result".
        transaction: what an answer refers to; 0 for none.
        values: everything behind it; the first is the command object, often None.
        stream_id: message stream it came on.
    """

    name: str
    transaction: float
    values: tuple[Value, ...]
    stream_id: int = 0

    def value(self, index: int) -> Value:
        """One of the values, None if there are not so many."""
        return self.values[index] if index < len(self.values) else None


def parse_command(message: Message) -> Command:
    """Read a command message, in AMF 0 or as FMLE wraps it for AMF 3.

    Raises:
        WireError: not a command's values.
    """
    values = amf0.parse(_unwrapped(message, MessageType.COMMAND_AMF3))
    name, transaction = (*values, None, None)[:2]
    if not isinstance(name, str) or not (isinstance(transaction, (int, float)) or transaction is None):
        raise WireError("rtmp: a command without a name or with a transaction that is no number")
    return Command(name, transaction or 0.0, tuple(values[2:]), message.stream_id)


def parse_data(message: Message) -> list[Value]:
    """Read a data message's values; as `parse_command`.

    Raises:
        WireError: not AMF 0.
    """
    return amf0.parse(_unwrapped(message, MessageType.DATA_AMF3))


def _unwrapped(message: Message, amf3: MessageType) -> bytes:
    # Messages for AMF 3 begin with a byte that says how the first value is coded; in practice always AMF 0.
    return message.payload[1:] if message.type == amf3 and message.payload[:1] == b"\0" else message.payload


class Conversation:
    """One side of a connection.

    Args:
        random: 1528 bytes for the handshake.
        initiates: the client speaks first.
        max_message_bytes: of one message of the peer.

    Attributes:
        chunk_bytes: what we send in one chunk.
        acknowledged_bytes: what the peer last said it has received, modulo 2**32.
    """

    def __init__(self, random: bytes, *, initiates: bool, max_message_bytes: int) -> None:
        self.chunk_bytes = DEFAULT_CHUNK_BYTES
        self.acknowledged_bytes = 0
        self._hello = serialize_hello(random)
        self._output: list[bytes] = [self._hello] if initiates else []
        self._initiates = initiates
        self._handshake: bytearray | None = bytearray()
        self._greeted = False
        self._reader = ChunkReader(max_message_bytes)
        self._received = 0
        self._acknowledged = 0
        self._window = 0

    @property
    def is_open(self) -> bool:
        """True once the handshake is over."""
        return self._handshake is None

    def receive(self, data: bytes) -> list[Message]:
        """Take bytes from the peer; return its commands, data and media in order.

        Raises:
            WireError: the peer's fault; the connection is of no use any more.
        """
        self._received += len(data)
        if self._handshake is not None:
            self._handshake += data
            rest = self._shake()
            if rest is None:
                return []
            data = rest
        messages = [message for message in self._reader.feed(data) if not self._handle(message)]
        if self._window and self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._output.append(control(MessageType.ACKNOWLEDGEMENT, self._received & 0xFFFFFFFF))
        return messages

    def send(self, message: Message, chunk_stream: int) -> None:
        """Queue a message."""
        self._output.append(serialize_message(message, chunk_stream, self.chunk_bytes))

    def send_command(self, name: str, transaction: float, *values: Value, stream_id: int = 0) -> None:
        """Queue a command."""
        payload = amf0.serialize((name, float(transaction), *values))
        self.send(Message(MessageType.COMMAND, 0, stream_id, payload), COMMAND_CHUNK_STREAM)

    def send_data(self, *values: Value, stream_id: int, timestamp: int = 0) -> None:
        """Queue a data message."""
        payload = amf0.serialize(values)
        self.send(Message(MessageType.DATA, timestamp, stream_id, payload), DATA_CHUNK_STREAM)

    def send_control(self, data: bytes) -> None:
        """Queue what `wire.control` or `wire.user_control` wrote."""
        self._output.append(data)

    def announce_chunk_bytes(self, chunk_bytes: int) -> None:
        """Send larger chunks from here on."""
        self._output.append(control(MessageType.SET_CHUNK_SIZE, chunk_bytes))
        self.chunk_bytes = chunk_bytes

    def announce_window(self) -> None:
        """Ask for acknowledgements (5.4.4)."""
        self._output.append(control(MessageType.WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW_BYTES))

    def announce_bandwidth(self) -> None:
        """Tell the peer how much it may leave unacknowledged (5.4.5)."""
        self._output.append(control(MessageType.SET_PEER_BANDWIDTH, WINDOW_BYTES, _DYNAMIC))

    def take_output(self) -> bytes:
        """What is to be sent now."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _shake(self) -> bytes | None:
        """Go on with the handshake (5.2); returns what came behind it once it is over."""
        received = self._handshake
        assert received is not None
        if not self._greeted:
            if received:
                check_version(received[0])
            if len(received) < 1 + HANDSHAKE_BYTES:
                return None
            self._greeted = True
            echo = bytes(received[1 : 1 + HANDSHAKE_BYTES])
            self._output += [echo] if self._initiates else [self._hello, echo]
        # What is echoed is not compared: servers with the handshake of Flash put a digest of their own there.
        if len(received) < 1 + 2 * HANDSHAKE_BYTES:
            return None
        self._handshake = None
        return bytes(received[1 + 2 * HANDSHAKE_BYTES :])

    def _handle(self, message: Message) -> bool:
        """Deal with the protocol's own messages."""
        match message.type:
            case MessageType.ACKNOWLEDGEMENT:
                self.acknowledged_bytes = parse_number(message.payload)
            case MessageType.WINDOW_ACKNOWLEDGEMENT_SIZE:
                self._window = parse_number(message.payload)
            case MessageType.SET_PEER_BANDWIDTH:
                parse_number(message.payload)
                self.announce_window()
            case MessageType.USER_CONTROL:
                event = int.from_bytes(message.payload[:2], "big")
                if event == UserControl.PING_REQUEST:
                    self._output.append(
                        user_control(UserControl.PING_RESPONSE, parse_number(message.payload, 2))
                    )
            case _:
                return False
        return True
