"""What a late reader needs to start at once: everything since the last keyframe."""

from __future__ import annotations

from collections import deque

from transport.media import AccessUnit

_MAX_BYTES = 32 * 1024 * 1024
# Of a stream without picture: enough for a transcoder to get going, too little to hear.
_SOUND_ONLY_UNITS = 8


class GopCache:
    """Units since the last keyframe, sound included. Bounded: a GOP that does not fit is not kept."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._units: deque[AccessUnit] = deque()
        self._max_bytes = max_bytes
        self._size = 0
        self._overflown = False
        self._has_picture = False
        self.keyframe: AccessUnit | None = None

    def write(self, unit: AccessUnit) -> None:
        """Take one unit; a video keyframe starts over."""
        if unit.track.is_video and unit.keyframe:
            self._restart(unit)
        elif self._has_picture and self._overflown:
            return
        self._units.append(unit)
        self._size += len(unit.data)
        if not self._has_picture:
            while len(self._units) > _SOUND_ONLY_UNITS:
                self._size -= len(self._units.popleft().data)
        elif self._size > self._max_bytes:
            self._overflown = True
            self._units.clear()
            self._size = 0

    def _restart(self, unit: AccessUnit) -> None:
        self._units.clear()
        self._size = 0
        self._overflown = False
        self._has_picture = True
        self.keyframe = unit

    def units(self) -> tuple[AccessUnit, ...]:
        """The cached units, oldest first; empty when the GOP outgrew the cache."""
        return tuple(self._units)

    def clear(self) -> None:
        """Forget everything, as when the publisher leaves: its last GOP must not be played to newcomers."""
        self._units.clear()
        self._size = 0
        self._overflown = False
        self._has_picture = False
        self.keyframe = None
