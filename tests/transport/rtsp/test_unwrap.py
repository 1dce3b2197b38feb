from __future__ import annotations

import pytest

from tests.transport.media.sources import sound_units, tone
from transport.errors import WireError
from transport.media import Codec
from transport.rtp.sound import packetize_sound
from transport.rtsp.unwrap import Unwrapper, unwrapper

HBR = {"sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}


def pushed(unwrapper: Unwrapper, payloads: list[bytes], *, broken_at: int = -1) -> list[bytes]:
    last = len(payloads) - 1
    return [
        frame
        for number, payload in enumerate(payloads)
        for frame in unwrapper.push(payload, marker=number == last, is_broken=number == broken_at)
    ]


@pytest.mark.parametrize("most", [100, 300, 1400])
@pytest.mark.parametrize("codec", [Codec.AAC, Codec.MP2, Codec.MP3, Codec.AC3])
def test_it_is_the_way_back(codec: Codec, most: int) -> None:
    units = sound_units(codec, tone(0.3, 48_000), 48_000)
    found = unwrapper(codec, HBR)
    assert [pushed(found, packetize_sound(unit, most)) for unit in units] == [[unit.data] for unit in units]


@pytest.mark.parametrize("codec", [Codec.AAC, Codec.MP2, Codec.AC3])
def test_a_frame_of_which_something_is_missing_is_left_out_and_the_next_is_not(codec: Codec) -> None:
    first, second = sound_units(codec, tone(0.3, 48_000), 48_000)[:2]
    found = unwrapper(codec, HBR)
    payloads = packetize_sound(first, 150)
    assert len(payloads) > 2
    assert pushed(found, [payloads[0], *payloads[2:]], broken_at=1) == []
    assert pushed(found, packetize_sound(second, 150)) == [second.data]


def test_several_frames_of_aac_in_a_packet() -> None:
    header = (32).to_bytes(2, "big") + (3 << 3).to_bytes(2, "big") + (2 << 3).to_bytes(2, "big")
    assert unwrapper(Codec.AAC, HBR).push(header + b"abcde", marker=True, is_broken=False) == [b"abc", b"de"]


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        (Codec.AAC, b"\xff\xff"),
        (Codec.AAC, b"\x00\x08\x01"),
        (Codec.AAC, b"\x00\x20\x00\x18\x00\x18abcd"),
        (Codec.MP2, b"\0\0\0\0"),
        (Codec.MP2, b"\0\0\0\0nonsense"),
        (Codec.AC3, b"\0\1"),
    ],
)
def test_nonsense(codec: Codec, payload: bytes) -> None:
    with pytest.raises(WireError):
        unwrapper(codec, HBR).push(payload, marker=True, is_broken=False)


@pytest.mark.parametrize("parameters", [{}, {"sizelength": "x"}, {"sizelength": "17"}, {"sizelength": "0"}])
def test_headers_of_no_length(parameters: dict[str, str]) -> None:
    with pytest.raises(WireError):
        unwrapper(Codec.AAC, parameters)
