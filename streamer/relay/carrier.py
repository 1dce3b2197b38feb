"""One connection of a relay: what comes from the hub goes to the push, with what fills the gaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from streamer.hub.intake import Intake
from streamer.hub.stream import State as StreamState
from streamer.hub.stream import Stream
from streamer.relay.look import ASSUMED_RATE, Look, usual_rate
from streamer.relay.programme import Programme
from transport.errors import LinkError, WireError
from transport.media import Codec, Track
from transport.media.silence import Silence
from transport.media.still import Still
from transport.output import Push

# How often the carrier looks at how it goes.
_LOOK_S = 1.0


MakeStill = Callable[[Look, Path | None], Awaitable[Still]]


class Watch(Protocol):
    """Is told how it goes, about once a second."""

    def looked(self, look: Look | None, *, filling: bool, dropped: int) -> None:
        """How the picture looks, whether the still one is shown, pictures left out since last time."""
        ...


class Doorbell:
    """Wakes the carrier, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake it. Any thread."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop is closed, nobody waits there
            return

    def ring_here(self) -> None:
        """Wake it, from the event loop."""
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when it rings, or after so long."""
        timer = self._loop.call_later(timeout_s, self._event.set)
        await self._event.wait()
        timer.cancel()
        self._event.clear()


class Carrier:
    """Carries a stream's units into one push.

    Args:
        stream: whose.
        intake: where they come from.
        doorbell: rings when there are some.
        make_still: makes the picture that fills in.
        image: what it shows; None for a plain one.
        silence: whether silence fills in for sound.
        look: how the picture looked before; None when nobody knows.
        stands_in: whether a still picture is shown at all.

    Attributes:
        look: how the picture looks now.
    """

    def __init__(
        self,
        stream: Stream,
        intake: Intake,
        doorbell: Doorbell,
        make_still: MakeStill,
        *,
        image: Path | None,
        silence: bool,
        look: Look | None,
        stands_in: bool,
    ) -> None:
        self.look = look
        self._stream = stream
        self._intake = intake
        self._doorbell = doorbell
        self._make_still = make_still
        self._image = image
        self._silence = silence
        self._stands_in = stands_in
        self._still: Still | None = None
        self._making: asyncio.Task[Still] | None = None
        self._making_look: Look | None = None

    def tracks(self) -> tuple[Track, ...]:
        """What will be sent, as far as it is known before it is."""
        found: list[Track] = []
        video, codec = self._intake.video, self._intake.video_codec
        if video is not None and codec is video.codec:
            found.append(video)
        elif video is not None or self.look is not None:
            look = self.look or Look()
            found.append(Track(id=-1, codec=codec or look.codec, clock_rate=90_000))
        audio = self._intake.audio
        if audio is not None and audio.codec is Codec.AAC:
            found.append(audio)
        elif audio is not None or self._silence:
            found.append(Silence().track)
        return tuple(found)

    async def carry(self, push: Push, ended: asyncio.Future[LinkError], watch: Watch) -> None:
        """Carry until `ended` is done or this is cancelled.

        Args:
            push: connected.
            ended: its end.
            watch: is told.
        """
        clock = time.monotonic
        programme = Programme(
            clock(),
            has_picture=self._has_picture,
            has_sound=self._has_live_sound,
            wants_sound=self._silence,
        )
        ended.add_done_callback(lambda _: self._doorbell.ring_here())
        look_at = clock()
        dropped = push.statistics().pictures_dropped
        # A GOP that waits in the hub is the quickest picture.
        self._intake.restart()
        try:
            while not ended.done():
                now = clock()
                for unit in self._intake.take():
                    for each in programme.write(unit, now):
                        push.write(each)
                for each in programme.fill(now):
                    push.write(each)
                if now >= look_at:
                    look_at = now + _LOOK_S
                    self._prepare_still(programme)
                    programme.expect(
                        picture=self._has_picture, sound=self._has_live_sound, now=now
                    )  # fmt: skip
                    total = push.statistics().pictures_dropped
                    watch.looked(self.look, filling=programme.is_filling, dropped=total - dropped)
                    dropped = total
                await self._doorbell.wait(min(programme.interval_s, _LOOK_S))
        finally:
            if self._making is not None:
                self._making.cancel()
                self._making = None
                self._making_look = None

    @property
    def _has_picture(self) -> bool:
        return self._intake.video is not None or self.look is not None

    @property
    def _has_live_sound(self) -> bool:
        return self._stream.state is StreamState.LIVE and self._intake.audio is not None

    def _prepare_still(self, programme: Programme) -> None:
        """Have the still picture at hand before it is needed."""
        codec, (width, height) = self._intake.video_codec, self._intake.video_size
        if codec is not None and width:
            known = self.look
            same = known is not None and (known.codec, known.width, known.height) == (codec, width, height)
            rate = usual_rate(self._stream.meter.fps)
            if not same or (rate is not None and known is not None and abs(rate - known.rate) > 1):
                self.look = Look(codec, width, height, rate or ASSUMED_RATE)
        audio = self._intake.audio
        if audio is not None and audio.codec is Codec.AAC and audio.sample_rate:
            track = programme.silence.track
            if (track.sample_rate, track.channels) != (audio.sample_rate, audio.channels):
                programme.silence = Silence(audio.sample_rate, audio.channels)
        if not self._stands_in or self.look is None:
            return
        if self._making is None and self._making_look != self.look:
            self._making_look = self.look
            self._making = asyncio.ensure_future(self._make_still(self.look, self._image))
        if self._making is not None and self._making.done():
            making, self._making = self._making, None
            try:
                self._still = making.result()
            except (WireError, ValueError):
                self._still = None
        programme.still = self._still
