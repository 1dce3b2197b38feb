"""Addresses as MediaMTX has them: who comes with one out of habit is led to ours, with what stands behind it.

`/cam/whip`, `/cam/whep`, `/cam/index.m3u8`, `/cam/publish`. What `/cam` alone may mean, `missing.html` says.
"""

from __future__ import annotations

from aiohttp import web

from streamer.web.operations import Operation

#: How theirs end: the methods that are led on, and ours.
_OURS = {
    "whip": (("POST", "OPTIONS"), "/whip/{}"),
    "whep": (("POST", "OPTIONS"), "/whep/{}"),
    "index.m3u8": (("GET",), "/hls/{}/index.m3u8"),
    "publish": (("GET",), "/publish/{}"),
}


class Elsewhere:
    """The handlers. After all others, whose paths may look alike."""

    def operations(self) -> list[Operation]:
        """What to route where."""
        return [
            Operation(method, f"/{{stream}}/{ending}", self.lead, "Where it is here", described=False)
            for ending, (methods, _) in _OURS.items()
            for method in methods
        ]

    async def lead(self, request: web.Request) -> web.Response:
        """Tell the address, in a way that keeps method and body (RFC 9110 section 15.4.9)."""
        _, path = _OURS[request.path.rpartition("/")[2]]
        ours = request.rel_url.with_path(path.format(request.match_info["stream"]), keep_query=True)
        return web.json_response(
            {"error": "moved", "message": f"here this is at {ours.path}"},
            status=308,
            headers={"Location": str(ours)},
        )
