from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ops.components.relays import Stills, srt_url
from streamer.relay.destination import Destination, Settings
from streamer.relay.look import Look
from transport.errors import WireError
from transport.media import Codec
from transport.srt.wire import parse_srt_url

LOOK = Look(Codec.H264, 64, 64, 5.0)


async def test_a_still_picture_is_made_once_for_all_relays() -> None:
    stills = Stills()
    one, two = await asyncio.gather(stills.make(LOOK, None), stills.make(LOOK, None))
    assert one is two
    assert await stills.make(Look(Codec.H264, 96, 64, 5.0), None) is not one


async def test_one_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    stills = Stills()
    for _ in range(2):
        with pytest.raises(WireError):
            await stills.make(LOOK, tmp_path / "missing.png")


def srt(url: str, passphrase: str | None = None) -> str:
    made = Destination(
        id="1",
        stream="cam",
        name="one",
        settings=Settings(url=url, latency_ms=500, pbkeylen=16),
        passphrase=passphrase,  # type: ignore[arg-type]
    )
    return srt_url(made, url)


def test_what_is_said_beside_an_srt_address() -> None:
    options = parse_srt_url(srt("srt://192.0.2.1:9000", "with spaces & more")).options
    assert (options.latency_ms, options.passphrase, options.pbkeylen) == (500, "with spaces & more", 16)
    said = parse_srt_url(srt("srt://192.0.2.1:9000?latency=80&streamid=a%20b")).options
    assert (said.latency_ms, said.passphrase) == (80, None)
