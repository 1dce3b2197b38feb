"""The retention curve: which share still watches after so many minutes.

Who is still watching has not left yet, and says nothing about what comes later: the curve is the
product-limit estimate of Kaplan and Meier (1958), which is the plain share once everybody has left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.engagement.sketch import STEPS_S, Durations


@dataclass(frozen=True, slots=True)
class Point:
    """The share, 0-1, of all who began that watch for longer than `seconds`."""

    seconds: int
    share: float


def curve(watched: Durations, watching_s: npt.NDArray[np.float64]) -> list[Point]:
    """The curve, as far as anybody got.

    Args:
        watched: how long those watched who left.
        watching_s: and those so far who have not.
    """
    running = Durations.of(watching_s).counts
    at_risk = np.cumsum((watched.counts + running)[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        staying = np.where(at_risk > 0, 1 - watched.counts / at_risk, 1.0)
    survival = np.cumprod(staying)
    if at_risk[0] == 0:
        return []
    longest = float(Durations.EDGES[np.flatnonzero(at_risk)[-1]])
    points: list[Point] = []
    for seconds in STEPS_S:
        below = int(np.searchsorted(Durations.EDGES, seconds, "right")) - 1
        points.append(Point(seconds, float(survival[below])))
        if seconds >= longest:
            break
    return points
