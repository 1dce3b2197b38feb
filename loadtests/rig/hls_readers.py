"""Players over HLS, those that know parts and those that do not, without a picture: a program of its own.

    python -m loadtests.rig.hls_readers http://HOST:PORT/….m3u8 READERS parts|segments

Tells what came, see `receipts.py`, until it is ended. A player fetches the playlist of the first variant and
of its sound, if that has one of its own, each over a connection that is kept, and with parts by asking for
the next one before it is there (RFC 8216bis section 6.2.5.2). What they get is checked to be fragmented MP4.
"""

from __future__ import annotations

import asyncio
import re
import sys
from itertools import pairwise
from urllib.parse import SplitResult, urljoin, urlsplit

from loadtests.rig.receipts import Tally

_ATTRIBUTE = re.compile(r'([A-Z-]+)=("[^"]*"|[^,]*)')
#: A player without parts asks again after about a segment.
_SEGMENT_S = 2.0
_APART_S = 0.01
#: Types of the boxes that a fragment begins with.
_BEGINNINGS = (b"moof", b"styp", b"prft", b"emsg", b"sidx")


class Connection:
    """Kept open; follows redirections, and keeps cookies with the player's other connections."""

    def __init__(self, url: str, cookies: dict[str, str]) -> None:
        self._parts: SplitResult = urlsplit(url)
        self._cookies = cookies

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def fetch(self, url: str) -> tuple[str, bytes]:
        """What an address holds, and the address that it has in the end."""
        while True:
            parts = urlsplit(url)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            known = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            cookie = f"Cookie: {known}\r\n" if known else ""
            self._writer.write(
                f"GET {target} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n{cookie}\r\n".encode()
            )
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(re.findall(r"(?im)^([\w-]+): *(.*?)\r$", head.lower()))
            body = await self._body(fields)
            self._cookies.update(re.findall(r"(?im)^set-cookie: *([^=\r]+)=([^;\r]*)", head))
            if head[9:12] in ("301", "302", "303", "307"):
                url = urljoin(url, re.search(r"(?im)^location: *(.*?)\r$", head)[1])  # type: ignore[index]
                continue
            if not head.startswith("HTTP/1.1 200"):
                raise ValueError(f"{url}: {head.splitlines()[0]} {body[:200]!r}")
            return url, body

    async def _body(self, fields: dict[str, str]) -> bytes:
        if "content-length" in fields:
            return await self._reader.readexactly(int(fields["content-length"]))
        if fields.get("transfer-encoding") != "chunked":
            return b""
        pieces = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(pieces)


def attributes(line: str) -> dict[str, str]:
    """Of a tag (RFC 8216 section 4.2)."""
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}


def playlists(text: str, url: str) -> list[str]:
    """Addresses of the media playlists that a player of the first variant follows."""
    found: list[str] = []
    group = ""
    lines = text.splitlines()
    for line, following in pairwise(lines):
        if line.startswith("#EXT-X-STREAM-INF") and not found:
            found.append(urljoin(url, following))
            group = attributes(line).get("AUDIO", "")
    for line in lines:
        if line.startswith("#EXT-X-MEDIA:"):
            media = attributes(line)
            if media["TYPE"] == "AUDIO" and media["GROUP-ID"] == group and "URI" in media:
                found.append(urljoin(url, media["URI"]))
                break
    return found


Place = tuple[int, int]


def media(text: str, *, parts: bool) -> tuple[list[tuple[Place, str]], Place]:
    """What a media playlist lists, in order: its place and where it is; and the place of what comes next."""
    found: list[tuple[Place, str]] = []
    number, part = 0, 0
    for line in text.splitlines():
        if line.startswith("#EXT-X-MEDIA-SEQUENCE:"):
            number = int(line.partition(":")[2])
        elif line.startswith("#EXT-X-SKIP:"):
            number += int(attributes(line)["SKIPPED-SEGMENTS"])
        elif line.startswith("#EXT-X-PART:"):
            if parts:
                found.append(((number, part), attributes(line)["URI"]))
            part += 1
        elif line and not line.startswith("#"):
            if not parts:
                found.append(((number, 0), line))
            number, part = number + 1, 0
    return found, (number, part if parts else 0)


async def _follow(url: str, cookies: dict[str, str], number: int, tally: Tally, *, parts: bool) -> None:
    connection = Connection(url, cookies)
    await connection.open()
    wanted: Place | None = None
    while True:
        query = f"_HLS_msn={wanted[0]}&_HLS_part={wanted[1]}" if parts and wanted is not None else ""
        joint = "&" if "?" in url else "?"
        base, body = await connection.fetch(f"{url}{joint}{query}" if query else url)
        found, following = media(body.decode(), parts=parts)
        new = [name for place, name in found if place >= wanted] if wanted is not None else [found[-1][1]]
        for name in new:
            _, data = await connection.fetch(urljoin(base, name))
            if data[4:8] not in _BEGINNINGS:
                raise ValueError(f"{name} begins with {data[:8]!r}")
            tally.payload_bytes[number] += len(data)
        wanted = following
        if not parts:
            await asyncio.sleep(_SEGMENT_S)


async def _watch(url: str, number: int, tally: Tally, *, parts: bool) -> None:
    cookies: dict[str, str] = {}
    connection = Connection(url, cookies)
    await connection.open()
    base, body = await connection.fetch(url)
    async with asyncio.TaskGroup() as group:
        for playlist in playlists(body.decode(), base):
            group.create_task(_follow(playlist, cookies, number, tally, parts=parts))


async def _run(url: str, readers: int, *, parts: bool) -> None:
    tally = Tally(readers)
    async with asyncio.TaskGroup() as group:
        for number in range(readers):
            group.create_task(_watch(url, number, tally, parts=parts))
            await asyncio.sleep(_APART_S)


def main() -> None:
    """The command."""
    url, readers, kind = sys.argv[1:]
    asyncio.run(_run(url, int(readers), parts=kind == "parts"))


if __name__ == "__main__":
    main()
