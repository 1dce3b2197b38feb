from __future__ import annotations

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from transport.media.aac import parse_config
from transport.media.silence import Silence


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (8_000, 2)])
def test_it_is_silent_in_every_rate(rate: int, channels: int) -> None:
    silence = Silence(rate, channels)
    config = parse_config(silence.track.parameter_sets[0])
    assert (config.object_type, config.sample_rate, config.channels) == (2, rate, channels)
    context = AudioCodecContext.create("aac", "r")
    context.extradata = silence.track.parameter_sets[0]
    frames = []
    for number in range(10):
        frames += context.decode(av.Packet(silence.unit(number * silence.frame_s, 0.0).data))
    assert sum(frame.samples for frame in frames) == 10 * 1024
    assert max(np.abs(frame.to_ndarray()).max() for frame in frames) < 1e-3


def test_units_carry_their_time() -> None:
    unit = Silence(48_000).unit(1.5, 7.0)
    assert (unit.pts, unit.dts, unit.received_at, unit.keyframe) == (72_000, 72_000, 7.0, True)


def test_another_rate_than_aac_has() -> None:
    assert Silence(47_999, 6).track.sample_rate == 48_000
    assert Silence(47_999, 6).track.channels == 2
