"""The life of a broadcast and of the stream it is bound to, without HTTP.

created ─bind─▶ ready ─▶ testStarting ─▶ testing ─▶ liveStarting ─▶ live ─▶ complete
                  └──────────────(no monitor stream)──────▲
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from ops.sandbox.face import Pace
from ops.sandbox.reception import Reception, StreamKey

# YouTube asks for a keyframe every two seconds, and complains beyond four.
_LONGEST_GOP_MS = 4000


class LifeCycle(StrEnum):
    """`status.lifeCycleStatus`."""

    CREATED = "created"
    READY = "ready"
    TEST_STARTING = "testStarting"
    TESTING = "testing"
    LIVE_STARTING = "liveStarting"
    LIVE = "live"
    COMPLETE = "complete"
    REVOKED = "revoked"


_ON_AIR = frozenset({LifeCycle.TEST_STARTING, LifeCycle.TESTING, LifeCycle.LIVE_STARTING, LifeCycle.LIVE})


class NotAllowed(Exception):
    """What a broadcast's state does not allow.

    Attributes:
        reason: YouTube's.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Issue:
    """One of `healthStatus.configurationIssues`."""

    type: str
    severity: str
    reason: str
    description: str


@dataclass(eq=False)
class LiveStream:
    """An ingest address of a channel."""

    id: str
    channel_id: str
    published_at: float
    title: str
    description: str
    ingestion_type: str
    resolution: str
    frame_rate: str
    reusable: bool
    key: StreamKey
    extra_issues: list[Issue] = field(default_factory=list)

    @property
    def reception(self) -> Reception:
        """What its address received."""
        return self.key.reception

    @property
    def status(self) -> str:
        """`status.streamStatus`."""
        if self.reception.active:
            return "active"
        return "ready" if self.reception.connections == 0 else "inactive"

    def issues(self) -> list[Issue]:
        """What YouTube has to say about what comes in."""
        if not self.reception.active:
            return []
        video, found = self.reception.video, list(self.extra_issues)
        if not self.reception.audio.codec:
            found.append(Issue("noAudioStream", "warning", "No audio", "The stream has no audio."))
        if video.codec not in {"h264", "h265", "av1"}:
            found.append(Issue("videoCodec", "error", "Video codec", "Use H.264."))
        if video.longest_gop_ms > _LONGEST_GOP_MS:
            text = "Use a keyframe frequency of four seconds or less."
            found.append(Issue("gopSizeLong", "error", "Keyframe frequency", text))
        return found

    def health(self) -> str:
        """`status.healthStatus.status`."""
        if not self.reception.active:
            return "noData"
        severities = {issue.severity for issue in self.issues()}
        return "bad" if "error" in severities else "ok" if "warning" in severities else "good"


@dataclass(eq=False)
class Broadcast:
    """One broadcast.

    Attributes:
        monitor: `monitorStream.enableMonitorStream`; without it there is no testing.
        viewers: None: hidden.
        starting_at: when the present "…Starting" ends.
    """

    id: str
    channel_id: str
    published_at: float
    title: str
    description: str
    scheduled_start: float
    scheduled_end: float | None
    privacy: str
    made_for_kids: bool
    auto_start: bool
    auto_stop: bool
    dvr: bool
    embed: bool
    record: bool
    latency: str
    monitor: bool
    monitor_delay_ms: int
    life: LifeCycle = LifeCycle.CREATED
    stream: LiveStream | None = None
    bound_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    starting_at: float = 0.0
    viewers: int | None = 0
    thumbnail: bytes = field(default=b"", repr=False)
    chat_id: str = field(default_factory=lambda: "Cg0KC" + secrets.token_urlsafe(24), repr=False)

    def bind(self, stream: LiveStream | None, now: float) -> None:
        """Take a stream's picture, or nobody's.

        Raises:
            NotAllowed: it is on air, or over.
        """
        if self.life not in {LifeCycle.CREATED, LifeCycle.READY}:
            raise NotAllowed("liveBroadcastBindingNotAllowed")
        self.stream = stream
        self.bound_at = now if stream is not None else None
        self.life = LifeCycle.READY if stream is not None else LifeCycle.CREATED

    def transition(self, wanted: str, now: float, pace: Pace) -> None:
        """`liveBroadcasts.transition`.

        Raises:
            NotAllowed: errorStreamInactive, invalidTransition, redundantTransition.
        """
        match wanted, self.life:
            case ("complete", LifeCycle.COMPLETE) | ("testing", LifeCycle.TESTING | LifeCycle.TEST_STARTING):
                raise NotAllowed("redundantTransition")
            case "live", LifeCycle.LIVE | LifeCycle.LIVE_STARTING:
                raise NotAllowed("redundantTransition")
            case "complete", LifeCycle.LIVE | LifeCycle.LIVE_STARTING:
                self._complete(now)
            case "testing", LifeCycle.READY if self.monitor:
                self._start(LifeCycle.TEST_STARTING, now, pace)
            case "live", LifeCycle.TESTING:
                self._start(LifeCycle.LIVE_STARTING, now, pace)
            case "live", LifeCycle.READY if not self.monitor:
                self._start(LifeCycle.LIVE_STARTING, now, pace)
            case _:
                raise NotAllowed("invalidTransition")
        self.settle(now, pace)

    def settle(self, now: float, pace: Pace) -> None:
        """Let happen what is due: starts that are over, auto-start, auto-stop."""
        stream = self.stream
        if stream is None:
            return
        running = stream.reception.active
        if self.life is LifeCycle.READY and self.auto_start and running:
            self._start(LifeCycle.LIVE_STARTING, now, pace)
        if self.life is LifeCycle.TEST_STARTING and now >= self.starting_at:
            self.life = LifeCycle.TESTING
        if self.life is LifeCycle.LIVE_STARTING and now >= self.starting_at:
            self.life = LifeCycle.LIVE
            self.started_at = now
        if self.life is LifeCycle.LIVE and self.auto_stop and stream.reception.away_s >= pace.auto_stop_s:
            self._complete(now)

    @property
    def on_air(self) -> bool:
        """It may not be deleted now."""
        return self.life in _ON_AIR

    @property
    def recording(self) -> str:
        """`status.recordingStatus`."""
        if self.life is LifeCycle.LIVE and self.record:
            return "recording"
        return "recorded" if self.life is LifeCycle.COMPLETE and self.record else "notRecording"

    def _start(self, life: LifeCycle, now: float, pace: Pace) -> None:
        if self.stream is None or not self.stream.reception.active:
            raise NotAllowed("errorStreamInactive")
        self.life = life
        self.starting_at = now + pace.transition_s

    def _complete(self, now: float) -> None:
        self.life = LifeCycle.COMPLETE
        self.ended_at = now
