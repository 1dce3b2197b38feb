"""The quality score: one number from 0 to 100 for how well a session went; decision 0009 says why so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

#: A session shorter than this has no quality.
SHORTEST_S = 1.0
#: So much of the watch time frozen is unbearable.
_FROZEN_SHARE = 0.25
#: So much of the packets lost for good is, too.
_LOST_SHARE = 0.20
#: Dropped pictures make a session a quarter worse at most, a slow start a fifth.
_MOST_DROPPED = 0.25
_MOST_SLOW = 0.20
_START_S = (1.0, 11.0)


def score(
    *,
    watch_s: Values,
    start_ms: Values,
    frozen_s: Values,
    decoded: Values,
    dropped: Values,
    packets: Values,
    lost: Values,
    retransmitted: Values,
) -> Values:
    """Score many sessions.

    Args:
        watch_s: how long each was sent media.
        start_ms: from asking to the first picture, as far as is known; NaN for not.
        frozen_s: as its player reports, 0 when none does.
        decoded: pictures, as above.
        dropped: pictures, as above.
        packets: sent.
        lost: of them, on the way.
        retransmitted: packets.

    Returns:
        0 to 100; NaN for who watched less than a second.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.clip(1 - frozen_s / watch_s / _FROZEN_SHARE, 0, 1)
        steady = 1 - np.minimum(_MOST_DROPPED, np.nan_to_num(dropped / (decoded + dropped)))
        gone = np.nan_to_num(np.maximum(0, lost - retransmitted) / packets)
        clean = np.clip(1 - gone / _LOST_SHARE, 0, 1)
    late = np.clip((np.nan_to_num(start_ms) / 1000 - _START_S[0]) / (_START_S[1] - _START_S[0]), 0, 1)
    reported = (decoded > 0) | (frozen_s > 0)
    values: Values = 100 * (1 - _MOST_SLOW * late) * np.where(reported, smooth * steady, clean)
    values[watch_s < SHORTEST_S] = np.nan
    return values
