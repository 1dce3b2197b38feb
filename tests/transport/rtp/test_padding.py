from __future__ import annotations

import pytest

from tests.fakes.media import noise
from transport.rtp.header import parse, serialize_header
from transport.rtp.padding import PaddedPayload, SteadySize, even, pad, strip


@pytest.mark.parametrize("missing", [1, 2, 255])
def test_a_padded_packet_is_read_without_its_padding(missing: int) -> None:
    payload = noise(100, missing)
    padded = pad(payload, 100 + missing)
    assert isinstance(padded, PaddedPayload) and len(padded) == 100 + missing
    packet = parse(serialize_header(96, True, 1, 2, 3, padded=True) + padded)
    assert packet.payload == strip(padded) == payload


@pytest.mark.parametrize("size", [50, 100, 356])
def test_what_padding_cannot_do_stays_as_it_is(size: int) -> None:
    payload = noise(100, 1)
    assert pad(payload, size) is payload
    assert strip(payload) is payload


def test_a_few_bytes_make_the_fragments_of_a_picture_equal() -> None:
    payloads = [noise(1000, n) for n in range(9)] + [noise(990, 9)]
    assert {len(payload) for payload in even(payloads, 1000)} == {1000}


def test_what_would_cost_much_is_left_short() -> None:
    payloads = [noise(1000, 1), noise(1000, 2), noise(900, 3), noise(985, 4)]
    assert [len(payload) for payload in even(payloads, 1000)] == [1000, 1000, 900, 1000]


def test_sound_of_a_varying_rate_has_one_size() -> None:
    steady = SteadySize()
    sizes = [283, 282, 288, 280, 295, 281, 284, 294]
    padded = [steady.pad(noise(size, size), 1160) for size in sizes]
    assert [len(payload) for payload in padded] == [288] * 4 + [296] * 4
    assert [strip(payload) for payload in padded] == [noise(size, size) for size in sizes]


def test_silence_is_not_blown_up() -> None:
    steady = SteadySize()
    assert [len(steady.pad(noise(size, 1), 1160)) for size in (280, 3, 3, 280)] == [280, 8, 8, 280]


def test_padding_stays_within_what_fits() -> None:
    assert len(SteadySize().pad(noise(1159, 1), 1160)) == 1160
    assert len(SteadySize().pad(noise(1160, 1), 1160)) == 1160
