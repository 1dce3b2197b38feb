"""Publishing over RTMP, the client's side without I/O: bytes and `now` in; bytes, a state and a deadline out.

The order of commands is that of Adobe's Flash Media Live Encoder, which every platform understands. The shell
around it is `endpoint.py`, the opposite side `server.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import LinkError, StateError, WireError
from transport.rtmp.address import RtmpTarget
from transport.rtmp.amf0 import EcmaArray, Value
from transport.rtmp.conversation import Command, Conversation, parse_command
from transport.rtmp.wire import (
    AUDIO_CHUNK_STREAM,
    VIDEO_CHUNK_STREAM,
    MessageType,
    chunk_header,
    split_body,
)

#: Most of what a session sends fits in one chunk of this size; the protocol's own upper limit is 65,536.
CHUNK_BYTES = 60_000

# A server has nothing long to say.
_MAX_MESSAGE_BYTES = 1 << 20
_AGENT = "FMLE/3.0 (compatible; Streamer)"

#: Media travels on chunk streams of its own, so that its headers can be made without looking at others.
CHUNK_STREAMS = {MessageType.AUDIO: AUDIO_CHUNK_STREAM, MessageType.VIDEO: VIDEO_CHUNK_STREAM}


class State(enum.Enum):
    """Where a session is; only forward."""

    HANDSHAKE = "handshake"
    CONNECTING = "connect"
    CREATING = "createStream"
    ASKING = "publish"
    LIVE = "live"
    ENDED = "ended"


# Reasons by the code a server sends: of the answers to "connect" and of onStatus.
_REASONS = {
    "NetConnection.Connect.InvalidApp": "not_found",
    "NetConnection.Connect.Closed": "ended",
    "NetConnection.Connect.AppShutdown": "ended",
    "NetStream.Publish.BadName": "occupied",
    "NetStream.Publish.Denied": "unauthorized",
    "NetStream.Publish.Unauthorized": "unauthorized",
    "NetStream.Authenticate.Failed": "unauthorized",
    "NetStream.Unpublish.Success": "ended",
}
_WORDS = {
    "not_found": "the server has no such application",
    "ended": "the server ended the session",
    "occupied": "the server says that somebody publishes with this key already, or that it is wrong",
    "unauthorized": "the server does not accept the key",
    "refused": "the server refused",
}


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Times and abilities of a session.

    Attributes:
        handshake_timeout_s: from the first byte to the end of the handshake.
        command_timeout_s: from there to the permission to send.
        chunk_bytes: most bytes of media per chunk.
        four_ccs: what Enhanced RTMP is announced for, such as ("hvc1",); empty for not at all.
    """

    handshake_timeout_s: float = 10.0
    command_timeout_s: float = 10.0
    chunk_bytes: int = CHUNK_BYTES
    four_ccs: tuple[str, ...] = ()


class ClientSession:
    """One publication. Nothing of it may be used from two threads at once.

    Args:
        target: where to publish.
        random: 1528 bytes for the handshake.
        now: time.monotonic().
        options: see there.

    Attributes:
        state: where it is.
        failure: why it ended, None before.
        deadline_at: when `handle_timeout` wants to be called, None for never.
    """

    def __init__(
        self, target: RtmpTarget, random: bytes, now: float, options: SessionOptions | None = None
    ) -> None:
        self.state = State.HANDSHAKE
        self.failure: LinkError | None = None
        self._target = target
        self._options = options or SessionOptions()
        self.deadline_at: float | None = now + self._options.handshake_timeout_s
        self._conversation = Conversation(random, initiates=True, max_message_bytes=_MAX_MESSAGE_BYTES)
        self._transaction = 0.0
        self._awaited = 0.0
        self._stream_id = 0

    @property
    def chunk_bytes(self) -> int:
        """Most bytes of a message's body in one chunk."""
        return self._conversation.chunk_bytes

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the server. What it does wrong ends the session, see `failure`."""
        if self.state is State.ENDED:
            return
        try:
            messages = self._conversation.receive(data)
            if self.state is State.HANDSHAKE and self._conversation.is_open:
                self._connect(now)
            for message in messages:
                if message.type in (MessageType.COMMAND, MessageType.COMMAND_AMF3):
                    self._command(parse_command(message))
        except WireError as error:
            self._fail("unsupported", f"the server's answer is not RTMP: {error}")

    def receive_end(self) -> None:
        """The server closed the connection."""
        words = {
            State.HANDSHAKE: "the server hung up in the handshake: it may want the other of rtmp and rtmps",
            State.ASKING: "the server hung up instead of accepting the key",
            State.LIVE: "the server hung up",
        }
        self._fail(
            "ended", words.get(self.state, f'the server hung up instead of answering "{self.state.value}"')
        )

    def handle_timeout(self, now: float) -> None:
        """End the session if its deadline has passed."""
        if self.deadline_at is not None and now >= self.deadline_at:
            what = "the handshake" if self.state is State.HANDSHAKE else f'"{self.state.value}"'
            self._fail("timeout", f"the server did not answer {what} in time")

    def media(
        self, kind: MessageType, timestamp: int, body: bytes, pieces: Sequence[bytes] = ()
    ) -> list[bytes]:
        """One audio or video message in buffers to be sent together.

        Args:
            kind: AUDIO or VIDEO.
            timestamp: milliseconds.
            body: an FLV tag's.
            pieces: what `split_body` makes of it with `chunk_bytes` and the kind's chunk stream, where many
                sessions send the same; made anew if the timestamp asks for it.

        Raises:
            StateError: not live.
        """
        if self.state is not State.LIVE:
            raise StateError(f"an RTMP session sends media when live, not in state {self.state.name}")
        chunk_stream = CHUNK_STREAMS[kind]
        header = chunk_header(chunk_stream, kind, timestamp, self._stream_id, len(body))
        if not pieces or (len(pieces) > 1 and len(header) > 12):
            pieces = split_body(body, chunk_stream, self.chunk_bytes, timestamp)
        return [header, *pieces]

    def send_metadata(self, values: dict[str, Value], timestamp: int = 0) -> None:
        """Queue onMetaData, which describes the tracks to players.

        Raises:
            StateError: not live.
        """
        if self.state is not State.LIVE:
            raise StateError(f"an RTMP session sends metadata when live, not in state {self.state.name}")
        self._conversation.send_data(
            "@setDataFrame",
            "onMetaData",
            EcmaArray(values),
            stream_id=self._stream_id,
            timestamp=timestamp,
        )

    def finish(self) -> None:
        """Queue the goodbye: unpublish and delete the stream. Ends the session."""
        if self.state in (State.ASKING, State.LIVE):
            self._call("FCUnpublish", None, self._target.key)
            self._call("deleteStream", None, float(self._stream_id))
        self._fail("ended", "closed")

    def take_output(self) -> bytes:
        """What is to be sent now; ask after every call."""
        return self._conversation.take_output()

    def _connect(self, now: float) -> None:
        self.deadline_at = now + self._options.command_timeout_s
        self.state = State.CONNECTING
        self._conversation.announce_chunk_bytes(self._options.chunk_bytes)
        target = self._target
        values: dict[str, Value] = {
            "app": target.app,
            "type": "nonprivate",
            "flashVer": _AGENT,
            "tcUrl": target.tc_url,
        }
        if self._options.four_ccs:
            values["fourCcList"] = list(self._options.four_ccs)
        self._awaited = self._call("connect", values)

    def _call(self, name: str, *values: Value, stream_id: int = 0) -> float:
        self._transaction += 1
        self._conversation.send_command(name, self._transaction, *values, stream_id=stream_id)
        return self._transaction

    def _command(self, command: Command) -> None:
        match command.name:
            case "_result" if command.transaction == self._awaited:
                self._answered(command)
            case "_error" if command.transaction == self._awaited and self.state is not State.LIVE:
                self._refused(command.value(1))
            case "onStatus":
                self._status(command.value(1))
            case "close":
                self._fail("ended", _WORDS["ended"])

    def _answered(self, command: Command) -> None:
        if self.state is State.CONNECTING:
            self._conversation.announce_window()
            self._call("releaseStream", None, self._target.key)
            self._call("FCPublish", None, self._target.key)
            self._awaited = self._call("createStream", None)
            self.state = State.CREATING
        elif self.state is State.CREATING:
            number = command.value(1)
            if not isinstance(number, float) or not 0 <= number < 1 << 32:
                raise WireError("createStream was answered without a stream id")
            self._stream_id = int(number)
            self._awaited = self._call("publish", None, self._target.key, "live", stream_id=self._stream_id)
            self.state = State.ASKING

    def _status(self, info: Value) -> None:
        if not isinstance(info, dict):
            return
        code = info.get("code")
        if code == "NetStream.Publish.Start" and self.state is State.ASKING:
            self.state = State.LIVE
            self.deadline_at = None
        elif info.get("level") == "error" or code in _REASONS:
            self._refused(info)

    def _refused(self, info: Value) -> None:
        """End with what the server says: `code` and `description` of its information object."""
        said = info if isinstance(info, dict) else {}
        code, description = str(said.get("code") or ""), str(said.get("description") or "")
        reason = _REASONS.get(code, "refused")
        if code == "NetConnection.Connect.Rejected" and "auth" in description.lower():
            reason = "unauthorized"
        told = self._target.redact(" ".join(filter(None, (code, description))))
        self._fail(reason, _WORDS[reason] + (f": {told}" if told else ""))

    def _fail(self, reason: str, message: str) -> None:
        if self.failure is None:
            self.failure = LinkError(reason, message)
        self.state = State.ENDED
        self.deadline_at = None
