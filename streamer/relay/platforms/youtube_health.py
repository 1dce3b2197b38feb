"""What YouTube says about a broadcast in its own words, in ours; and how often it can be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamer.relay.platforms.broadcast import Health, HealthState

_STATES = {
    "good": HealthState.GOOD,
    "ok": HealthState.POOR,
    "bad": HealthState.BAD,
    "noData": HealthState.WAITING,
    "revoked": HealthState.ENDED,
}
#: For the kinds that a producer can do something about; YouTube's own sentence for all others.
_ISSUES = {
    "gopSizeLong": "keyframes are too far apart; set the encoder's keyframe interval to 2 s",
    "gopSizeShort": "keyframes are very close together; set the encoder's keyframe interval to 2 s",
    "gopSizeOver": "keyframes are more than 8 s apart; set the encoder's keyframe interval to 2 s",
    "openGop": "the encoder uses open GOPs; set it to closed GOPs",
    "bitrateLow": "the bitrate is lower than YouTube recommends for this picture",
    "bitrateHigh": "the bitrate is higher than YouTube recommends for this picture",
    "videoIngestionStarved": "video arrives too slowly; viewers see it stop",
    "audioVideoMismatch": "sound and picture do not arrive in step",
    "noAudioStream": "there is no sound",
    "noVideoStream": "there is no picture",
    "videoCodec": "YouTube does not take this picture's coding; send H.264",
    "audioCodec": "YouTube does not take this sound's coding; send AAC",
    "interlacedVideo": "the picture is interlaced; send it progressive",
    "multipleVideoStreams": "more than one picture arrives",
    "multipleAudioStreams": "more than one sound arrives",
    "videoResolutionUnsupported": "YouTube does not take this picture size",
    "frameRateHigh": "the frame rate is higher than YouTube takes",
    "frameRateMismatch": "primary and backup have different frame rates",
    "audioSampleRate": "send sound with 44.1 or 48 kHz",
}
# One look is a list of broadcasts and a list of streams.
_LOOK_UNITS = 2
_FAST_S, _USUAL_S, _SLOWEST_S = 10.0, 30.0, 3600.0
# The first minutes are when something is wrong and somebody looks.
_FRESH_S = 180.0


def health_of(
    broadcast: dict[str, Any] | None, stream: dict[str, Any] | None, remarks: tuple[str, ...]
) -> Health:
    """From both resources; None for one that is gone."""
    life = _text(broadcast, "lifeCycleStatus")
    if broadcast is None or life in ("complete", "revoked"):
        return Health(HealthState.ENDED, ("the broadcast has ended on YouTube",))
    status: dict[str, Any] = (stream or {}).get("status", {})
    told = status.get("healthStatus", {})
    state = _STATES.get(str(told.get("status", "")), HealthState.UNKNOWN)
    if state is HealthState.WAITING and life == "live":
        state = HealthState.BAD
        remarks = ("nothing arrives at YouTube", *remarks)
    issues = [_issue(each) for each in told.get("configurationIssues", ()) if isinstance(each, dict)]
    viewers = broadcast.get("statistics", {}).get("concurrentViewers")
    shown = int(viewers) if isinstance(viewers, str) and viewers.isdigit() else None
    return Health(state, (*issues, *remarks), shown)


class Asking:
    """Decides how often to ask: often while it is new or bad, and so that the day's units last.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._state = HealthState.UNKNOWN

    def begin(self) -> None:
        """It has just gone live."""
        self._since = self._clock()

    def paced(self, health: Health, units: int, left_s: float, watch_url: str) -> Health:
        """The same with when to ask again."""
        self._state = health.state
        return replace(health, again_s=self.again_s(units, left_s), watch_url=watch_url)

    def again_s(self, units: int, left_s: float) -> float:
        """After which time to ask again.

        Args:
            units: that may be spent on asking.
            left_s: until there are new ones.
        """
        fresh = self._clock() - self._since < _FRESH_S
        wanted = _FAST_S if fresh or self._state in (HealthState.BAD, HealthState.POOR) else _USUAL_S
        if units < _LOOK_UNITS:
            return min(_SLOWEST_S, max(left_s, wanted))
        # Others spend from the same units: what one takes slows all down, and nobody runs dry too soon.
        return min(_SLOWEST_S, max(wanted, left_s * _LOOK_UNITS / units))


def _issue(told: dict[str, Any]) -> str:
    own = _ISSUES.get(str(told.get("type", "")))
    return own or str(told.get("description") or told.get("reason") or "YouTube has found an issue")[:200]


def _text(resource: dict[str, Any] | None, name: str) -> str:
    return str((resource or {}).get("status", {}).get(name, ""))
