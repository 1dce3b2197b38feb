"""Over what an action can be asked for. The door refuses the rest; the documentation shows this table."""

from __future__ import annotations

from enum import StrEnum

from auth.permissions.actions import Action


class Protocol(StrEnum):
    """How somebody asks."""

    __hash__ = str.__hash__  # as `Action`

    SRT = "srt"
    RTSP = "rtsp"
    RTMP = "rtmp"
    WHIP = "whip"
    WHEP = "whep"
    HLS = "hls"
    API = "api"
    WEB = "web"
    CLI = "cli"


_PLAYBACK = frozenset({Protocol.WHEP, Protocol.SRT, Protocol.RTSP, Protocol.HLS})
_CONTROL = frozenset({Protocol.API, Protocol.WEB, Protocol.CLI})

PROTOCOLS: dict[Action, frozenset[Protocol]] = {
    Action.PUBLISH: frozenset({Protocol.SRT, Protocol.RTSP, Protocol.RTMP, Protocol.WHIP}),
    # The API and the pages show thumbnails and live lists to those who may watch.
    Action.WATCH: _PLAYBACK | {Protocol.API, Protocol.WEB},
    # And live lists, and keys of what is encrypted end to end, to those who may listen.
    Action.LISTEN: _PLAYBACK | {Protocol.API, Protocol.WEB},
    Action.MANAGE: _CONTROL,
    Action.ADMIN: _CONTROL,
    Action.AUDIT: _CONTROL,
}
