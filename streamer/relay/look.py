"""How a picture looks, as far as another one that takes its place must be like it."""

from __future__ import annotations

from dataclasses import dataclass

from transport.media import Codec

# Rates that cameras have; what is measured of one is a little off.
_RATES = (23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60)
#: Where nobody knows.
ASSUMED_RATE = 30.0


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture looks: what a still one must be like.

    Attributes:
        codec: of it.
        width: pixels.
        height: as width.
        rate: pictures per second.
    """

    codec: Codec = Codec.H264
    width: int = 1280
    height: int = 720
    rate: float = ASSUMED_RATE


def usual_rate(measured: float) -> float | None:
    """Pictures per second as a camera has it, from what was measured; None while nothing was."""
    if measured < 1:
        return None
    nearest = min(_RATES, key=lambda rate: abs(rate - measured))
    return float(nearest if abs(nearest - measured) < 1 else round(measured))
