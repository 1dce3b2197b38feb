"""One stream in segments and parts, made once for all that watch it over HTTP, while anybody does."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from streamer.egress.hls import playlist
from streamer.egress.hls.waiting import Waiting
from streamer.egress.hls.window import Place, Window
from streamer.hub.intake import Intake
from streamer.hub.segmenter import Segmenter
from streamer.hub.stream import Publisher, State, Stream
from streamer.sections.hls import HlsConfig
from transport.media import Codec

_log = logging.getLogger(__name__)

#: What every player plays that fetches over HTTP, where it is plain; anything else is made into these.
CARRIED = frozenset({Codec.H264, Codec.AAC})
#: How often tracks that changed are noticed, and the stream's end.
_LOOK_EVERY_S = 0.5
#: What comes is taken in turns: a part is some ten times as long.
_TURN_S = 0.02


class HlsOutput:
    """Makes segments from `start` to `close`. Event loop only.

    Attributes:
        stream: what of.
        name: what the names of its files begin with, of this output alone: caches must not mix them up.
        window: what there is.
        waiting: who waits for more of it.
    """

    def __init__(self, stream: Stream, config: HlsConfig) -> None:
        self.stream = stream
        self.name = secrets.token_hex(4)
        self.window = Window()
        self.waiting = Waiting(self.window)
        self._config = config
        self._segmenter = Segmenter(
            self.window, part_s=config.part_ms / 1000, segment_s=config.segment_s, epoch_s=stream.epoch_s
        )
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._publisher: Publisher | None = None
        self._skipped = 0
        self._text: tuple[int, bytes] = (-1, b"")
        self._task: asyncio.Task[None] | None = None

    @property
    def target_s(self) -> float:
        """How long segments are."""
        return max(self._config.segment_s, self.window.longest_segment_s)

    @property
    def refusal(self) -> str:
        """Why nothing can be made of the stream, in words; "" while something can."""
        return self._segmenter.refusal

    def start(self) -> None:
        """Begin."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """End. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def wait(self, place: Place, timeout_s: float) -> bool:
        """Wait until there is a part, or `window.WHOLE` segments; False when there was none in time."""
        if not self.window.reaches(*place):
            told = asyncio.Event()
            leave = self.waiting.add(place, timeout_s, told.set)
            try:
                await told.wait()
            finally:
                leave()
        return self.window.reaches(*place)

    def multivariant(self, query: str) -> str:
        """The first playlist; see `playlist.multivariant`. Only once it has begun."""
        tracks = self._segmenter.header_tracks
        picture = tracks[0] if tracks[0].is_video else None
        size = (
            (round(picture.width * picture.pixel_aspect), picture.height) if picture is not None else (0, 0)
        )
        meter = self.stream.meter
        bits_per_s = round(self._peak_bps() or meter.bitrate_bps)
        fps = meter.fps if picture is not None else 0.0
        return playlist.multivariant(tracks, bits_per_s, fps, size, f"live.m3u8{query}")

    def media(self, query: str) -> bytes:
        """The playlist as it is now; see `playlist.media`."""
        if self._text[0] != self.window.version:
            text = playlist.media(
                self.window,
                name=self.name,
                part_s=self._config.part_ms / 1000,
                segment_s=self._config.segment_s,
                query=_QUERY.decode(),
            )
            self._text = self.window.version, text.encode()
        return self._text[1].replace(_QUERY, query.encode())

    def _peak_bps(self) -> float:
        return max((each.size * 8 / each.duration_s for each in self.window.complete), default=0.0)

    async def _run(self) -> None:
        try:
            intake = Intake(self.stream, CARRIED, self._wake, takes=lambda track: track.is_plain)
        except RuntimeError as error:
            _log.error("%s: no segments: %s", self.stream.name, error)
            self._end()
            return
        try:
            await self._feed(intake)
        except Exception:  # one stream's trouble must stay its own
            _log.exception("%s: the segments failed", self.stream.name)
        finally:
            intake.close()
            self._end()

    async def _feed(self, intake: Intake) -> None:
        looked_at = float("-inf")
        while self.stream.state is not State.OFFLINE:
            now = time.monotonic()
            if now - looked_at >= _LOOK_EVERY_S:
                looked_at = now
                intake.follow()
                self._segmenter.expect(
                    picture=intake.video is not None and not intake.refusal, sound=intake.audio is not None
                )
            self._ready.clear()
            version = self.window.version
            self._take(intake, now)
            if self.window.version != version:
                self.waiting.look()
            await asyncio.sleep(_TURN_S)
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._ready.wait()
            except TimeoutError:
                continue

    def _take(self, intake: Intake, now: float) -> None:
        units = intake.take()
        publisher = self.stream.publisher
        is_other = publisher is not self._publisher and publisher is not None
        if is_other or intake.skipped != self._skipped:
            if self._publisher is not None or intake.skipped != self._skipped:
                self._segmenter.break_off()
            self._skipped = intake.skipped
            self._publisher = publisher
        for unit in units:
            self._segmenter.write(unit, now)

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    def _end(self) -> None:
        if not self.window.is_over:
            self.window.end()
        self.waiting.look()


#: Stands in a playlist for what is appended for each viewer.
_QUERY = b"\0"
