"""A listener with a few streams, its callers, and what the tests wait for."""

from __future__ import annotations

import queue
import select
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

from transport.errors import TransportError
from transport.srt import (
    Admission,
    ConnectError,
    Refused,
    RejectReason,
    SrtConnection,
    SrtListener,
    SrtOptions,
    SrtTarget,
    StreamId,
    connect,
)

PASSPHRASE = "correct horse battery"
WAIT_S = 15.0


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)


def native_threads() -> list[str]:
    """Names of libsrt's threads in this process, but for the one that lives as long as the library."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile
    return [name for name in names if name.startswith("SRT:") and name != "SRT:GC"]


class Refusing:
    """A listener that refuses with a number of libsrt's own, as gosrt does, MediaMTX's library.

    Attributes:
        port: on 127.0.0.1.
    """

    #: Header, and what a handshake begins with (draft-sharabayko-srt section 3.2.1).
    _HANDSHAKE = struct.Struct("!IIII IHHIIIiII")

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(WAIT_S)
        self._socket.close()

    def _run(self) -> None:
        while True:
            data, caller = self._socket.recvfrom(2048)
            if not data:
                return
            if len(data) < 64 or data[:4] != b"\x80\0\0\0":
                continue
            *_, seq, mtu, window, kind, socket_id, _ = self._HANDSHAKE.unpack_from(data)
            kind, magic = (1, 0x4A17) if kind == 1 else (1000 + self._number, 0)
            head = (0x8000_0000, 0, 0, socket_id)
            answer = self._HANDSHAKE.pack(*head, 5, 0, magic, seq, mtu, window, kind, 7, 7)
            self._socket.sendto(answer + socket.inet_aton("1.0.0.127") + bytes(12), caller)


def run_program(program: str, *arguments: str) -> str:
    """What a program in Python says, which has libsrt for itself."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout


class HandshakesLate:
    """A line to a listener on which a caller's handshakes take their time, and everything else none.

    What a caller repeats meanwhile is lost: it would overtake its end, which a true line does not do.

    Args:
        port: the listener's, on 127.0.0.1.
        delay_s: of a handshake.
    """

    def __init__(self, port: int, delay_s: float) -> None:
        self._delay_s = delay_s
        self._caller_side = socket.socket(type=socket.SOCK_DGRAM)
        self._caller_side.bind(("127.0.0.1", 0))
        self._listener_side = socket.socket(type=socket.SOCK_DGRAM)
        self._listener_side.connect(("127.0.0.1", port))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        port: int = self._caller_side.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._caller_side.close()
        self._listener_side.close()

    def _run(self) -> None:
        late: list[tuple[float, bytes]] = []
        seen: set[bytes] = set()
        caller: tuple[str, int] | None = None
        while not self._over.is_set():
            readable, _, _ = select.select([self._caller_side, self._listener_side], [], [], 0.01)
            if self._caller_side in readable:
                datagram, caller = self._caller_side.recvfrom(2048)
                if datagram.startswith(b"\x80\x00\x00\x00"):
                    if datagram[12:] not in seen:
                        seen.add(datagram[12:])
                        late.append((time.monotonic() + self._delay_s, datagram))
                else:
                    self._listener_side.send(datagram)
            if self._listener_side in readable and caller is not None:
                self._caller_side.sendto(self._listener_side.recv(2048), caller)
            while late and late[0][0] <= time.monotonic():
                self._listener_side.send(late.pop(0)[1])


class Rig:
    def __init__(self, options: SrtOptions | None = None, host: str = "127.0.0.1") -> None:
        self.streams: dict[str, Admission] = {"cam": Admission(PASSPHRASE, 16), "open": Admission(None)}
        self.refusals: dict[str, RejectReason] = {}
        self.asked: list[tuple[StreamId, tuple[str, int]]] = []
        self.accepted: queue.Queue[SrtConnection] = queue.Queue()
        self.refused: queue.Queue[TransportError] = queue.Queue()
        self._made: list[SrtConnection] = []
        self.listener = SrtListener(
            (host, 0),
            options or SrtOptions(),
            self._admit,
            self._take,
            lambda _, error: self.refused.put(error),
        )
        self.port = self.listener.address[1]

    def _admit(self, stream_id: StreamId, peer: tuple[str, int]) -> Admission:
        self.asked.append((stream_id, peer))
        if stream_id.resource in self.refusals:
            raise Refused(self.refusals[stream_id.resource], "as told")
        return self.streams[stream_id.resource]

    def _take(self, connection: SrtConnection) -> None:
        self._made.append(connection)
        self.accepted.put(connection)

    def call(
        self, stream_id: str = "publish:cam", options: SrtOptions | None = None, host: str = "127.0.0.1"
    ) -> SrtConnection:
        options = options or SrtOptions(passphrase=PASSPHRASE)
        connection = connect(SrtTarget("caller", host, self.port, stream_id, 0, options))
        self._made.append(connection)
        return connection

    def pair(
        self, stream_id: str = "publish:cam", options: SrtOptions | None = None
    ) -> tuple[SrtConnection, SrtConnection]:
        """A caller's side and the listener's side of one connection."""
        caller = self.call(stream_id, options)
        return caller, self.accepted.get(timeout=WAIT_S)

    def rejected(self, stream_id: str, options: SrtOptions | None = None) -> ConnectError:
        try:
            self.call(stream_id, options or SrtOptions())
        except ConnectError as error:
            return error
        raise AssertionError(f"{stream_id} was let in")

    def close(self) -> None:
        self.listener.close()
        for connection in self._made:
            connection.close()
