"""Thumbnails: uploaded simple, multipart or resumable as Google's clients do, and shown again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from email.message import Message

from aiohttp import hdrs, web
from aiohttp.multipart import MultipartReader

from ops.sandbox.face import World, operation
from ops.sandbox.oauth import Tokens
from ops.sandbox.parties import Account, Platform
from ops.sandbox.youtube.broadcast import Broadcast
from ops.sandbox.youtube.errors import bad_parameter, refused
from ops.sandbox.youtube.requests import PICTURES, authorized
from ops.sandbox.youtube.resources import thumbnail_response

# YouTube takes no more than 2 MB of a thumbnail.
_MAX_BYTES = 2 * 1024 * 1024
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")
_UPLOAD = "/upload/youtube/v3/thumbnails/set"
_RESUMABLE = "/resumable" + _UPLOAD


class Pictures:
    """`thumbnails.set`.

    Args:
        broadcasts: whose pictures they are; a thumbnail is a video's, and a broadcast is one.
    """

    def __init__(self, world: World, broadcasts: Mapping[str, Broadcast]) -> None:
        self._world = world
        self._broadcasts = broadcasts
        self._uploads: dict[str, tuple[str, str]] = {}

    def routes(self, tokens: Tokens) -> list[web.RouteDef]:
        """Where pictures go and come from."""
        put = authorized(self._world, tokens, PICTURES, self.upload)
        return [
            operation(Platform.YOUTUBE, "thumbnails.set", "POST", _UPLOAD, put),
            operation(Platform.YOUTUBE, "thumbnails.put", "PUT", _RESUMABLE, self.resumed),
            operation(Platform.YOUTUBE, "pictures", "GET", "/pictures/{name}", self.show),
        ]

    async def upload(self, http: web.Request, account: Account) -> web.Response:
        """Take a picture, or with `uploadType=resumable` say where it is to be put."""
        broadcast = self._broadcast(http.query.get("videoId", ""), account)
        if http.query.get("uploadType") == "resumable":
            ticket = secrets.token_urlsafe(16)
            self._uploads[ticket] = (broadcast.id, account.id)
            query = f"uploadType=resumable&upload_id={ticket}"
            location = f"{self._world.addresses.http}/youtube{_RESUMABLE}?{query}"
            return web.Response(headers={"Location": location, "X-GUploader-UploadID": ticket})
        if http.query.get("uploadType") == "multipart":
            return self._keep(broadcast, await _second_part(http))
        return self._keep(broadcast, await http.read())

    async def resumed(self, http: web.Request) -> web.Response:
        """The picture of a resumable upload."""
        known = self._uploads.pop(http.query.get("upload_id", ""), None)
        if known is None:
            raise refused("notFound", "This upload is not known.", 404)
        broadcast = self._broadcasts.get(known[0])
        if broadcast is None:
            raise refused("videoNotFound")
        return self._keep(broadcast, await http.read())

    async def show(self, http: web.Request) -> web.Response:
        """The picture that was set."""
        broadcast = self._broadcasts.get(http.match_info["name"].rpartition("_")[0])
        if broadcast is None or not broadcast.thumbnail:
            return web.Response(status=404)
        kind = "image/png" if broadcast.thumbnail.startswith(_MAGIC[1]) else "image/jpeg"
        return web.Response(body=broadcast.thumbnail, content_type=kind)

    def _broadcast(self, video_id: str, account: Account) -> Broadcast:
        if not video_id:
            raise bad_parameter("missingRequiredParameter", "videoId", "Required parameter: videoId")
        broadcast = self._broadcasts.get(video_id)
        if broadcast is None or broadcast.channel_id != account.id:
            raise refused("videoNotFound")
        return broadcast

    def _keep(self, broadcast: Broadcast, picture: bytes) -> web.Response:
        if not picture:
            raise refused("mediaBodyRequired")
        if len(picture) > _MAX_BYTES or not picture.startswith(_MAGIC):
            raise refused("invalidImage")
        broadcast.thumbnail = picture
        return web.json_response(thumbnail_response(broadcast, self._world.addresses.http))


async def _second_part(http: web.Request) -> bytes:
    """The picture of multipart/related, which comes after its (empty) description."""
    kind = Message()
    kind["content-type"] = http.headers.get(hdrs.CONTENT_TYPE, "")
    if kind.get_content_type() != "multipart/related" or kind.get_param("boundary") is None:
        raise refused("badContent", "expected multipart/related")
    reader, picture = MultipartReader(http.headers, http.content), b""
    try:
        while (part := await reader.next()) is not None:
            if not isinstance(part, MultipartReader):
                picture = bytes(await part.read())
    except ValueError:
        raise refused("badContent", "the parts of the body cannot be told apart") from None
    return picture
