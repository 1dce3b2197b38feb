"""The RTMP(S) sink: takes what is published under known keys, and tells the faces what arrived.

The protocol is `transport.rtmp.server`; here are the sockets, the keys, and the ways in which an ingest can
be bad on request: cut off, silent, not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from pathlib import Path

from ops.sandbox.reception import StreamKey, StreamKeys
from ops.sandbox.recording import Recorder, Recording
from transport.errors import WireError
from transport.rtmp import flv
from transport.rtmp.server import Connecting, Event, Metadata, Publishing, ServerSession, Tag, Unpublished
from transport.rtmp.wire import MessageType

_READ_BYTES = 64 * 1024
_HANDSHAKE_BYTES = 1528
# How long a client that sends nothing at all is kept.
_IDLE_S = 30.0
_DRAIN_S = 5.0
_LATER_S = 0.1


class Sink:
    """Both listeners of the sink.

    Attributes:
        refuses_until: until then connections are closed at once; time.monotonic().
        deaf_until: until then nothing is read from anybody.
        connections: how many there are now.
    """

    def __init__(self, keys: StreamKeys, record: Path | None = None) -> None:
        self._keys = keys
        self._recorder = Recorder(record) if record is not None else None
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.refuses_until = 0.0
        self.deaf_until = 0.0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._tasks)

    async def start(self, plain: socket.socket, secure: socket.socket, context: ssl.SSLContext) -> None:
        """Begin to listen."""
        self._servers = [
            await asyncio.start_server(self._plain, sock=plain),
            await asyncio.start_server(self._secure, sock=secure, ssl=context, ssl_handshake_timeout=10),
        ]

    async def close(self) -> None:
        """Send everybody away."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _plain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(_Connection(self, reader, writer, secure=False))

    async def _secure(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(_Connection(self, reader, writer, secure=True))

    async def _serve(self, connection: _Connection) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await connection.run()
        except (OSError, WireError, TimeoutError):
            pass  # the client's trouble; what it sent until then is counted
        except asyncio.CancelledError:
            pass  # the sandbox ends
        finally:
            self._tasks.discard(task)
            connection.close()

    def find(self, app: str, name: str, *, secure: bool) -> tuple[StreamKey | None, str]:
        """The key that is published to, and why not, "" if it may be."""
        key = self._keys.find(app, name)
        if key is None:
            return None, "this stream key is not known"
        if key.secure_only and not secure:
            return key, "this stream key is for RTMPS only"
        return key, key.admit()

    def record(self, key: StreamKey) -> Recording | None:
        """A file for a new publication, where they are kept."""
        if self._recorder is None:
            return None
        recording = self._recorder.begin(key.platform)
        key.reception.recordings.append(str(recording.path))
        return recording


class _Connection:
    def __init__(
        self, sink: Sink, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
    ) -> None:
        self._sink = sink
        self._reader = reader
        self._writer = writer
        self._is_secure = secure
        self._session = ServerSession(os.urandom(_HANDSHAKE_BYTES), time.monotonic())
        self._key: StreamKey | None = None
        self._recording: Recording | None = None
        self._said_goodbye = False
        self._sending: asyncio.TimerHandle | None = None
        # Compared by identity: whoever publishes now is the one whose `cut` stands in the reception.
        self._cut = self._writer.transport.abort

    async def run(self) -> None:
        """Until the client leaves or is sent away.

        Raises:
            OSError, WireError, TimeoutError: how it ended.
        """
        if time.monotonic() < self._sink.refuses_until:
            self._writer.transport.abort()
            return
        while not self._session.is_ended:
            await self._hold_back()
            async with asyncio.timeout(self._patience_s()):
                data = await self._reader.read(_READ_BYTES)
            if not data:
                return
            was_live = self._session.is_live
            self._session.receive(data)
            while (event := self._session.next_event()) is not None:
                self._take(event)
            if was_live and self._session.is_live:
                self._send_soon()
            else:
                await self._send()

    def close(self) -> None:
        """Hang up, and tell the reception."""
        if self._sending is not None:
            self._sending.cancel()
        key = self._key
        if key is not None and key.reception.cut is self._cut:
            key.reception.end(said_goodbye=self._said_goodbye)
        if self._recording is not None:
            self._recording.close()
        self._writer.close()

    async def _hold_back(self) -> None:
        """Read nothing as long as that was asked for."""
        while True:
            until = self._sink.deaf_until
            if self._key is not None:
                until = max(until, self._key.reception.deaf_until)
            if (rest := until - time.monotonic()) <= 0:
                return
            await asyncio.sleep(min(rest, 0.05))

    def _patience_s(self) -> float:
        if self._session.deadline_at is None:
            return _IDLE_S
        return max(0.0, self._session.deadline_at - time.monotonic())

    def _send_soon(self) -> None:
        """Acknowledge, a little later.

        A client that ends its publication and closes answers what comes then with a reset, and with that
        the kernel throws away what it sent before and was not read yet: the very end of its goodbye.
        """
        if self._sending is None:
            self._sending = asyncio.get_running_loop().call_later(_LATER_S, self._send_now)

    def _send_now(self) -> None:
        self._sending = None
        self._writer.write(self._session.take_output())

    async def _send(self) -> None:
        self._writer.write(self._session.take_output())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._writer.drain()

    def _take(self, event: Event) -> None:
        match event:
            case Connecting():
                self._session.accept()
            case Publishing():
                self._publish(event)
            case Metadata():
                if self._key is not None:
                    self._key.reception.metadata = dict(event.values)
                if self._recording is not None:
                    self._recording.metadata(event.values)
            case Tag():
                self._media(event)
            case Unpublished():
                self._said_goodbye = True

    def _publish(self, event: Publishing) -> None:
        key, why_not = self._sink.find(event.app, event.key, secure=self._is_secure)
        if key is None or why_not:
            if key is not None:
                key.reception.refused += 1
            self._session.reject(why_not)
            return
        if (other := key.reception.cut) is not None:
            # An encoder that comes back before its old connection is seen to be dead takes over.
            key.reception.end()
            other()
        self._key = key
        key.reception.begin(secure=self._is_secure, cut=self._cut)
        self._recording = self._sink.record(key)
        self._session.accept()

    def _media(self, tag: Tag) -> None:
        key = self._key
        if key is None or key.reception.cut is not self._cut:
            return
        if self._recording is not None:
            self._recording.tag(tag.kind, tag.timestamp, tag.body)
        if tag.kind is MessageType.VIDEO:
            video = flv.parse_video(tag.body)
            if not (video.is_end or video.is_other):
                header = video.codec if video.is_header else ""
                keyframe = video.keyframe and not video.is_header
                key.reception.picture(tag.timestamp, len(tag.body), codec=header, keyframe=keyframe)
        else:
            audio = flv.parse_audio(tag.body)
            key.reception.sound(tag.timestamp, len(tag.body), codec=audio.codec if audio.is_header else "")
