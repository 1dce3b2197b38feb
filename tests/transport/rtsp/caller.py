"""An RTSP client for tests, which says exactly what it is told."""

from __future__ import annotations

import itertools
import socket
import ssl
from typing import Self


class RtspCaller:
    """Attributes:
    packets: (channel, packet) in the order they came.
    """

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.sock = socket.create_connection(address, 20)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.packets: list[tuple[int, bytes]] = []
        self._data = b""
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, method: str, uri: str, body: bytes = b"", **headers: str) -> None:
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {next(self._numbers)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def ask(self, method: str, uri: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Status and the whole response; packets that come before it are kept."""
        self.send(method, uri, body, **headers)
        return self.answer()

    def answer(self) -> tuple[int, str]:
        while True:
            while self._take_packet():
                pass
            head, blank, rest = self._data.partition(b"\r\n\r\n")
            if blank and not head.startswith(b"$"):
                size = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
                )
                if len(rest) >= size:
                    self._data = rest[size:]
                    return int(head.split()[1]), (head + blank + rest[:size]).decode()
            self._read()

    def receive(self, count: int) -> list[tuple[int, bytes]]:
        """At least so many packets from the beginning on."""
        while len(self.packets) < count:
            if not self._take_packet():
                self._read()
        return self.packets

    def ends(self) -> bool:
        """Wait until the server hangs up."""
        try:
            while True:
                self._read()
        except (ConnectionError, EOFError):
            return True

    def _take_packet(self) -> bool:
        if self._data[:1] != b"$" or len(self._data) < 4:
            return False
        end = 4 + int.from_bytes(self._data[2:4], "big")
        if len(self._data) < end:
            return False
        self.packets.append((self._data[1], self._data[4:end]))
        self._data = self._data[end:]
        return True

    def _read(self) -> None:
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError
        self._data += data
