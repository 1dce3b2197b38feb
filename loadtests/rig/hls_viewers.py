"""Viewers over HLS, as players that know parts and as those that do not: a program of its own.

    python -m loadtests.rig.hls_viewers PORT STREAM COUNT parts|segments

They check that what they get is fragmented MP4 and throw it away; who gets anything else ends the program.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence

_PART = re.compile(r'#EXT-X-PART:DURATION=[\d.]+,URI="([0-9a-f]+-(\d+)\.(\d+)\.m4s[^"]*)"')
_SEGMENT = re.compile(r"^([0-9a-f]+-(\d+)\.m4s.*)$", re.MULTILINE)
#: A player without parts asks again after about a segment.
_SEGMENT_S = 2.0


class Viewer:
    """One connection, kept open."""

    def __init__(self, port: int, stream: str) -> None:
        self._port = port
        self._base = f"/hls/{stream}/"

    async def watch(self, *, parts: bool) -> None:
        """Fetch for ever."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        playlist = (await self._fetch("index.m3u8?early=1")).decode().splitlines()[-1]
        wanted: tuple[int, int] | None = None
        while True:
            query = f"&_HLS_msn={wanted[0]}&_HLS_part={wanted[1]}" if parts and wanted is not None else ""
            text = (await self._fetch(playlist + query)).decode()
            found = [
                (name, (int(number), int(part) if parts else 0))
                for name, number, part in (
                    _PART.findall(text) if parts else ((*each, "0") for each in _SEGMENT.findall(text))
                )
            ]
            new = [each for each in found if wanted is None or each[1] >= wanted] if found else []
            for name, at in new if wanted is not None else new[-1:]:
                await self._media(name)
                wanted = (at[0], at[1] + 1) if parts else (at[0] + 1, 0)
            if not parts:
                await asyncio.sleep(_SEGMENT_S)

    async def _media(self, name: str) -> None:
        data = await self._fetch(name)
        if data[4:8] != b"moof":
            raise ValueError(f"{name} begins with {data[:8]!r}")

    async def _fetch(self, name: str) -> bytes:
        self._writer.write(f"GET {self._base}{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        body = await self._reader.readexactly(length)
        if not head.startswith("HTTP/1.1 200"):
            raise ValueError(f"{name}: {head.splitlines()[0]} {body[:200]!r}")
        return body


async def _run(port: int, stream: str, count: int, *, parts: bool) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(Viewer(port, stream).watch(parts=parts))
            await asyncio.sleep(0.01)


def main(arguments: Sequence[str]) -> None:
    """The program."""
    port, stream, count, kind = arguments
    asyncio.run(_run(int(port), stream, int(count), parts=kind == "parts"))


if __name__ == "__main__":
    main(sys.argv[1:])
