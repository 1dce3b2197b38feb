"""What the bodies of insert and update may say: read, checked, refused with YouTube's reasons."""

from __future__ import annotations

import secrets
from typing import Any

from ops.sandbox.clock import parse_time
from ops.sandbox.face import World
from ops.sandbox.parties import Platform
from ops.sandbox.youtube.broadcast import Broadcast, LifeCycle, LiveStream
from ops.sandbox.youtube.errors import STREAM, refused

RESOLUTIONS = ("240p", "360p", "480p", "720p", "1080p", "1440p", "2160p", "variable")
FRAME_RATES = ("30fps", "60fps", "variable")
INGESTION_TYPES = ("rtmp", "dash", "webrtc", "hls")
PRIVACIES = ("public", "unlisted", "private")
LATENCIES = ("normal", "low", "ultraLow")
_MAX_TITLE = 100
_MAX_STREAM_TITLE_BYTES = 128
_MAX_DESCRIPTION = 5000
_ID_BYTES = 8
# A start that lies in the past by no more than a slow client takes.
_LATE_S = 3600.0


def new_broadcast(world: World, channel_id: str, body: dict[str, Any]) -> Broadcast:
    """A broadcast as `liveBroadcasts.insert` makes it.

    Raises:
        Refusal: something is missing or not allowed.
    """
    snippet, status, details = _part(body, "snippet"), _part(body, "status"), _part(body, "contentDetails")
    start = _time(snippet, "scheduledStartTime", "invalidScheduledStartTime")
    if start is None:
        raise refused("scheduledStartTimeRequired")
    now = world.clock.now()
    if start < now - _LATE_S:
        raise refused("invalidScheduledStartTime", "Scheduled start time must be in the future")
    if "privacyStatus" not in status:
        raise refused("privacyStatusRequired")
    monitor = _part(details, "monitorStream")
    return Broadcast(
        id=secrets.token_urlsafe(_ID_BYTES),
        channel_id=channel_id,
        published_at=now,
        title=_title(snippet),
        description=_description(snippet),
        scheduled_start=start,
        scheduled_end=_end(snippet, start),
        privacy=_one_of(status["privacyStatus"], PRIVACIES, "invalidPrivacyStatus"),
        made_for_kids=bool(status.get("selfDeclaredMadeForKids", False)),
        auto_start=bool(details.get("enableAutoStart", False)),
        auto_stop=bool(details.get("enableAutoStop", False)),
        dvr=bool(details.get("enableDvr", True)),
        embed=bool(details.get("enableEmbed", True)),
        record=bool(details.get("recordFromStart", True)),
        latency=_one_of(
            details.get("latencyPreference", "normal"), LATENCIES, "invalidLatencyPreferenceOptions"
        ),
        monitor=bool(monitor.get("enableMonitorStream", True)),
        monitor_delay_ms=_number(monitor, "broadcastStreamDelayMs"),
    )


def change_broadcast(broadcast: Broadcast, body: dict[str, Any], parts: frozenset[str]) -> None:
    """`liveBroadcasts.update`: the parts that are named are replaced.

    Raises:
        Refusal: something is missing, or cannot be changed (any more).
    """
    if "snippet" in parts:
        snippet = _part(body, "snippet")
        title, description = _title(snippet), _description(snippet)
        start = _time(snippet, "scheduledStartTime", "invalidScheduledStartTime")
        if start is not None and start != broadcast.scheduled_start:
            if broadcast.life not in {LifeCycle.CREATED, LifeCycle.READY}:
                raise refused("modificationNotAllowed")
            broadcast.scheduled_start = start
        broadcast.title, broadcast.description = title, description
        broadcast.scheduled_end = _end(snippet, broadcast.scheduled_start)
    if "status" in parts:
        status = _part(body, "status")
        if "privacyStatus" in status:
            broadcast.privacy = _one_of(status["privacyStatus"], PRIVACIES, "invalidPrivacyStatus")
        broadcast.made_for_kids = bool(status.get("selfDeclaredMadeForKids", broadcast.made_for_kids))
    if "contentDetails" in parts:
        _change_details(broadcast, _part(body, "contentDetails"))


def new_stream(world: World, channel_id: str, body: dict[str, Any]) -> LiveStream:
    """A stream as `liveStreams.insert` makes it, with an address at the sink.

    Raises:
        Refusal: something is missing or not allowed.
    """
    snippet, cdn, details = _part(body, "snippet"), _part(body, "cdn"), _part(body, "contentDetails")
    if not cdn:
        raise refused("cdnRequired")
    for name in ("ingestionType", "resolution", "frameRate"):
        if name not in cdn:
            raise refused(f"{name}Required")
    title = _stream_title(snippet)
    settings = (
        _one_of(cdn["ingestionType"], INGESTION_TYPES, "invalidIngestionType"),
        _one_of(cdn["resolution"], RESOLUTIONS, "invalidResolution"),
        _one_of(cdn["frameRate"], FRAME_RATES, "invalidFrameRate"),
    )
    if "variable" in settings[1:] and settings[1] != settings[2]:
        raise refused("invalidFrameRate", "resolution and frameRate must both be variable, or neither")
    name = "-".join(secrets.token_hex(2) for _ in range(5))
    return LiveStream(
        secrets.token_urlsafe(24),
        channel_id,
        world.clock.now(),
        title,
        _description(snippet),
        *settings,
        reusable=bool(details.get("isReusable", True)),
        key=world.keys.add(Platform.YOUTUBE, "live2", name),
    )


def _change_details(broadcast: Broadcast, details: dict[str, Any]) -> None:
    if broadcast.life not in {LifeCycle.CREATED, LifeCycle.READY}:
        # Once it is on air only this may still be decided.
        broadcast.auto_stop = bool(details.get("enableAutoStop", broadcast.auto_stop))
        return
    monitor = _part(details, "monitorStream")
    broadcast.auto_start = bool(details.get("enableAutoStart", broadcast.auto_start))
    broadcast.auto_stop = bool(details.get("enableAutoStop", broadcast.auto_stop))
    broadcast.dvr = bool(details.get("enableDvr", broadcast.dvr))
    broadcast.embed = bool(details.get("enableEmbed", broadcast.embed))
    broadcast.record = bool(details.get("recordFromStart", broadcast.record))
    broadcast.monitor = bool(monitor.get("enableMonitorStream", broadcast.monitor))
    broadcast.latency = _one_of(
        details.get("latencyPreference", broadcast.latency), LATENCIES, "invalidLatencyPreferenceOptions"
    )


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name, {})
    if not isinstance(part, dict):
        raise refused("invalid", f"Invalid value for {name}: expected an object")
    return part


def _title(snippet: dict[str, Any]) -> str:
    title = snippet.get("title")
    if title is None:
        raise refused("titleRequired")
    if not isinstance(title, str) or not 0 < len(title.strip()) <= _MAX_TITLE or set(title) & set("<>"):
        raise refused("invalidTitle")
    return title


def _stream_title(snippet: dict[str, Any]) -> str:
    title = snippet.get("title")
    if title is None:
        raise refused("titleRequired", domain=STREAM)
    # A broadcast's title is counted in characters, a stream's in bytes of UTF-8.
    if not isinstance(title, str) or not 0 < len(title.encode()) <= _MAX_STREAM_TITLE_BYTES:
        text = f"Title must be between 1 and {_MAX_STREAM_TITLE_BYTES} characters long"
        raise refused("invalidTitle", text, domain=STREAM)
    return title


def _description(snippet: dict[str, Any]) -> str:
    text = snippet.get("description", "")
    if not isinstance(text, str) or len(text) > _MAX_DESCRIPTION or set(text) & set("<>"):
        raise refused("invalidDescription")
    return text


def _time(snippet: dict[str, Any], name: str, reason: str) -> float | None:
    if name not in snippet:
        return None
    try:
        return parse_time(str(snippet[name]))
    except ValueError:
        raise refused(reason) from None


def _end(snippet: dict[str, Any], start: float) -> float | None:
    end = _time(snippet, "scheduledEndTime", "invalidScheduledEndTime")
    if end is not None and end <= start:
        raise refused("invalidScheduledEndTime")
    return end


def _number(part: dict[str, Any], name: str) -> int:
    value = part.get(name, 0)
    if not isinstance(value, int) or value < 0:
        raise refused("invalid", f"Invalid value for {name}: expected a number of 0 or more")
    return value


def _one_of(value: object, allowed: tuple[str, ...], reason: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise refused(reason)
    return value
