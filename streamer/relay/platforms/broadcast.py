"""What a relay needs of a platform: somewhere to push to, to be told that it is live, how it goes, to end it.

    broadcast = platforms.open("youtube", connection_id, announcement)
    ingest = await broadcast.prepare()      # or resume(id), after a restart of ours
    ...push to ingest.url with ingest.key; keep broadcast.id...
    await broadcast.went_live()             # media flows; returns once the platform shows it
    health = await broadcast.health()       # again after health.again_s
    await broadcast.end()

All of it belongs to the event loop, and all of it raises `PlatformError` and nothing else. A network that
breaks does not end a broadcast: the relay pushes again to the same ingest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from transport.media import Codec

Privacy = Literal["public", "unlisted", "private"]
Latency = Literal["normal", "low", "ultra-low"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a platform demands and allows.

    Attributes:
        name: for people.
        codecs: what it takes for certain; pictures and sound.
        optional_codecs: what it takes in the Enhanced RTMP way, where the operator wants to try.
        needs_audio: it takes no broadcast without sound; silence will do.
        needs_video: it takes no broadcast without pictures.
        max_duration_s: of one broadcast, after which a new one must be begun; None for any.
        max_keyframe_interval_s: more is refused or looks bad; None where it does not matter.
        max_video_bps: more is refused or looks bad; None where it does not matter.
        has_health: whether the platform itself tells how it goes.
        has_backup: whether it has a second ingest.
    """

    name: str
    codecs: frozenset[Codec] = frozenset({Codec.H264, Codec.AAC})
    optional_codecs: frozenset[Codec] = frozenset()
    needs_audio: bool = True
    needs_video: bool = True
    max_duration_s: float | None = None
    max_keyframe_interval_s: float | None = None
    max_video_bps: int | None = None
    has_health: bool = True
    has_backup: bool = False


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is to be broadcast, in words common to all platforms; each takes what it knows.

    Attributes:
        title: cut to what the platform takes; must not be empty.
        privacy: who may see it. On a Facebook profile "unlisted" is friends, "private" oneself; pages and
            Twitch know public only, and others are refused.
        latency: what the platform trades between delay and steadiness.
        category: Twitch: the category's or game's name.
        starts_at: announce it for then, seconds since 1970; None for now.
        made_for_kids: as YouTube demands to be told.
        page: Facebook: id of the page to publish as; "" for what was picked when connecting.
        thumbnail: JPEG or PNG of at most 2 MB; b"" for none.
    """

    title: str
    description: str = ""
    privacy: Privacy = "public"
    latency: Latency = "normal"
    category: str = ""
    starts_at: float | None = None
    made_for_kids: bool = False
    page: str = ""
    thumbnail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Ingest:
    """Where to push to.

    Attributes:
        url: `rtmps://host/app` or another that a push takes; without the key.
        key: the stream key; a secret.
        backup_url: a second ingest that takes the same key; "" for none.
        broadcast_id: for `Broadcast.resume`; opaque, no secret, at most 256 characters.
        watch_url: where people see it; "" where it is not known.
        push_by: push before then or prepare again, seconds since 1970; None for any time.
        ends_at: when the platform ends this broadcast at the latest, seconds since 1970; None for never or
            not known before it is live. A relay rotates before then.
    """

    url: str
    key: str = field(repr=False)
    backup_url: str = ""
    broadcast_id: str = ""
    watch_url: str = ""
    push_by: float | None = None
    ends_at: float | None = None


class HealthState(StrEnum):
    """How the platform finds what it gets."""

    UNKNOWN = "unknown"  #: it does not say, or was not asked for want of quota
    WAITING = "waiting"  #: nothing arrives yet
    GOOD = "good"
    POOR = "poor"  #: shown, with issues
    BAD = "bad"  #: hardly watchable, or nothing arrives any more
    ENDED = "ended"  #: the platform has ended the broadcast; only a new one helps


@dataclass(frozen=True, slots=True)
class Health:
    """What the platform says.

    Attributes:
        issues: sentences for people; empty when all is well.
        viewers: at this moment; None where it does not say.
        again_s: ask again after so long; the platform's quota allows no sooner.
        watch_url: where people see it; "" where it is not known.
        ends_at: as `Ingest.ends_at`, once known.
    """

    state: HealthState
    issues: tuple[str, ...] = ()
    viewers: int | None = None
    again_s: float = 30.0
    watch_url: str = ""
    ends_at: float | None = None


class Broadcast(Protocol):
    """One broadcast on one platform. `prepare` or `resume` comes first.

    Attributes:
        traits: of the platform.
        id: for `resume`; "" before the platform has given one.
    """

    @property
    def traits(self) -> Traits:
        """What the platform demands and allows."""
        ...

    @property
    def id(self) -> str:
        """For `resume`, also of a later process; "" before the platform has given one."""
        ...

    async def prepare(self) -> Ingest:
        """Make the broadcast. Cancelled or failed in the middle, nothing that people see is left behind."""
        ...

    async def resume(self, id: str) -> Ingest:
        """Go on with a broadcast that an earlier process, or this one, prepared.

        Raises:
            PlatformError: `over` when the platform has ended it; prepare a new one.
        """
        ...

    async def went_live(self) -> None:
        """Say that media arrives at the ingest; returns once the platform shows it. Idempotent.

        It may take half a minute, so call it beside the push. Whoever waits may cancel it and call it again.
        """
        ...

    async def health(self) -> Health:
        """How the platform finds it."""
        ...

    async def end(self) -> None:
        """End it; one that is over already is no error."""
        ...
