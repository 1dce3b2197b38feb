"""What players over HLS ask for again and again, answered by `express`: playlists and files of a session.

Only what can be given, now or when it is there; whatever else is asked for is `hls`'s to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from streamer.egress.hls import HlsEgress, HlsViewer, NoSuchHlsViewer
from streamer.egress.hls.files import File
from streamer.egress.hls.playlist import CONTENT_TYPE
from streamer.egress.hls.window import WHOLE, Place
from streamer.web.express import Answer, Later
from streamer.web.hls import FILE_TYPE, FIRST_SEGMENT, MOST_AHEAD, PLAYLIST_CACHING, file_caching, patience_s

# As playlists name them, and as players add to it what they wait for.
_TARGET = re.compile(
    r"/hls/([^/%?]+)/(live\.m3u8|[0-9a-z.-]+)\?session=([\w-]+)"
    r"(?:&_HLS_msn=(\d{1,9}))?(?:&_HLS_part=(\d{1,9}))?",
    re.ASCII,
)


class HlsExpress:
    """See `express.Express`."""

    beginning = "/hls/"

    def __init__(self, egress: HlsEgress) -> None:
        self._egress = egress

    def __call__(self, target: str, *, waited: bool) -> Answer | Later | None:
        """A playlist, or a file, of a session that there is."""
        found = _TARGET.fullmatch(target)
        if found is None:
            return None
        name, file, key, number, part = found.groups()
        try:
            viewer = self._egress.by_key(key)
        except NoSuchHlsViewer:
            return None
        if viewer.stream.name != name:
            return None
        if file != "live.m3u8":
            return self._file(viewer, file, waited=waited)
        if number is None:
            is_enough = viewer.early or viewer.output.window.reaches(*FIRST_SEGMENT)
            return _playlist(viewer) if part is None and is_enough else None
        return _awaited_playlist(viewer, (int(number), int(part) if part else WHOLE), waited=waited)

    def _file(self, viewer: HlsViewer, name: str, *, waited: bool) -> Answer | Later | None:
        file = File.parse(name)
        if file is None:
            return None
        pieces = file.pieces(viewer)
        if pieces is None:
            place = file.awaited(viewer.output.window)
            return _later(viewer, place) if place is not None and not waited else None
        self._egress.played(viewer)
        viewer.sent(sum(map(len, pieces)))
        return Answer(FILE_TYPE, file_caching(viewer), pieces)


def _awaited_playlist(viewer: HlsViewer, place: Place, *, waited: bool) -> Answer | Later | None:
    window = viewer.output.window
    if window.reaches(*place):
        return _playlist(viewer)
    is_near = window.current is not None and place[0] <= window.current.number + MOST_AHEAD
    return _later(viewer, place) if is_near and not waited else None


def _playlist(viewer: HlsViewer) -> Answer:
    body = viewer.output.media(f"?session={viewer.key}")
    viewer.sent(len(body))
    return Answer(CONTENT_TYPE, PLAYLIST_CACHING, (body,))


def _later(viewer: HlsViewer, place: Place) -> Later:
    viewer.sent(0)

    def wait(tell: Callable[[], None]) -> Callable[[], None]:
        return viewer.output.waiting.add(place, patience_s(viewer), tell)

    return Later(wait)
