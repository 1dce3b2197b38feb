"""The pages: index, player, player for an iframe, publishing, signing in, one's own account, administration.

Static files, with headers that hold them to it.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from streamer.web.conditions import names_tag
from streamer.web.markup import compose
from streamer.web.operations import Operation
from streamer.web.problems import Handler, Problem

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'{styles}; "
    "script-src 'self'{scripts}; connect-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; "
    "frame-ancestors {ancestors}"
)
_KEYWORDS = {"self": "'self'", "none": "'none'"}
# No registry of types knows modules better than this; mimetypes depends on the machine.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


@dataclass(frozen=True)
class _File:
    body: bytes
    content_type: str
    etag: str
    scripts: str = ""  #: hashes of what stands in it, as the policy has them
    styles: str = ""


class Pages:
    """The handlers. Files are read once.

    Args:
        frame_ancestors: sites that may show the player in a frame: "*", "self", "none", or as CSP has them.
        on_player: told the name, of whatever it may be, of the stream whose player somebody opens.
    """

    def __init__(
        self, frame_ancestors: Sequence[str] = ("*",), on_player: Callable[[str], None] = lambda stream: None
    ) -> None:
        self._on_player = on_player
        self._ancestors = " ".join(_KEYWORDS.get(each, each) for each in frame_ancestors) or "'none'"
        bodies = {
            path.relative_to(_STATIC).as_posix(): path.read_bytes()
            for path in _STATIC.rglob("*")
            if path.is_file()
        }
        self._files = {name: _file(name, body, bodies) for name, body in bodies.items()}

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation("GET", "/", self.index, "The live streams", described=False),
            Operation("GET", "/watch/{stream}", self.watch, "The player", described=False),
            Operation("GET", "/publish/{stream}", self.publish, "Publishing from a browser", described=False),
            Operation("GET", "/login", self.login, "Signing in", described=False),
            Operation("GET", "/setup", self.setup, "The first administrator", described=False),
            Operation("GET", "/account", self.account, "One's own account", described=False),
            Operation("GET", "/admin", self.admin, "Administration", described=False),
            Operation("GET", "/admin/{section}", self.admin, "A section of it", described=False),
            Operation("GET", "/invitation", self.invitation, "Choosing a password", described=False),
            Operation("GET", "/connections", self.connections, "Accounts on platforms", described=False),
            Operation("GET", "/embed/{stream}", self.embed, "The player for an iframe", described=False),
            Operation("GET", "/dashboard", self.dashboard, "The audience", described=False),
            Operation("GET", "/recordings", self.recordings, "What was recorded", described=False),
            Operation("GET", "/relays", self.relays, "Where the streams are relayed to", described=False),
            Operation("GET", "/static/{path:.+}", self.static, "What the pages need", described=False),
        ]

    async def index(self, request: web.Request) -> web.Response:
        """The live streams."""
        return self._serve(request, "index.html", "'self'")

    async def watch(self, request: web.Request) -> web.Response:
        """The player; it finds out itself what can be watched."""
        self._on_player(request.match_info["stream"])
        return self._serve(request, "watch.html", "'self'")

    async def embed(self, request: web.Request) -> web.Response:
        """The player for an iframe, on the sites that may have it."""
        self._on_player(request.match_info["stream"])
        return self._serve(request, "embed.html", self._ancestors)

    async def publish(self, request: web.Request) -> web.Response:
        """Publishing from a browser; in nobody's frame, where a click led astray could open a camera."""
        return self._serve(request, "publish.html", "'none'")

    async def relays(self, request: web.Request) -> web.Response:
        """Where the streams are relayed to."""
        return self._serve(request, "relays.html", "'none'")

    async def recordings(self, request: web.Request) -> web.Response:
        """What was recorded."""
        return self._serve(request, "recordings.html", "'none'")

    async def login(self, request: web.Request) -> web.Response:
        """Signing in; in nobody's frame, where clicks could be led astray."""
        return self._serve(request, "login.html", "'none'")

    async def setup(self, request: web.Request) -> web.Response:
        """The first administrator."""
        return self._serve(request, "setup.html", "'none'")

    async def account(self, request: web.Request) -> web.Response:
        """One's own account."""
        return self._serve(request, "account.html", "'none'")

    async def admin(self, request: web.Request) -> web.Response:
        """Administration; the page finds out what of it is open."""
        return self._serve(request, "admin.html", "'none'")

    async def invitation(self, request: web.Request) -> web.Response:
        """Choosing a password with a link."""
        return self._serve(request, "invitation.html", "'none'")

    async def connections(self, request: web.Request) -> web.Response:
        """Accounts on platforms."""
        return self._serve(request, "connections.html", "'none'")

    async def dashboard(self, request: web.Request) -> web.Response:
        """The audience; it asks for a token itself."""
        return self._serve(request, "dashboard.html", "'none'")

    async def static(self, request: web.Request) -> web.Response:
        """What the pages need."""
        return self._serve(request, request.match_info["path"], "'none'")

    @web.middleware
    async def for_people(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer with a page who follows a link to nothing, and not in the words that programs read.

        A slash too many at the end of an address is taken away.
        """
        is_nothing = isinstance(request.match_info.http_exception, web.HTTPNotFound)
        if not is_nothing or request.method not in ("GET", "HEAD") or not _is_for_people(request):
            return await handler(request)
        if request.path.endswith("/"):
            # With one slash in front: two would lead to another site.
            raise web.HTTPFound(request.rel_url.with_path(f"/{request.path.strip('/')}", keep_query=True))
        return self._serve(request, "missing.html", "'none'", status=404)

    def _serve(self, request: web.Request, name: str, ancestors: str, *, status: int = 200) -> web.Response:
        file = self._files.get(name)
        if file is None:
            raise Problem(404, "not_found", f"there is no file {name!r}")
        headers = {
            "ETag": file.etag,
            "Cache-Control": "no-cache",  # revalidated, so that an upgrade shows at once
            "Content-Security-Policy": _POLICY.format(
                ancestors=ancestors, scripts=file.scripts, styles=file.styles
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        if status == 200 and names_tag(request, "If-None-Match", file.etag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = f"{file.content_type}; charset=utf-8"
        return web.Response(status=status, body=file.body, headers=headers)


def _is_for_people(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _file(name: str, body: bytes, bodies: Mapping[str, bytes]) -> _File:
    guessed = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    scripts = styles = ""
    if name.endswith(".html"):
        page = compose(body.decode(), bodies)
        body, scripts, styles = page.text.encode(), page.scripts, page.styles
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    return _File(body, guessed, etag, scripts, styles)
