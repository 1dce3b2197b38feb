"""Silence as AAC frames, for receivers that demand sound where a stream has none."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from transport.media.aac import FRAME_SAMPLES
from transport.media.unit import AccessUnit, Codec, Track

#: Rates that the encoder takes.
_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_DEFAULT_RATE = 48_000
# By then the encoder has forgotten its beginning, and every frame is like the one before.
_SETTLED = 4


class Silence:
    """One track of silence.

    Args:
        sample_rate: to go with the sound around it; 48000 for another than AAC has.
        channels: 1 or 2; 2 for anything else.

    Attributes:
        track: its description; clock rate is the sample rate.
        frame_s: how long one unit lasts.
    """

    def __init__(self, sample_rate: int = _DEFAULT_RATE, channels: int = 2) -> None:
        rate = sample_rate if sample_rate in _RATES else _DEFAULT_RATE
        self._data, config = _encoded(rate, 1 if channels == 1 else 2)
        self.track = Track(
            id=-2,
            codec=Codec.AAC,
            clock_rate=rate,
            parameter_sets=(config,),
            sample_rate=rate,
            channels=1 if channels == 1 else 2,
        )
        self.frame_s = FRAME_SAMPLES / rate

    def unit(self, at_s: float, received_at: float) -> AccessUnit:
        """One frame of it."""
        ticks = round(at_s * self.track.clock_rate)
        return AccessUnit(self.track, ticks, ticks, self._data, keyframe=True, received_at=received_at)


@lru_cache(maxsize=len(_RATES) * 2)
def _encoded(sample_rate: int, channels: int) -> tuple[bytes, bytes]:
    context = AudioCodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    layout = "mono" if channels == 1 else "stereo"
    context.sample_rate = sample_rate
    context.layout = layout
    context.format = "fltp"
    context.bit_rate = 32_000 * channels
    context.open()
    packets: list[bytes] = []
    while len(packets) < _SETTLED:
        samples = np.zeros((channels, FRAME_SAMPLES), dtype=np.float32)
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = sample_rate
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets[-1], bytes(context.extradata or b"")
