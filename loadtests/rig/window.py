"""What a page showed between two moments, by the browser's own statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Run in a page that plays; the two results are what `window` compares.
SAMPLE = """async () => {
    const player = window.streamerPlayer, video = document.querySelector('video');
    const reports = player?.session?.pc ? [...(await player.session.pc.getStats()).values()] : [];
    const by = id => reports.find(r => r.id === id);
    const pair = by(reports.find(r => r.type === 'transport')?.selectedCandidatePairId);
    const quality = video.getVideoPlaybackQuality();
    return {inbound: reports.find(r => r.type === 'inbound-rtp' && r.kind === 'video') ?? null,
            protocol: by(pair?.localCandidateId)?.protocol ?? '',
            shown: quality.totalVideoFrames - quality.droppedVideoFrames,
            reconnects: player?.reconnects ?? 0};
}"""
#: What is subtracted: field of the result, name in getStats.
_COUNTED = {
    "decoded": "framesDecoded",
    "freezes": "freezeCount",
    "frozen_s": "totalFreezesDuration",
    "plis": "pliCount",
    "nacks": "nackCount",
    "retransmitted": "retransmittedPacketsReceived",
    "missing": "packetsLost",
}


@dataclass(frozen=True, slots=True)
class Window:
    """One page between two moments.

    Attributes:
        seconds: by the page's own clock.
        sent: frames the encoder made meanwhile.
        shown: frames the video element presented.
        decoded: frames.
        freezes: as Chromium counts them.
        frozen_s: how long they were together.
        plis: keyframes asked for.
        nacks: NACK packets sent.
        retransmitted: packets received as retransmissions.
        missing: packets lost; those that came again in an RTX stream are still among them.
        buffer_ms: a frame's mean time in the jitter buffer.
        reconnects: of the player.
        protocol: "udp", "tcp", or "" if it is unknown.
    """

    seconds: float
    sent: float
    shown: int
    decoded: int = 0
    freezes: int = 0
    frozen_s: float = 0.0
    plis: int = 0
    nacks: int = 0
    retransmitted: int = 0
    missing: int = 0
    buffer_ms: float = 0.0
    reconnects: int = 0
    protocol: str = ""

    @property
    def share(self) -> float:
        """Of the frames that were shown."""
        return min(1.0, self.shown / self.sent) if self.sent else 0.0

    @property
    def frozen(self) -> float:
        """Share of the time."""
        return self.frozen_s / self.seconds if self.seconds else 0.0


def window(before: dict[str, Any], after: dict[str, Any], fps: float) -> Window:
    """What a page did between two samples; a connection that was replaced meanwhile counts from zero."""
    now, then = after["inbound"] or {}, before["inbound"] or {}
    if now.get("ssrc") != then.get("ssrc") or now.get("framesDecoded", 0) < then.get("framesDecoded", 0):
        then = {"timestamp": then.get("timestamp", 0.0)}
    seconds = (now.get("timestamp", 0.0) - then.get("timestamp", 0.0)) / 1000
    emitted = now.get("jitterBufferEmittedCount", 0) - then.get("jitterBufferEmittedCount", 0)
    waited_s = now.get("jitterBufferDelay", 0.0) - then.get("jitterBufferDelay", 0.0)
    shown = after["shown"] - before["shown"]
    return Window(
        seconds=seconds,
        sent=seconds * fps,
        shown=shown if shown >= 0 else after["shown"],
        **{name: now.get(key, 0) - then.get(key, 0) for name, key in _COUNTED.items()},
        buffer_ms=1000 * waited_s / emitted if emitted else 0.0,
        reconnects=after["reconnects"] - before["reconnects"],
        protocol=after["protocol"],
    )
