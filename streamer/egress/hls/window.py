"""What of a stream can be played over HTTP now: its last segments, and the parts of the one being made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from streamer.hub.segmenter import Part

#: Number of a segment, and of a part in it.
Place = tuple[int, int]
#: In the place of a part: the whole segment.
WHOLE = -1
#: Complete segments that a playlist names. A player begins three before the end (RFC 8216 section 6.3.3).
LISTED = 7
# And so many more can be had for who read the playlist before: for its own length (RFC 8216 section 6.2.2).
_KEPT = 2 * LISTED


@dataclass(slots=True)
class Segment:
    """Parts that follow each other, the first of them with a keyframe wherever there are any.

    Attributes:
        number: its media sequence number.
        header: number of the header that it needs.
        begins_at: of its first picture, seconds since 1970.
        breaks: it does not continue the one before (EXT-X-DISCONTINUITY).
    """

    number: int
    header: int
    begins_at: float
    breaks: bool
    parts: list[Part] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        """So far."""
        return sum(part.duration_s for part in self.parts)

    @property
    def independent(self) -> bool:
        """Whether a player can begin with it."""
        return bool(self.parts) and self.parts[0].independent

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(part.data) for part in self.parts)


class Window:
    """Segments by number. One thread.

    Attributes:
        complete: those that are kept, the oldest first.
        current: the one that is being made, None before the first.
        is_over: nothing more comes.
        longest_segment_s: of all so far, kept or not.
        breaks_gone: discontinuities in front of what is listed.
        version: another one whenever something changed.
    """

    def __init__(self) -> None:
        self.complete: deque[Segment] = deque()
        self.current: Segment | None = None
        self.is_over = False
        self.longest_segment_s = 0.0
        self.breaks_gone = 0
        self.version = 0
        self._headers: dict[int, bytes] = {}
        self._next = 0

    @property
    def listed(self) -> list[Segment]:
        """The complete segments that a playlist names."""
        return list(self.complete)[-LISTED:]

    @property
    def longest_part_s(self) -> float:
        """Of those that are kept; 0 without any."""
        return max((part.duration_s for segment in self._all() for part in segment.parts), default=0.0)

    def header(self, number: int) -> bytes | None:
        """What a decoder needs before the segments that name it; None for one that is gone."""
        return self._headers.get(number)

    def add_header(self, data: bytes) -> int:
        """Keep a header; its number."""
        number = max(self._headers, default=0) + 1
        self._headers[number] = data
        return number

    def begin(self, header: int, begins_at: float, *, breaks: bool) -> None:
        """The segment that is being made is complete, and another begins."""
        empty = self.current if self.current is not None and not self.current.parts else None
        self._complete()
        number = empty.number if empty is not None else self._next
        self.current = Segment(number, header, begins_at, breaks or (empty is not None and empty.breaks))
        self._next = number + 1
        self.version += 1

    def add(self, part: Part) -> None:
        """One more part of the segment that is being made."""
        assert self.current is not None
        self.current.parts.append(part)
        self.version += 1

    def end(self) -> None:
        """Nothing more comes."""
        self._complete()
        self.current = None
        self.is_over = True
        self.version += 1

    def segment(self, number: int) -> Segment | None:
        """A complete one; None for one that is not, or is gone."""
        return next((each for each in self.complete if each.number == number), None)

    def part(self, number: int, part: int) -> Part | None:
        """Part of a segment, complete or not; None for one that is not there yet, or is gone."""
        for segment in self._all():
            if segment.number == number and part < len(segment.parts):
                return segment.parts[part]
        return None

    def reaches(self, number: int, part: int) -> bool:
        """Whether a playlist would name this part or anything after it; or `WHOLE` segments."""
        if self.is_over:
            return True
        current = self.current
        if current is None or current.number != number:
            return current is not None and current.number > number
        return 0 <= part < len(current.parts)

    def _all(self) -> Iterator[Segment]:
        yield from self.complete
        if self.current is not None:
            yield self.current

    def _complete(self) -> None:
        segment = self.current
        if segment is None or not segment.parts:
            return
        self.longest_segment_s = max(self.longest_segment_s, segment.duration_s)
        self.complete.append(segment)
        if len(self.complete) > LISTED:
            self.breaks_gone += self.complete[-LISTED - 1].breaks
        if len(self.complete) > _KEPT:
            self.complete.popleft()
        needed = {each.header for each in self.complete}
        for number in [each for each in self._headers if each < min(needed)]:
            del self._headers[number]
