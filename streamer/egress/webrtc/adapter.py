"""Gives every viewer the rung of the ladder that its line carries. Event loop only."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from streamer.egress.webrtc.adaptation import Adaptation
from streamer.egress.webrtc.lines import Lines
from streamer.egress.webrtc.viewer import Viewer, ViewerState
from streamer.hub.ladder import SCALES, STILLS
from streamer.hub.stream import Stream

_log = logging.getLogger(__name__)

#: Smaller pictures that are made at once, of all streams: each takes a tenth to a fifth of a core (720p30).
_MOST_MADE = 2 * (os.cpu_count() or 1)
#: Who comes back so soon has the same line. Players begin anew when nothing comes.
_REMEMBERED_S = 60.0
_MOST_REMEMBERED = 10_000


class Adapter:
    """Looks at all viewers once a second.

    Args:
        viewers: by their peers' ids; stays the caller's to change.
        most_made: smaller pictures that may be made at once, of all streams.
    """

    def __init__(self, viewers: Mapping[int, Viewer], most_made: int = _MOST_MADE) -> None:
        self._viewers = viewers
        self._most_made = most_made
        self._has_told = False
        self._lines = Lines()
        # Of who gets another rung, or did; it is empty where all lines are good.
        self._adaptations: dict[int, Adaptation] = {}
        # What was sent to whom that left, and when; the oldest first.
        self._remembered: dict[tuple[str, str], tuple[int, float]] = {}

    def began(self, viewer: Viewer, now: float) -> None:
        """Somebody is about to be sent to: with what was sent over the same line a moment ago."""
        rung, until = self._remembered.pop(_whose(viewer), (0, 0.0))
        if now < until and viewer.has_ladder:
            viewer.move(self._nearest(viewer.stream, rung, 0))
            self._adaptations[viewer.peer.id] = Adaptation(viewer.rung, now)

    def left(self, viewer: Viewer, now: float) -> None:
        """Somebody is not sent to any more."""
        self._adaptations.pop(viewer.peer.id, None)
        if viewer.rung and viewer.peer.address is not None:
            self._remembered.pop(_whose(viewer), None)
            self._remembered[_whose(viewer)] = viewer.rung, now + _REMEMBERED_S
        while self._remembered and (
            len(self._remembered) > _MOST_REMEMBERED or next(iter(self._remembered.values()))[1] <= now
        ):
            del self._remembered[next(iter(self._remembered))]

    def look(self, snapshot: npt.NDArray[np.void], now: float) -> None:
        """Move who needs it.

        Args:
            snapshot: the plane's counters, dtype `COUNTERS`.
            now: seconds, monotonic.
        """
        full = self._lines.look(snapshot, now)
        bitrates: dict[Stream, Sequence[int]] = {}
        for id in {*full, *self._adaptations}:
            viewer, line = self._viewers.get(id), self._lines.line(id)
            if viewer is None or line is None or not (viewer.state is ViewerState.LIVE and viewer.has_ladder):
                continue
            stream = viewer.stream
            if stream not in bitrates:
                bitrates[stream] = stream.rungs()
            if not bitrates[stream]:
                continue
            adaptation = self._adaptations.setdefault(id, Adaptation())
            wanted = adaptation.look(line, bitrates[stream], now)
            if wanted != viewer.rung:
                self._move(viewer, wanted, adaptation)
            if adaptation.is_idle:
                del self._adaptations[id]

    def _move(self, viewer: Viewer, wanted: int, adaptation: Adaptation) -> None:
        before, rung = viewer.rung, self._nearest(viewer.stream, wanted, viewer.rung)
        adaptation.stay(rung)
        if rung == before:
            return
        try:
            viewer.move(rung)
        except Exception:  # its own trouble; the others must be looked at all the same
            _log.exception(
                "%s: a viewer could not be moved", viewer.stream.name, extra={"session": viewer.id}
            )
            viewer.rung = before
            adaptation.stay(before)
            return
        _log.info(
            "%s: the viewer's line carries %s; it gets %s",
            viewer.stream.name,
            "less" if rung > before else "more",
            _described(rung),
            extra={"session": viewer.id},
        )

    def _nearest(self, stream: Stream, wanted: int, present: int) -> int:
        """The rung itself where it is made, or may be; else the next lower one that is; else the present."""
        if wanted == 0 or stream.smaller(wanted).is_taken or self._made() < self._most_made:
            return wanted
        lower = range(wanted + 1, STILLS + 1)
        found = next((rung for rung in lower if stream.smaller(rung).is_taken), present)
        if found == present and not self._has_told:
            self._has_told = True  # once: it would come again with every look at every such viewer
            _log.warning(
                "%s: no other size can be made for a viewer, who keeps what he has: %d smaller pictures are "
                "being made already, as many as this machine makes at once",
                stream.name,
                self._most_made,
            )
        return found

    def _made(self) -> int:
        streams = {viewer.stream for viewer in self._viewers.values()}
        return sum(made.is_taken for stream in streams for made in stream.reduced)


def _described(rung: int) -> str:
    if rung == STILLS:
        return "stills"
    return f"the picture at {SCALES[rung]} of its width and height" if rung else "the full picture"


def _whose(viewer: Viewer) -> tuple[str, str]:
    address = viewer.peer.address
    return viewer.stream.name, address[0] if address is not None else ""
