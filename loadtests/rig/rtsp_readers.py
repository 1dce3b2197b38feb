"""RTSP clients that read a stream between the requests (RFC 2326 section 10.12) and drop what comes.

    python -m loadtests.rig.rtsp_readers rtsp://HOST:PORT/NAME READERS

Tells what came, see `receipts.py`, until it is ended. Every packet's frame is looked at: whoever gets
something that is none, or a packet that does not follow the one before, ends the program.
"""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import urlsplit

from loadtests.rig.receipts import Tally

_CONTROL = re.compile(r"^a=control:(\S+)", re.MULTILINE)
_SETTLE_S = 0.01


class Client:
    """One connection."""

    def __init__(self, url: str, number: int, tally: Tally) -> None:
        self._url = url
        self._number = number
        self._tally = tally
        self._cseq = 0
        self._session = ""
        self._next: dict[int, int] = {}

    async def read(self) -> None:
        """Ask for everything that is described, and take it for ever."""
        parts = urlsplit(self._url)
        self._reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        head, body = await self._ask("DESCRIBE", self._url, "Accept: application/sdp\r\n")
        base = re.search(r"(?im)^content-base: *(\S+)", head)
        above = (base[1] if base else self._url).rstrip("/")
        _, *media = re.split(r"^m=", body, flags=re.MULTILINE)
        for track, text in enumerate(media):
            (control,) = _CONTROL.findall(text)
            address = control if "://" in control else f"{above}/{control}"
            way = f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}\r\n"
            head, _ = await self._ask("SETUP", address, way)
            self._session = re.search(r"(?im)^session: *([^;\s]+)", head)[1]  # type: ignore[index]
        self._send("PLAY", above, "")
        await self._take()

    def _send(self, method: str, url: str, fields: str) -> None:
        self._cseq += 1
        session = f"Session: {self._session}\r\n" if self._session else ""
        self._writer.write(f"{method} {url} RTSP/1.0\r\nCSeq: {self._cseq}\r\n{session}{fields}\r\n".encode())

    async def _ask(self, method: str, url: str, fields: str) -> tuple[str, str]:
        self._send(method, url, fields)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        if not head.startswith("RTSP/1.0 200"):
            raise ValueError(f"{method} {url}: {head}")
        length = re.search(r"(?im)^content-length: *(\d+)", head)
        return head, (await self._reader.readexactly(int(length[1]))).decode() if length else ""

    async def _take(self) -> None:
        reader, waiting = self._reader, bytearray()
        while data := await reader.read(65536):
            waiting += data
            at = 0
            while len(waiting) - at >= 4:
                if waiting[at] != 0x24:
                    at = self._skip_response(waiting, at)
                    if at < 0:
                        break
                    continue
                end = at + 4 + int.from_bytes(waiting[at + 2 : at + 4], "big")
                if end > len(waiting):
                    break
                self._count(waiting[at + 1], waiting[at + 4 : at + 8], end - at - 4)
                at = end
            if at > 0:
                del waiting[:at]
        raise ValueError("the server hung up")

    @staticmethod
    def _skip_response(waiting: bytearray, at: int) -> int:
        """Where what follows begins; -1 if that has not come yet."""
        if not waiting.startswith(b"RTSP/1.0 200", at):
            if b"RTSP/1.0 200".startswith(waiting[at : at + 12]):
                return -1
            raise ValueError(f"no packet and no answer: {bytes(waiting[at : at + 80])!r}")
        end = waiting.find(b"\r\n\r\n", at)
        return end + 4 if end >= 0 else -1

    def _count(self, channel: int, head: bytearray, size: int) -> None:
        if channel % 2:
            return  # RTCP
        seq = int.from_bytes(head[2:4], "big")
        if seq != self._next.get(channel, seq):
            raise ValueError(f"packet {seq} where {self._next[channel]} was due")
        self._next[channel] = (seq + 1) & 0xFFFF
        self._tally.payload_bytes[self._number] += size - 12


async def _run(url: str, readers: int) -> None:
    tally = Tally(readers)
    async with asyncio.TaskGroup() as group:
        for number in range(readers):
            group.create_task(Client(url, number, tally).read())
            await asyncio.sleep(_SETTLE_S)


def main() -> None:
    """The command."""
    url, readers = sys.argv[1:]
    asyncio.run(_run(url, int(readers)))


if __name__ == "__main__":
    main()
