"""Broadcasts and streams as the Data API shows them, part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ops.sandbox.clock import rfc3339
from ops.sandbox.face import Addresses
from ops.sandbox.parties import Account
from ops.sandbox.youtube.broadcast import Broadcast, LifeCycle, LiveStream

_SIZES = {"default": (120, 90), "medium": (320, 180), "high": (480, 360)}


def broadcast_resource(broadcast: Broadcast, parts: frozenset[str], http: str) -> dict[str, Any]:
    """A `youtube#liveBroadcast`."""
    made = {name: make(broadcast) for name, make in BROADCAST_PARTS.items() if name in parts}
    if "snippet" in made:
        made["snippet"]["thumbnails"] = thumbnails(broadcast, http)
    return _resource("youtube#liveBroadcast", broadcast.id, made)


def stream_resource(
    stream: LiveStream, parts: frozenset[str], addresses: Addresses, now: float
) -> dict[str, Any]:
    """A `youtube#liveStream`."""
    made: dict[str, Any] = {}
    if "snippet" in parts:
        made["snippet"] = {
            "publishedAt": rfc3339(stream.published_at),
            "channelId": stream.channel_id,
            "title": stream.title,
            "description": stream.description,
            "isDefaultStream": False,
        }
    if "cdn" in parts:
        made["cdn"] = _cdn(stream, addresses)
    if "status" in parts:
        made["status"] = {"streamStatus": stream.status, "healthStatus": _health(stream, now)}
    if "contentDetails" in parts:
        made["contentDetails"] = {
            "closedCaptionsIngestionUrl": f"{addresses.http}/youtube/closedcaption?cid={stream.id}",
            "isReusable": stream.reusable,
        }
    return _resource("youtube#liveStream", stream.id, made)


def channel_resource(account: Account, parts: frozenset[str], http: str) -> dict[str, Any]:
    """A `youtube#channel`."""
    made: dict[str, Any] = {}
    if "snippet" in parts:
        picture = {"url": f"{http}/youtube/pictures/{account.id}.png", "width": 88, "height": 88}
        made["snippet"] = {
            "title": account.name,
            "description": "",
            "customUrl": "@" + account.name.replace(" ", "").lower(),
            "publishedAt": "2019-04-01T08:00:00Z",
            "thumbnails": {"default": picture},
            "localized": {"title": account.name, "description": ""},
        }
    if "status" in parts:
        made["status"] = {"privacyStatus": "public", "isLinked": True, "longUploadsStatus": "allowed"}
    return _resource("youtube#channel", account.id, made)


def video_resource(broadcast: Broadcast, parts: frozenset[str], http: str) -> dict[str, Any]:
    """The `youtube#video` that a broadcast is too, as far as it is live."""
    made: dict[str, Any] = {}
    if "snippet" in parts:
        content = "live" if broadcast.life is LifeCycle.LIVE else "upcoming"
        made["snippet"] = {
            "publishedAt": rfc3339(broadcast.published_at),
            "channelId": broadcast.channel_id,
            "title": broadcast.title,
            "description": broadcast.description,
            "thumbnails": thumbnails(broadcast, http),
            "liveBroadcastContent": "none" if broadcast.life is LifeCycle.COMPLETE else content,
        }
    if "liveStreamingDetails" in parts:
        details = _times(broadcast)
        if broadcast.life is LifeCycle.LIVE:
            details["activeLiveChatId"] = broadcast.chat_id
            if broadcast.viewers is not None:
                details["concurrentViewers"] = str(broadcast.viewers)
        made["liveStreamingDetails"] = details
    return _resource("youtube#video", broadcast.id, made)


def list_response(kind: str, items: list[dict[str, Any]], total: int, per_page: int) -> dict[str, Any]:
    """The envelope of every list."""
    return {
        "kind": kind,
        "etag": _etag(items),
        "pageInfo": {"totalResults": total, "resultsPerPage": per_page},
        "items": items,
    }


def thumbnails(broadcast: Broadcast, http: str) -> dict[str, Any]:
    """`snippet.thumbnails`."""
    return {
        name: {"url": f"{http}/youtube/pictures/{broadcast.id}_{name}.jpg", "width": width, "height": height}
        for name, (width, height) in _SIZES.items()
    }


def thumbnail_response(broadcast: Broadcast, http: str) -> dict[str, Any]:
    """What `thumbnails.set` answers."""
    items = [thumbnails(broadcast, http)]
    return {"kind": "youtube#thumbnailSetResponse", "etag": _etag(items), "items": items}


def _snippet(broadcast: Broadcast) -> dict[str, Any]:
    return {
        "publishedAt": rfc3339(broadcast.published_at),
        "channelId": broadcast.channel_id,
        "title": broadcast.title,
        "description": broadcast.description,
        **_times(broadcast),
        "isDefaultBroadcast": False,
        "liveChatId": broadcast.chat_id,
    }


def _times(broadcast: Broadcast) -> dict[str, Any]:
    times = {
        "scheduledStartTime": broadcast.scheduled_start,
        "scheduledEndTime": broadcast.scheduled_end,
        "actualStartTime": broadcast.started_at,
        "actualEndTime": broadcast.ended_at,
    }
    return {name: rfc3339(at) for name, at in times.items() if at is not None}


def _status(broadcast: Broadcast) -> dict[str, Any]:
    return {
        "lifeCycleStatus": broadcast.life.value,
        "privacyStatus": broadcast.privacy,
        "recordingStatus": broadcast.recording,
        "madeForKids": broadcast.made_for_kids,
        "selfDeclaredMadeForKids": broadcast.made_for_kids,
    }


def _details(broadcast: Broadcast) -> dict[str, Any]:
    monitor: dict[str, Any] = {"enableMonitorStream": broadcast.monitor}
    if broadcast.monitor:
        monitor["broadcastStreamDelayMs"] = broadcast.monitor_delay_ms
        monitor["embedHtml"] = f'<iframe src="https://www.youtube.com/embed/{broadcast.id}"></iframe>'
    details: dict[str, Any] = {
        "monitorStream": monitor,
        "enableEmbed": broadcast.embed,
        "enableDvr": broadcast.dvr,
        "recordFromStart": broadcast.record,
        "enableClosedCaptions": False,
        "closedCaptionsType": "closedCaptionsDisabled",
        "enableLowLatency": broadcast.latency == "low",
        "latencyPreference": broadcast.latency,
        "projection": "rectangular",
        "enableAutoStart": broadcast.auto_start,
        "enableAutoStop": broadcast.auto_stop,
    }
    if broadcast.stream is not None and broadcast.bound_at is not None:
        details["boundStreamId"] = broadcast.stream.id
        details["boundStreamLastUpdateTimeMs"] = rfc3339(broadcast.bound_at)
    return details


def _statistics(broadcast: Broadcast) -> dict[str, Any]:
    if broadcast.life is not LifeCycle.LIVE or broadcast.viewers is None:
        return {}
    return {"concurrentViewers": str(broadcast.viewers)}


def _cdn(stream: LiveStream, addresses: Addresses) -> dict[str, Any]:
    app = stream.key.app
    return {
        "ingestionType": stream.ingestion_type,
        "ingestionInfo": {
            "streamName": stream.key.name,
            "ingestionAddress": f"{addresses.rtmp}/{app}",
            "backupIngestionAddress": f"{addresses.rtmp}/{app}?backup=1",
            "rtmpsIngestionAddress": f"{addresses.rtmps}/{app}",
            "rtmpsBackupIngestionAddress": f"{addresses.rtmps}/{app}?backup=1",
        },
        "resolution": stream.resolution,
        "frameRate": stream.frame_rate,
    }


def _health(stream: LiveStream, now: float) -> dict[str, Any]:
    issues = [
        {
            "type": issue.type,
            "severity": issue.severity,
            "reason": issue.reason,
            "description": issue.description,
        }
        for issue in stream.issues()
    ]
    health: dict[str, Any] = {"status": stream.health(), "configurationIssues": issues}
    if stream.reception.active:
        health["lastUpdateTimeSeconds"] = str(int(now))
    return health


BROADCAST_PARTS: dict[str, Callable[[Broadcast], dict[str, Any]]] = {
    "snippet": _snippet,
    "status": _status,
    "contentDetails": _details,
    "statistics": _statistics,
    "monetizationDetails": lambda broadcast: {},
}
STREAM_PARTS = frozenset({"snippet", "cdn", "status", "contentDetails"})


def _resource(kind: str, resource_id: str, parts: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "etag": _etag(parts), "id": resource_id, **parts}


def _etag(value: object) -> str:
    return hashlib.sha1(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:27]
