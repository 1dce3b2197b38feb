"""A named live programme: one publisher at a time, any number of outputs.

    offline ──publish──▶ live ──publisher leaves──▶ away ──back within the grace time──▶ live
                                                     └──────grace over──▶ offline (outputs are told)

Units are written in the publisher's thread; everything else may be called from any thread.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from streamer.encryption import Leg
from streamer.errors import AlreadyPublished, NoSuchStream, NotLive
from streamer.hub.demand import Demand
from streamer.hub.fanout import Fanout
from streamer.hub.ladder import SCALES, STILLS, STILLS_EVERY_S, rungs
from streamer.hub.meter import Meter
from streamer.hub.rendition import Rendition, Transcoder
from streamer.hub.timeline import Timeline
from streamer.sections.stream import StreamConfig
from transport.media import AccessUnit, Codec, Track
from transport.media.shape import fitting_size
from transport.media.transcode import AacTranscoder, H264Options, H264Transcoder, OpusTranscoder

_log = logging.getLogger(__name__)

# A declared track that has shown nothing this long after the first keyframe is not waited for.
_TRACK_PATIENCE_S = 1.0

# For who reloads, who comes as another leaves, and between opening a page and what its player asks for.
_LINGER_S = 10.0


class State(enum.StrEnum):
    """Whether there is a picture to be had."""

    OFFLINE = "offline"
    AWAY = "waiting"
    LIVE = "live"


@dataclass(frozen=True)
class Publisher:
    """Who feeds a stream.

    Attributes:
        id: short and unique, the same as in the log.
        protocol: "srt", "rtmp", "whip" or "rtsp".
        address: for people, without credentials; where it came from.
        describe: current statistics for the API.
        warnings: what of its material cannot be used, in words for the producer.
        stop: ends the publication from outside; returns at once.
        encryption: what its media comes with; None while unknown.
        is_edge: it is another machine, which the publisher proper is connected to.
        gives_way: whether somebody else may take its place, as nothing comes of it any more. Any thread.
        request_keyframe: asks for a picture that can be begun with, where there is a way to ask. Any thread.
        moved_to: its address by now, "" while it is the one that it came from. Any thread.
    """

    id: str
    protocol: str
    address: str
    describe: Callable[[], dict[str, object]] = dict
    warnings: Callable[[], Iterable[str]] = tuple
    stop: Callable[[], None] = lambda: None
    since: float = field(default_factory=time.time)
    encryption: Callable[[], Leg | None] = lambda: None
    is_edge: bool = False
    gives_way: Callable[[], bool] = lambda: False
    request_keyframe: Callable[[], None] = lambda: None
    moved_to: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """What the source is doing, for people.

    Attributes:
        state: "waiting", "connecting", "live", "retrying", "idle" or "stopped".
        reason: why, in words; "" while all is well.
    """

    state: str
    reason: str = ""
    since: float = field(default_factory=time.time)


class Stream:
    """One configured stream.

    Args:
        name: as in the configuration.
        config: its table.
        on_change: called from any thread when the state or a track changed.

    Attributes:
        h264, opus, aac: its renditions for who cannot take its tracks as they are.
        reduced: those of the ladder that are pictures, the second rung's first.
        elsewhere_since: since when another machine has it, from which it is fetched while somebody wants it,
            seconds since 1970; None when none has.
    """

    def __init__(
        self, name: str, config: StreamConfig, on_change: Callable[[Stream], None] = lambda stream: None
    ) -> None:
        self.name = name
        self.config = config
        self.demand = Demand()
        self.meter = Meter()
        self.ingest = IngestStatus("waiting")
        self.elsewhere_since: float | None = None
        self.epoch_s = time.time()
        self._timeline = Timeline(time.monotonic())
        self._on_change = on_change
        self._lock = threading.Lock()
        self._publication: Publication | None = None
        self._retired = False
        self._away_since: float | None = None
        self._first_unit_at: float | None = None
        self._seen: set[int] = set()
        self._warned: set[str] = set()
        self._changed = Wake()
        self.source = Fanout(self._tracks_changed)
        self.opus = self._rendition("opus", OpusTranscoder)
        self.aac = self._rendition("aac", AacTranscoder)
        self.h264 = self._rendition("h264", H264Transcoder, video=True)
        self.reduced = [
            self._rendition(f"h264 {rung}", functools.partial(self._reducer, rung), video=True)
            for rung in range(1, len(SCALES))
        ]

    def _rendition(
        self, codec: str, make: Callable[[Track], Transcoder], *, video: bool = False
    ) -> Rendition:
        return Rendition(f"{self.name} {codec}", self.source, video=video, make=make, linger_s=_LINGER_S)

    def _reducer(self, rung: int, track: Track) -> H264Transcoder:
        bitrates = self.rungs()
        # A publisher that comes back may bring a picture that has no ladder.
        bitrate = bitrates[rung] if rung < len(bitrates) else None
        options = H264Options(scale=SCALES[rung], max_bitrate=bitrate)
        if rung + 1 == STILLS:
            options = replace(options, keyframe_interval_s=STILLS_EVERY_S)
        return H264Transcoder(track, options)

    def rungs(self) -> Sequence[int]:
        """What each rung of its ladder takes, in bits per second; see `ladder.rungs`."""
        video = self.source.video
        if video is None:
            return []
        size = (
            fitting_size(video.width, video.height, Fraction(video.pixel_aspect)) if video.width else (0, 0)
        )
        is_own = video.codec is Codec.H264 and not video.hindrance
        return rungs(*size, self.meter.bitrate_bps if is_own else 0.0, self.meter.fps)

    def smaller(self, rung: int) -> Rendition:
        """What a rung below the full picture is made of; the stills are the smallest picture's."""
        return self.reduced[min(rung, STILLS - 1) - 1]

    @property
    def renditions(self) -> dict[str, Rendition]:
        """What it can make of its tracks, by name; that of a smaller picture ends in its rung."""
        reduced = {f"h264_{rung}": made for rung, made in enumerate(self.reduced, start=1)}
        return {"h264": self.h264, **reduced, "opus": self.opus, "aac": self.aac}

    @property
    def state(self) -> State:
        """Offline, away or live."""
        if self._publication is not None:
            return State.LIVE
        return State.AWAY if self._away_since is not None else State.OFFLINE

    @property
    def publisher(self) -> Publisher | None:
        """Who feeds it now."""
        publication = self._publication
        return publication.publisher if publication is not None else None

    @property
    def own_publisher(self) -> Publisher | None:
        """Who feeds it now, unless that is another machine."""
        publisher = self.publisher
        return publisher if publisher is not None and not publisher.is_edge else None

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What its publisher brings, none before that has told of any; or what was brought, while it is away.

        Outputs go by the source's, where those of the publisher before stay until then.
        """
        publication = self._publication
        return self.source.tracks if publication is None or publication.has_told else ()

    @property
    def is_elsewhere(self) -> bool:
        """Whether another machine has it, and none publishes it here."""
        return self.elsewhere_since is not None

    @property
    def ready(self) -> bool:
        """True once a viewer can be told what the stream holds and can start at once."""
        first = self._first_unit_at
        if self._publication is None or first is None or self._retired:
            return False
        waiting = [track for track in self.source.tracks if track.id not in self._seen]
        return not waiting or (
            time.monotonic() - first > _TRACK_PATIENCE_S and not any(track.is_video for track in waiting)
        )

    @property
    def warnings(self) -> list[str]:
        """What would make this stream cheaper or better, in words for the producer."""
        found = self.meter.warnings(self.tracks, transcoding=self.h264.active)
        if self.config.e2e and self.config.public:
            found.append(
                "The stream is encrypted end to end, but public: anybody is given its content key. "
                "Set public = false."
            )
        publisher = self.publisher
        return found + list(publisher.warnings()) if publisher is not None else found

    @property
    def timeline_jumps(self) -> int:
        """How often a publisher's timestamps jumped and were put right."""
        return self._timeline.jumps

    def audio_source(self) -> Fanout | Rendition:
        """Where Opus comes from: the stream itself when it carries it for browsers, or the rendition."""
        audio = self.source.audio
        is_ready = audio is not None and audio.codec is Codec.OPUS and not audio.hindrance
        return self.source if is_ready else self.opus

    def publish(self, publisher: Publisher) -> Publication:
        """Make somebody the publisher.

        Raises:
            AlreadyPublished: somebody is.
            NoSuchStream: it is not configured any more.
        """
        with self._lock:
            if self._retired:
                raise NoSuchStream(self.name)
            if self._publication is not None:
                raise AlreadyPublished(self.name, self._publication.publisher.address)
            self._publication = publication = Publication(self, publisher)
            self._away_since = None
            self._first_unit_at = None
            self._seen = set()
            self._timeline.begin()
            self.meter.begin()
        self.ingest = IngestStatus("live")
        _log.info("%s: published by %s", self.name, publisher.address, extra={"session": publisher.id})
        self._notify()
        return publication

    def retire(self) -> None:
        """End for good, because it is not configured any more, or otherwise: its publisher is stopped."""
        with self._lock:
            self._retired = True
            publisher = self.publisher
        if publisher is not None:
            publisher.stop()
        for rendition in self.renditions.values():
            rendition.retire()
        self._changed.set()

    def expect(self) -> None:
        """Somebody who may watch opened a page to do so: start what every browser needs made for it."""
        if self.state is not State.LIVE or self._retired:
            return
        video, audio = self.source.video, self.source.audio
        if audio is not None and self.audio_source() is self.opus:
            self.opus.expect()
        # Whether this browser lacks the codec is not known yet; what hinders all of them is.
        is_hindered = video is not None and (video.hindrance or not video.codec.in_browsers)
        if is_hindered and self.config.renditions == "auto":
            self.h264.expect()

    def expire(self, now: float) -> None:
        """End the grace time when it is over. Called a few times a second.

        Args:
            now: time.monotonic().
        """
        with self._lock:
            if self._away_since is None or now - self._away_since < self.config.grace_s:
                return
            self._away_since = None
            # Under the lock, or it would take away what the next publisher declares.
            self.source.declare(())
        self._notify()

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until a viewer can start.

        Raises:
            NotLive: it did not happen in time; says what the source is doing.
            NoSuchStream: it is not configured any more.
        """
        deadline = time.monotonic() + timeout_s
        while not self.ready:
            if self._retired:
                raise NoSuchStream(self.name)
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotLive(self.name, self.ingest.reason or self._trouble() or _WHY[self.state])
            # The patience with a silent track ends without an event.
            await self._changed.wait(min(left, 0.25))

    def _trouble(self) -> str:
        """Why a publisher's material holds nothing that can be played, or may not; "" for no known reason."""
        publisher = self.publisher
        if publisher is None or self._first_unit_at is not None:
            return ""
        told = list(publisher.warnings())
        if told and self.tracks:
            told.insert(0, _WHY[State.LIVE])
        return "; ".join(told)

    def written(self, unit: AccessUnit) -> None:
        """One unit from the current publication. Publisher's thread."""
        self.meter.count(unit)
        self.source.write(self._timeline.place(unit))
        # A camera may begin between two keyframes, without having told its profile or size.
        if unit.track.id not in self._seen and (unit.keyframe or not unit.track.is_video):
            self._seen.add(unit.track.id)
            if self._first_unit_at is None:
                self._first_unit_at = time.monotonic()
            self._notify()

    def left(self, publication: Publication, reason: str) -> None:
        """The publication ended. Outputs stay attached for the grace time."""
        with self._lock:
            if self._publication is not publication:
                return
            self._publication = None
            self._away_since = time.monotonic()
            self.source.forget()
        if self.config.is_published:
            self.ingest = IngestStatus("waiting", reason)
        _log.info("%s: publisher left: %s", self.name, reason, extra={"session": publication.publisher.id})
        self._notify()

    def _tracks_changed(self) -> None:
        found = set(self.warnings)
        for warning in sorted(found - self._warned):
            _log.warning("%s: %s", self.name, warning)
        self._warned = found
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._on_change(self)


_WHY = {
    State.OFFLINE: "nobody publishes it",
    State.AWAY: "its publisher is away",
    State.LIVE: "no keyframe has arrived yet",
}


class Publication:
    """One publisher's right to write, from `Stream.publish` to `close`.

    Attributes:
        has_told: it has said what it brings, or brought something.
    """

    def __init__(self, stream: Stream, publisher: Publisher) -> None:
        self.stream = stream
        self.publisher = publisher
        self.has_told = False
        self._open = True

    def declare(self, tracks: tuple[Track, ...]) -> None:
        """Announce the tracks to come, before or between units."""
        if self._open:
            self.stream.source.declare(tracks)
            self.has_told |= bool(tracks)

    def write(self, unit: AccessUnit) -> None:
        """Pass one unit on; ignored after `close`."""
        if self._open:
            self.has_told = True
            self.stream.written(unit)

    def close(self, reason: str) -> None:
        """Leave. Idempotent."""
        if self._open:
            self._open = False
            self.stream.left(self, reason)


class Wake:
    """Lets coroutines of any loop wait for something that happens in another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}

    def set(self) -> None:
        """Wake everybody who waits now."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for future, loop in waiting.items():
            try:
                loop.call_soon_threadsafe(_finish, future)
            except RuntimeError:  # that loop is closed, nobody waits there
                continue

    async def wait(self, timeout_s: float) -> None:
        """Return at the next `set`, or after `timeout_s`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            self._waiting[future] = loop
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiting.pop(future, None)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
