"""The first page: what runs on the platforms and what the sink receives, fetched again every two seconds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from aiohttp import web

from ops.sandbox.face import Face, World
from ops.sandbox.pages import NAMES, table_page
from ops.sandbox.reception import Reception, StreamKey

_REFRESH_S = 2


class Overview:
    """The page; stream keys are not on it."""

    def __init__(self, world: World, faces: Sequence[Face]) -> None:
        self._world = world
        self._faces = faces

    def routes(self) -> list[web.RouteDef]:
        """Where it is."""
        return [web.get("/", self.show)]

    async def show(self, http: web.Request) -> web.Response:
        """Broadcasts with a name or a state, and every key that was ever used."""
        programmes = [item for face in self._faces for item in face.programmes() if item["status"]]
        received = [key for key in self._world.keys if key.reception.connections or key.reception.refused]
        body = "".join(
            (
                "<h1>Stand-in platforms</h1>",
                _table(
                    "Broadcasts",
                    ("Platform", "Title", "Status", "Viewers"),
                    [
                        (NAMES[item["platform"]], item["title"], item["status"], _number(item["viewers"]))
                        for item in programmes
                    ],
                ),
                _table(
                    "Received",
                    ("Platform", "State", "Tracks", "kb/s", "Pictures", "Connections"),
                    [_received(key) for key in received],
                ),
                "<p>Control and everything in full: <code>/control</code></p>",
            )
        )
        return table_page("Stand-in platforms", body, refresh_s=_REFRESH_S)


def _received(key: StreamKey) -> tuple[str, ...]:
    reception = key.reception
    video_bps, audio_bps, _ = reception.rates() if reception.active else (0, 0, 0.0)
    tracks = " ".join(track.codec for track in (reception.video, reception.audio) if track.codec)
    return (
        NAMES[key.platform],
        _state(reception),
        tracks,
        str((video_bps + audio_bps) // 1000),
        str(reception.video.frames),
        str(reception.connections),
    )


def _state(reception: Reception) -> str:
    if not reception.connected:
        return "away" if reception.connections else "refused"
    return ("active" if reception.active else "silent") + (", TLS" if reception.secure else "")


def _number(viewers: int | None) -> str:
    return "hidden" if viewers is None else str(viewers)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>Nothing yet.</p>"
    cells = "".join(f"<th scope=col>{escape(text)}</th>" for text in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
