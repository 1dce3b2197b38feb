"""Hands every unit to whoever is attached, in the publisher's thread.

A `Sink` must return at once: it queues (`reader.py`) or passes on to the media plane, and never waits. A sink
that raises is detached; it costs nobody else anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from streamer.hub.gop import GopCache
from transport.media import AccessUnit, Track

_log = logging.getLogger(__name__)

# A sound that was declared, but has let nothing be heard so long after another one, is not waited for.
_SOUND_PATIENCE_S = 1.0


class Sink(Protocol):
    """Takes what a stream has, in the publisher's thread; must never block."""

    def write(self, unit: AccessUnit) -> None:
        """Take one unit."""
        ...


class Fanout:
    """The sinks of one stream or rendition, its tracks and its current GOP.

    Args:
        on_tracks: called in the publisher's thread when a track appears or changes its parameters.
    """

    def __init__(self, on_tracks: Callable[[], None] = lambda: None) -> None:
        # Held while sinks take a unit, so that a replay and the live units cannot overtake each other.
        self._lock = threading.RLock()
        self._sinks: tuple[Sink, ...] = ()
        self._tracks: dict[int, Track] = {}
        # What was declared last, unless `write` changed it since: publishers declare with every unit.
        self._declared: tuple[Track, ...] | None = None
        self._first: tuple[int | None, int | None] = (None, None)
        self._heard: set[int] = set()
        self._mute: set[int] = set()
        self._waiting_since: float | None = None  # for the first sound, while another is heard
        self._gop = GopCache()
        self._on_tracks = on_tracks

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks seen or declared so far, in the order of their ids."""
        with self._lock:
            return tuple(self._tracks[id] for id in sorted(self._tracks))

    @property
    def video(self) -> Track | None:
        """The first picture track."""
        return next((track for track in self.tracks if track.is_video), None)

    @property
    def audio(self) -> Track | None:
        """The first sound track; of several, the first that can be heard."""
        sounds = [track for track in self.tracks if not track.is_video]
        return next((track for track in sounds if track.id not in self._mute), sounds[0] if sounds else None)

    def is_first(self, track: Track) -> bool:
        """Whether it is the picture, or the sound, that an output with one of each should take."""
        return track.id in self._first

    @property
    def keyframe(self) -> AccessUnit | None:
        """The latest keyframe, for a thumbnail."""
        return self._gop.keyframe

    @property
    def has_sinks(self) -> bool:
        """True while anybody is attached."""
        return bool(self._sinks)

    def declare(self, tracks: tuple[Track, ...]) -> None:
        """Set which tracks there are. What units already said of a track is kept."""
        if tracks == self._declared:
            return
        with self._lock:
            self._declared = tracks
            declared = {track.id: self._known(track) for track in tracks}
            if declared == self._tracks:
                return
            self._tracks = declared
            self._choose_first()
        self._on_tracks()

    def _known(self, track: Track) -> Track:
        known = self._tracks.get(track.id)
        return known if known is not None and known.codec is track.codec else track

    def write(self, unit: AccessUnit) -> None:
        """Give one unit to every sink."""
        track = unit.track
        changed = False
        with self._lock:
            if self._tracks.get(track.id) is not track:
                changed = self._tracks.get(track.id) != track
                self._tracks[track.id] = track
                self._declared = None
                self._choose_first()
            if not track.is_video:
                changed = self._hear(unit) or changed
            self._gop.write(unit)
            for sink in self._sinks:
                self._give(sink, unit)
        if changed:
            self._on_tracks()

    def attach(self, *sinks: Sink, replay: bool = True) -> None:
        """Add sinks; with `replay` they get the current GOP first, each unit one after the other."""
        with self._lock:
            if replay:
                for unit in self._gop.units():
                    for sink in sinks:
                        sink.write(unit)
            self._sinks = (*self._sinks, *sinks)

    def detach(self, sink: Sink) -> None:
        """Remove a sink. Idempotent; after it returns the sink gets nothing more."""
        with self._lock:
            self._sinks = tuple(other for other in self._sinks if other is not sink)

    def forget(self) -> None:
        """Drop the cached GOP, and which sounds could be heard; sinks and tracks stay."""
        with self._lock:
            self._gop.clear()
            self._heard.clear()
            self._mute.clear()
            self._waiting_since = None
            self._choose_first()

    def _hear(self, unit: AccessUnit) -> bool:
        """Notice that the first sound lets nothing be heard while this one does; whether another is first."""
        self._heard.add(unit.track.id)
        first = self._first[1]
        if first is None or first in self._heard:
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = unit.received_at
        if unit.received_at - self._waiting_since < _SOUND_PATIENCE_S:
            return False
        self._mute |= {track.id for track in self._tracks.values() if not track.is_video} - self._heard
        self._waiting_since = None
        self._choose_first()
        return True

    def _choose_first(self) -> None:
        video, audio = self.video, self.audio
        self._first = (video.id if video else None, audio.id if audio else None)

    def _give(self, sink: Sink, unit: AccessUnit) -> None:
        try:
            sink.write(unit)
        except Exception:  # whatever it is, it is that output's own trouble
            _log.exception("an output failed and was detached")
            self.detach(sink)


class FirstTrack:
    """A sink that passes only a fanout's first picture track, or first sound track, to another."""

    def __init__(self, fanout: Fanout, sink: Sink, *, video: bool) -> None:
        self._fanout = fanout
        self._sink = sink
        self._video = video

    def write(self, unit: AccessUnit) -> None:
        """Take one unit."""
        if unit.track.is_video == self._video and self._fanout.is_first(unit.track):
            self._sink.write(unit)
