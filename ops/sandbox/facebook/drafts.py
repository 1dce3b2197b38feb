"""What may be said when a live video is made or changed: read, checked, refused as Facebook does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from ops.sandbox.face import World
from ops.sandbox.facebook.errors import bad_parameter
from ops.sandbox.facebook.live_video import OVER, LiveVideo, Status
from ops.sandbox.parties import Platform

STATUSES = ("UNPUBLISHED", "LIVE_NOW", "SCHEDULED_UNPUBLISHED", "SCHEDULED_LIVE", "SCHEDULED_CANCELED")
_MAX_TITLE = 255
_SOONEST_S, _LATEST_S = 600.0, 7 * 86_400.0
_APP = "rtmp"


def new_live_video(world: World, owner: str, asked: Mapping[str, str]) -> LiveVideo:
    """A live video with addresses at the sink.

    Raises:
        Refusal: something is not allowed.
    """
    said = asked.get("status", "LIVE_NOW" if _flag(asked, "published", usual=True) else "UNPUBLISHED")
    if said not in STATUSES or said == "SCHEDULED_CANCELED":
        raise bad_parameter(f'Param status must be one of {{{", ".join(STATUSES)}}} - got "{said}".')
    now = world.clock.now()
    planned_at = _planned(asked, now) if said.startswith("SCHEDULED") else None
    backup = _flag(asked, "enable_backup_ingest")
    video = LiveVideo(
        id=str(10**15 + secrets.randbelow(9 * 10**15)),
        owner=owner,
        created_at=now,
        title=_title(asked),
        description=asked.get("description", ""),
        status=Status(said) if said in set(Status) else Status.UNPUBLISHED,
        wanted=said == "LIVE_NOW",
        planned_at=planned_at,
        privacy=_privacy(asked),
        stop_on_delete=_flag(asked, "stop_on_delete_stream", usual=not backup),
    )
    for number in range(2 if backup else 1):
        name = f"FB-{video.id}-{number}-{secrets.token_urlsafe(12)}"
        key = world.keys.add(
            Platform.FACEBOOK, _APP, name, lambda: video.admit(world.clock.now()), secure_only=True
        )
        video.keys.append(key)
    return video


def change_live_video(video: LiveVideo, asked: Mapping[str, str], now: float) -> None:
    """`POST /{live-video-id}`.

    Raises:
        Refusal: something is not allowed, or not any more.
    """
    if _flag(asked, "end_live_video"):
        if video.status in OVER:
            raise bad_parameter("The live video has already ended.")
        video.end(now)
        return
    if "title" in asked:
        video.title = _title(asked)
    video.description = asked.get("description", video.description)
    if "privacy" in asked:
        video.privacy = _privacy(asked)
    if "event_params" in asked and video.planned_at is not None:
        video.planned_at = _planned(asked, now)
    if "status" in asked:
        _change_status(video, asked["status"])


def _change_status(video: LiveVideo, said: str) -> None:
    if said not in STATUSES:
        raise bad_parameter(f'Param status must be one of {{{", ".join(STATUSES)}}} - got "{said}".')
    if video.status in OVER:
        raise bad_parameter("The live video has already ended.")
    scheduled = video.planned_at is not None and video.status is not Status.LIVE
    match said:
        case "LIVE_NOW":
            video.publish()
        case "SCHEDULED_LIVE" | "SCHEDULED_UNPUBLISHED" | "SCHEDULED_CANCELED" if scheduled:
            video.status = Status(said)
        case _:
            raise bad_parameter(f"Cannot change the status from {video.status.value} to {said}.")


def _planned(asked: Mapping[str, str], now: float) -> float:
    """The start of an event: between ten minutes and seven days from now."""
    try:
        event = json.loads(asked.get("event_params", "{}"))
        text = str(event.get("start_time", asked.get("planned_start_time", "")))
        at = float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()
    except (ValueError, AttributeError):
        raise bad_parameter("Param event_params[start_time] must be a UNIX timestamp.") from None
    if not _SOONEST_S <= at - now <= _LATEST_S:
        raise bad_parameter(
            "Param event_params[start_time] must be between 10 minutes and 7 days from now.", subcode=1363120
        )
    return at


def _title(asked: Mapping[str, str]) -> str:
    title = asked.get("title", "")
    if len(title) > _MAX_TITLE:
        raise bad_parameter(f"Param title must be no longer than {_MAX_TITLE} characters.")
    return title


def _privacy(asked: Mapping[str, str]) -> str:
    text = asked.get("privacy", '{"value":"EVERYONE"}')
    try:
        value = json.loads(text)["value"]
    except (ValueError, KeyError, TypeError):
        raise bad_parameter('Param privacy must be an object such as {"value":"EVERYONE"}.') from None
    if value not in {"EVERYONE", "ALL_FRIENDS", "FRIENDS_OF_FRIENDS", "SELF", "CUSTOM"}:
        raise bad_parameter(f"Param privacy[value] is not allowed: {value!r}.")
    return str(value)


def _flag(asked: Mapping[str, str], name: str, *, usual: bool = False) -> bool:
    said = asked.get(name)
    if said is None:
        return usual
    if said.lower() not in {"true", "1", "false", "0"}:
        raise bad_parameter(f"Param {name} must be a boolean")
    return said.lower() in {"true", "1"}
