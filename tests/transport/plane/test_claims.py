from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.plane import FakePlane
from tests.fakes.viewer import audio_subscription, video_subscription
from transport.media import Codec
from transport.plane.claims import Claims

PLANE = FakePlane()
VIDEO = PLANE.feed(Codec.H264, 90_000, epoch_s=0.0)
AUDIO = PLANE.feed(Codec.OPUS, 48_000, epoch_s=0.0)


@pytest.fixture
def claims() -> Claims:
    claims = Claims()
    assert not claims
    claims.claim(video_subscription(0x1000), VIDEO)
    assert claims
    return claims


def test_a_subscription_may_move_and_others_may_come(claims: Claims) -> None:
    claims.claim(video_subscription(0x1000), PLANE.feed(Codec.H264, 90_000, epoch_s=1.0))
    claims.claim(video_subscription(0x1000, rtx=False), VIDEO)
    claims.claim(audio_subscription(0x2000), AUDIO)


@pytest.mark.parametrize("feed", [AUDIO, PLANE.feed(Codec.H264, 1000, epoch_s=0.0)])
def test_a_stream_stays_what_it_is(claims: Claims, feed: object) -> None:
    with pytest.raises(ValueError, match="codec or clock rate"):
        claims.claim(video_subscription(0x1000), feed)  # type: ignore[arg-type]


@pytest.mark.parametrize("ssrc", [0x1001, 0xFFF])
def test_media_and_its_repair_have_numbers_of_their_own(claims: Claims, ssrc: int) -> None:
    with pytest.raises(ValueError, match="in use"):
        claims.claim(video_subscription(ssrc), VIDEO)


def test_one_number_repairs_one_stream(claims: Claims) -> None:
    with pytest.raises(ValueError, match="rtx ssrc"):
        claims.claim(replace(video_subscription(0x3000), rtx_ssrc=0x1001), VIDEO)
    with pytest.raises(ValueError, match="in use"):
        claims.claim(replace(video_subscription(0x3000), rtx_ssrc=0x3000), VIDEO)


@pytest.mark.parametrize("change", [{"ssrc": -1}, {"ssrc": 1 << 32}, {"rtx_ssrc": 1 << 32}])
def test_numbers_have_32_bits(claims: Claims, change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        claims.claim(replace(video_subscription(0x3000), **change), VIDEO)  # type: ignore[arg-type]
