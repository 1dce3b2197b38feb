"""Objects of the graph with all their fields, of which a request chooses."""

from __future__ import annotations

from typing import Any

from ops.sandbox.clock import graph_time
from ops.sandbox.face import Addresses
from ops.sandbox.facebook.live_video import LiveVideo, Status
from ops.sandbox.parties import Account, Page
from ops.sandbox.reception import StreamKey

DEFAULT_FIELDS = ("title", "status", "secure_stream_url")
CREATED_FIELDS = ("secure_stream_url",)


def live_video_node(
    video: LiveVideo, owner: Account | Page, addresses: Addresses, now: float
) -> dict[str, Any]:
    """A LiveVideo."""
    permalink = f"/{owner.id}/videos/{video.id}/"
    return {
        "id": video.id,
        "title": video.title,
        "description": video.description,
        "status": video.status.value,
        "broadcast_start_time": graph_time(video.started_at) if video.started_at is not None else None,
        "creation_time": graph_time(video.created_at),
        "planned_start_time": graph_time(video.planned_at) if video.planned_at is not None else None,
        "secure_stream_url": stream_url(video.keys[0], addresses),
        "stream_url": stream_url(video.keys[0], addresses),
        "dash_ingest_url": None,
        "dash_preview_url": f"{addresses.http}/facebook/preview/{video.id}.mpd" if _runs(video) else None,
        "permalink_url": permalink,
        "from": {"id": owner.id, "name": owner.name},
        "ingest_streams": [ingest_stream_node(video, i, addresses) for i in range(len(video.keys))],
        "is_manual_mode": False,
        "is_reference_only": False,
        "live_views": video.viewers if video.status is Status.LIVE else 0,
        "total_views": str(video.peak),
        "seconds_left": video.seconds_left(now),
        "video": {"id": str(int(video.id) + 1)},
    }


def ingest_stream_node(video: LiveVideo, number: int, addresses: Addresses) -> dict[str, Any]:
    """A LiveVideoInputStream."""
    key = video.keys[number]
    return {
        "id": f"{video.id}{number}",
        "stream_id": str(number),
        "is_master": number == 0,
        "secure_stream_url": stream_url(key, addresses),
        "stream_url": stream_url(key, addresses),
        "dash_ingest_url": None,
        "dash_preview_url": None,
        "stream_health": _health(key),
    }


def user_node(account: Account) -> dict[str, Any]:
    """A User."""
    first, _, last = account.name.partition(" ")
    return {"id": account.id, "name": account.name, "first_name": first, "last_name": last}


def page_node(page: Page, token: str | None) -> dict[str, Any]:
    """A Page; its token is for who may see it."""
    return {
        "id": page.id,
        "name": page.name,
        "category": page.category,
        "category_list": [{"id": "1", "name": page.category}],
        "access_token": token,
        "tasks": ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MESSAGING", "MODERATE", "MANAGE"],
    }


def secondary_urls(video: LiveVideo, addresses: Addresses) -> list[str]:
    """Where a backup may be sent."""
    return [stream_url(key, addresses) for key in video.keys[1:]]


def stream_url(key: StreamKey, addresses: Addresses) -> str:
    """An address with its key, as an encoder wants it."""
    return f"{addresses.rtmps}/{key.app}/{key.name}"


def _runs(video: LiveVideo) -> bool:
    return any(key.reception.active for key in video.keys)


def _health(key: StreamKey) -> dict[str, Any] | None:
    reception = key.reception
    if not reception.active:
        return None
    video_bps, audio_bps, frame_rate = reception.rates()
    return {
        "video_bitrate": video_bps,
        "video_framerate": round(frame_rate, 2),
        "video_gop_size": reception.video.longest_gop_ms,
        "video_width": int(reception.metadata.get("width", 0)),
        "video_height": int(reception.metadata.get("height", 0)),
        "audio_bitrate": audio_bps,
    }
