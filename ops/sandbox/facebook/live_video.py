"""The life of a live video, without HTTP, with the rules that end it by the clock.

UNPUBLISHED ──picture, sound and LIVE_NOW──▶ LIVE ─▶ LIVE_STOPPED ─▶ PROCESSING ─▶ VOD
SCHEDULED_UNPUBLISHED ─▶ SCHEDULED_LIVE ─────▲   or SCHEDULED_CANCELED, SCHEDULED_EXPIRED
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ops.sandbox.face import Pace
from ops.sandbox.reception import StreamKey

URL_LIFETIME_S = 24 * 3600.0
LONGEST_S = 8 * 3600.0
# How long after its time a scheduled video still waits.
_EXPIRES_AFTER_S = 600.0


class Status(StrEnum):
    """`status` as it is read."""

    UNPUBLISHED = "UNPUBLISHED"
    LIVE = "LIVE"
    LIVE_STOPPED = "LIVE_STOPPED"
    PROCESSING = "PROCESSING"
    VOD = "VOD"
    SCHEDULED_UNPUBLISHED = "SCHEDULED_UNPUBLISHED"
    SCHEDULED_LIVE = "SCHEDULED_LIVE"
    SCHEDULED_CANCELED = "SCHEDULED_CANCELED"
    SCHEDULED_EXPIRED = "SCHEDULED_EXPIRED"


WAITING = frozenset({Status.UNPUBLISHED, Status.SCHEDULED_UNPUBLISHED, Status.SCHEDULED_LIVE})
OVER = frozenset(Status) - WAITING - {Status.LIVE}


@dataclass(frozen=True)
class VideoError:
    """An entry of the edge `errors`."""

    id: str
    at: float
    kind: str
    code: int
    message: str


@dataclass(eq=False)
class LiveVideo:
    """One live video.

    Attributes:
        owner: id of the user or Page.
        wanted: it is to go live as soon as picture and sound are there.
        keys: the ingest streams, the master first.
        stop_on_delete: a client that ends its publication in the protocol's way ends the video.
    """

    id: str
    owner: str
    created_at: float
    title: str
    description: str
    status: Status
    wanted: bool
    planned_at: float | None
    privacy: str
    stop_on_delete: bool
    keys: list[StreamKey] = field(default_factory=list)
    started_at: float | None = None
    ended_at: float | None = None
    viewers: int | None = 0
    peak: int = 0
    errors: list[VideoError] = field(default_factory=list)

    def admit(self, now: float) -> str:
        """Why nothing may be sent to its addresses now, "" if it may."""
        if self.status in OVER:
            return "this live video has ended"
        used = any(key.reception.connections for key in self.keys)
        if not used and now - self.created_at >= URL_LIFETIME_S:
            return "this stream URL was not used within 24 hours"
        return ""

    def publish(self) -> None:
        """`status=LIVE_NOW`."""
        self.wanted = True

    def settle(self, now: float, pace: Pace) -> None:
        """Let happen what is due by the clock or by what was received."""
        if self.status in WAITING:
            self._wait(now)
        if self.status is Status.LIVE:
            self._watch(now, pace)
        self._process(now, pace)

    def end(self, now: float) -> None:
        """`end_live_video=true`, or a rule."""
        self.status = Status.LIVE_STOPPED
        self.ended_at = now
        for key in self.keys:
            if key.reception.cut is not None:
                key.reception.cut()

    def seconds_left(self, now: float) -> int:
        """Until the eight hours are over."""
        if self.started_at is None:
            return int(LONGEST_S)
        return max(0, int(self.started_at + LONGEST_S - now)) if self.status is Status.LIVE else 0

    def report(self, now: float, kind: str, code: int, message: str) -> None:
        """Put something on the edge `errors`, once."""
        if all(error.kind != kind for error in self.errors):
            self.errors.append(VideoError(f"{self.id}{len(self.errors):02}", now, kind, code, message))

    def _wait(self, now: float) -> None:
        if self.planned_at is not None and now > self.planned_at + _EXPIRES_AFTER_S:
            self.status = Status.SCHEDULED_EXPIRED
            return
        due = self.wanted or (self.status is Status.SCHEDULED_LIVE and now >= (self.planned_at or now))
        if due and self._complete(now):
            self.status = Status.LIVE
            self.started_at = now

    def _complete(self, now: float) -> bool:
        """Whether an ingest stream runs that has what Facebook demands."""
        for key in self.keys:
            if key.reception.active:
                if key.reception.audio.codec == "aac" and key.reception.video.codec == "h264":
                    return True
                text = "The stream must have video in H.264 and audio in AAC."
                self.report(now, "LIVE_VIDEO__MISSING_TRACK", 1, text)
        return False

    def _watch(self, now: float, pace: Pace) -> None:
        self.peak = max(self.peak, self.viewers or 0)
        receptions = [key.reception for key in self.keys if key.reception.connections]
        if self.started_at is not None and now - self.started_at >= LONGEST_S:
            self.report(now, "LIVE_VIDEO__TOO_LONG", 2, "The live video reached the limit of 8 hours.")
            self.end(now)
        elif self.stop_on_delete and any(r.said_goodbye and not r.connected for r in receptions):
            self.end(now)
        elif receptions and min(r.away_s for r in receptions) >= pace.lost_stream_s:
            self.report(now, "LIVE_VIDEO__STREAM_LOST", 3, "The stream was lost.")
            self.end(now)

    def _process(self, now: float, pace: Pace) -> None:
        if self.ended_at is None:
            return
        if self.status is Status.LIVE_STOPPED and now >= self.ended_at + pace.processing_s / 2:
            self.status = Status.PROCESSING
        if self.status is Status.PROCESSING and now >= self.ended_at + pace.processing_s:
            self.status = Status.VOD
