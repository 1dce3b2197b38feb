from __future__ import annotations

import pytest

from tests.transport.media.test_aac import adts
from transport.errors import WireError
from transport.media.adts import AdtsReader
from transport.media.audioframe import UnsupportedAudio
from transport.media.program_config import read_element

# Of ffmpeg: four channels, and the configuration that its MP4 muxer makes of it.
ELEMENT = bytes.fromhex("a098808004220d4c61766335392e33372e313030")
CONFIG = bytes.fromhex("118004c4040021100d4c61766335392e33372e313030")


def frame(payload: bytes, channels: int = 0, rate: int = 3) -> bytes:
    return adts(channels=channels, rate=rate, size=7 + len(payload)) + payload


def test_channels_of_an_element_are_known_from_then_on() -> None:
    reader = AdtsReader()
    for payload in (ELEMENT + b"\x21\x00", b"\x21\x10"):
        data = frame(payload)
        header = reader.parse(data, 0)
        assert header is not None
        found, taken = reader.unpack(header, data)
        assert (found.channels, found.config, taken) == (4, CONFIG, payload)


def test_another_rate_is_another_configuration() -> None:
    reader = AdtsReader()
    data = frame(ELEMENT, rate=4)
    header = reader.parse(data, 0)
    assert header is not None
    assert reader.unpack(header, data)[0].config == b"\x12\x00" + CONFIG[2:]


def test_before_any_element_the_channels_are_not_known() -> None:
    reader = AdtsReader()
    data = frame(b"\x21\x10")
    header = reader.parse(data, 0)
    assert header is not None
    with pytest.raises(UnsupportedAudio, match="which channels"):
        reader.unpack(header, data)


def test_a_number_needs_no_element() -> None:
    reader = AdtsReader()
    data = frame(b"\x21\x10", channels=2)
    header = reader.parse(data, 0)
    assert header is not None
    assert reader.unpack(header, data)[0].channels == 2
    assert reader.parse(data[:6], 0) is None


def test_an_element_that_is_cut_is_refused() -> None:
    for size in range(1, len(ELEMENT)):
        with pytest.raises(WireError):
            read_element(ELEMENT[:size])
