"""The retention curve: which share still watches after so many minutes.

Who is still watching has not left yet, and says nothing about what comes later: the curve is the
product-limit estimate of Kaplan and Meier (1958), which is the plain share once everybody has left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamer.engagement.sketch import EDGES, Sketch

#: Seconds at which the curve is told.
STEPS_S = (
    *(
        0,
        10,
        20,
        30,
        60,
        90,
        120,
        180,
        240,
        300,
        420,
        600,
        900,
        1200,
        1800,
        2700,
        3600,
        5400,
        7200,
        10_800,
        14_400,
    ),
    *(21_600, 28_800, 43_200, 86_400),
)


@dataclass(frozen=True, slots=True)
class Point:
    """The share, 0-1, of all who began that watch for longer than `seconds`."""

    seconds: int
    share: float


def curve(watched: Sketch, watching_s: npt.NDArray[np.float64]) -> list[Point]:
    """The curve, as far as anybody got.

    Args:
        watched: how long those watched who left.
        watching_s: and those so far who have not.
    """
    running = Sketch.of(watching_s).counts
    at_risk = np.cumsum((watched.counts + running)[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        staying = np.where(at_risk > 0, 1 - watched.counts / at_risk, 1.0)
    survival = np.cumprod(staying)
    if at_risk[0] == 0:
        return []
    longest = float(EDGES[np.flatnonzero(at_risk)[-1]])
    points: list[Point] = []
    for seconds in STEPS_S:
        below = int(np.searchsorted(EDGES, seconds, "right")) - 1
        points.append(Point(seconds, float(survival[below])))
        if seconds >= longest:
            break
    return points
