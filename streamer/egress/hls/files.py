"""The files of an output: what they are called, and what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamer.egress.hls.viewer import HlsViewer
from streamer.egress.hls.window import Place, Window

_NAME = re.compile(r"([0-9a-f]{8})-(?:header-(\d{1,9})\.mp4|(\d{1,9})(?:\.(\d{1,5}))?\.m4s)")


@dataclass(frozen=True, slots=True)
class File:
    """A header, a segment or a part.

    Attributes:
        output: name of the output that it is of.
        header: number of the header, None for a segment or a part.
        segment: number of the segment; of a header 0.
        part: its place in the segment, None for all of it.
    """

    output: str
    header: int | None
    segment: int
    part: int | None

    @classmethod
    def parse(cls, name: str) -> File | None:
        """Read a name as `playlist` writes them; None for any other."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        header, segment, part = (int(each) if each is not None else None for each in found.groups()[1:])
        return cls(found[1], header, segment or 0, part)

    def awaited(self, window: Window) -> Place | None:
        """What to wait for: the part that is being made, asked for early; None for anything else."""
        current = window.current
        if self.part is None or current is None or window.is_over:
            return None
        place = self.segment, self.part
        is_next = place in ((current.number, len(current.parts)), (current.number + 1, 0))
        return place if is_next else None

    def pieces(self, viewer: HlsViewer) -> tuple[bytes, ...] | None:
        """What a viewer gets, to be joined; None for what is not there yet, or not any more."""
        if self.output != viewer.output.name:
            return None
        window = viewer.output.window
        if self.header is not None:
            header = window.header(self.header)
            return (header,) if header is not None else None
        if self.part is not None:
            part = window.part(self.segment, self.part)
            return (part.data,) if part is not None else None
        segment = window.segment(self.segment)
        if segment is None:
            return None
        pieces = tuple(part.data for part in segment.parts)
        header = window.header(segment.header) if segment.breaks and viewer.begins_anew else None
        return (header, *pieces) if header is not None else pieces
