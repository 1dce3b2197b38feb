"""All who watch over HTTP, and the outputs they watch."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamer.egress.hls.output import CARRIED, HlsOutput
from streamer.egress.hls.viewer import HlsViewer
from streamer.egress.hls.window import WHOLE
from streamer.errors import Full, NotLive, StreamerError, Unplayable
from streamer.hub.patience import wait_until_watchable
from streamer.hub.sessions import Endings
from streamer.hub.stream import Stream
from streamer.sections.hls import HlsConfig

_log = logging.getLogger(__name__)

#: A player that asks for nothing for so long has gone: most say nothing when they do. So many segments, and
#: at least so many seconds.
_GONE_AFTER_SEGMENTS, _GONE_AFTER_S = 3, 10.0
#: Without viewers an output goes on for so long, for who reloads.
_LINGER_S = 15.0
_LOOK_EVERY_S = 1.0
#: What the first viewer waits for segments; then parts, or fewer, must do, which not all players take.
_PATIENCE_S = 10.0
#: Players begin so many before the last one (RFC 8216 section 6.3.3); Chromium's own needs them.
_SEGMENTS_BEFORE = 3


class NoSuchHlsViewer(StreamerError):
    """A session that has ended, or never was."""


@dataclass(frozen=True, slots=True)
class _Silent:
    """A session that ended as its player asked for nothing, which may be heard of again."""

    output_name: str
    early: bool


class HlsEgress:
    """Viewers over HTTP. Event loop only, except where said.

    Attributes:
        on_connect: told when media go to a viewer for the first time.
        on_leave: told that a viewer's session ended, and why.
    """

    def __init__(self, config: HlsConfig) -> None:
        self.config = config
        self.on_connect: list[Callable[[HlsViewer], None]] = []
        self.on_leave: list[Callable[[HlsViewer, str], None]] = []
        self._by_key: dict[str, HlsViewer] = {}
        self._outputs: dict[Stream, HlsOutput] = {}
        self._deserted: dict[HlsOutput, float] = {}
        self._ending: set[HlsOutput] = set()
        self._endings = Endings()
        self._silent: dict[str, _Silent] = {}
        self._is_closed = False

    @property
    def viewers(self) -> list[HlsViewer]:
        """Who watches now. Thread-safe."""
        return list(self._by_key.values())

    def count(self, stream: Stream) -> int:
        """How many watch a stream. Thread-safe."""
        return sum(viewer.stream is stream for viewer in self.viewers)

    def by_key(self, key: str) -> HlsViewer:
        """Look a viewer up.

        Raises:
            NoSuchHlsViewer: he has gone, or never was; says why.
        """
        try:
            return self._by_key[key]
        except KeyError:
            raise NoSuchHlsViewer(self._endings.describe(key)) from None

    def by_id(self, id: str) -> HlsViewer:
        """As `by_key`, by the name that the API shows."""
        for viewer in self._by_key.values():
            if viewer.id == id:
                return viewer
        raise NoSuchHlsViewer(f"no viewer has the id {id!r}")

    async def join(
        self, stream: Stream, *, address: str, user_agent: str, signalling: str, early: bool = True
    ) -> HlsViewer:
        """Let somebody watch, once there is something to.

        Args:
            stream: what he wants to watch.
            address: of whoever asked, without port.
            user_agent: what he says he is.
            signalling: how it travels, for people.
            early: his player can begin with the first segment, and does not wait for more.

        Raises:
            Full: there is no room for one more.
            Unplayable: the picture would have to be made into another, and may not.
            NotLive: nobody publishes the stream, or nothing of it can be played over HTTP.
            NoSuchStream: it is not configured any more.
        """
        self._check_room()
        stream.demand.acquire()
        try:
            await wait_until_watchable(stream)
            _check_picture(stream)
            output = self._output(stream)
            await output.wait((0 if early else _SEGMENTS_BEFORE - 1, WHOLE), _PATIENCE_S)
            if output.window.current is None or not output.window.reaches(0, 0):
                raise NotLive(stream.name, output.refusal or "no keyframe has arrived yet")
        finally:
            stream.demand.release()
        self._check_room()
        viewer = HlsViewer(output, address=address, user_agent=user_agent, signalling=signalling, early=early)
        self._seat(viewer)
        return viewer

    def may_resume(self, key: str, stream: Stream) -> bool:
        """Whether a session has ended by its silence alone, and what it watched is still being made."""
        silent, output = self._silent.get(key), self._outputs.get(stream)
        return silent is not None and silent.output_name == (output.name if output is not None else "")

    def resume(
        self, key: str, stream: Stream, *, address: str, user_agent: str, signalling: str
    ) -> HlsViewer:
        """Let somebody watch on whose session `may_resume`; as another one, of the same key.

        Raises:
            Full: there is no room for one more.
        """
        self._check_room()
        viewer = HlsViewer(
            self._outputs[stream],
            address=address,
            user_agent=user_agent,
            signalling=signalling,
            early=self._silent.pop(key).early,
            key=key,
        )
        self._seat(viewer)
        return viewer

    def played(self, viewer: HlsViewer) -> None:
        """He asked for media."""
        if not viewer.plays:
            viewer.plays = True
            for told in self.on_connect:
                told(viewer)

    def remove(self, viewer: HlsViewer, reason: str) -> None:
        """End a session."""
        if self._by_key.pop(viewer.key, None) is None:
            return
        self._endings.note(viewer.key, reason)
        _log.info("%s: viewer over HLS left: %s", viewer.stream.name, reason, extra={"session": viewer.id})
        for told in self.on_leave:
            told(viewer, reason)
        viewer.end()

    def stream_removed(self, stream: Stream) -> None:
        """A stream is not configured any more."""
        for viewer in self.viewers:
            if viewer.stream is stream:
                self.remove(viewer, "the stream is not configured any more")
        output = self._outputs.pop(stream, None)
        if output is not None:
            self._ending.add(output)

    async def run(self) -> None:
        """Notice who has gone, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = time.monotonic()
            for viewer in self.viewers:
                if now - viewer.heard_at > max(_GONE_AFTER_S, _GONE_AFTER_SEGMENTS * viewer.output.target_s):
                    self.remove(viewer, "it asked for nothing more")
                    self._silent[viewer.key] = _Silent(viewer.output.name, viewer.early)
            await self._look_at_outputs(now)

    async def close(self, reason: str) -> None:
        """End all sessions and outputs. Nobody may join any more."""
        self._is_closed = True
        for viewer in self.viewers:
            self.remove(viewer, reason)
        outputs = [*self._outputs.values(), *self._ending]
        self._outputs.clear()
        self._ending.clear()
        for output in outputs:
            await output.close()

    def _seat(self, viewer: HlsViewer) -> None:
        self._by_key[viewer.key] = viewer
        self._deserted.pop(viewer.output, None)
        name = viewer.stream.name
        _log.info("%s: watched over HLS by %s", name, viewer.address, extra={"session": viewer.id})

    def _check_room(self) -> None:
        if self._is_closed:
            raise Full("the server is stopping")
        if len(self._by_key) >= self.config.max_viewers:
            raise Full(f"{self.config.max_viewers} watch over HLS already (hls.max_viewers)")

    def _output(self, stream: Stream) -> HlsOutput:
        output = self._outputs.get(stream)
        if output is None or output.window.is_over:
            if output is not None:
                self._ending.add(output)
            self._outputs[stream] = output = HlsOutput(stream, self.config)
            self._deserted[output] = time.monotonic()
            output.start()
        return output

    async def _look_at_outputs(self, now: float) -> None:
        watched = {viewer.output for viewer in self._by_key.values()}
        for stream, output in list(self._outputs.items()):
            if output in watched:
                continue
            if now - self._deserted.setdefault(output, now) > _LINGER_S:
                del self._outputs[stream]
                self._ending.add(output)
        made = {output.name for output in self._outputs.values() if not output.window.is_over}
        self._silent = {key: each for key, each in self._silent.items() if each.output_name in made}
        for output in [each for each in self._ending if each not in watched]:
            self._ending.discard(output)
            self._deserted.pop(output, None)
            await output.close()


def _check_picture(stream: Stream) -> None:
    video = stream.source.video
    is_taken = video is None or (video.codec in CARRIED and video.is_plain)
    if video is not None and not is_taken and stream.config.renditions == "off":
        what = video.codec.label if video.is_plain else f"{video.codec.label} of more than 8 bits, or 4:2:2"
        raise Unplayable(
            f"the picture is {what}, over HLS it would be made into plain H.264, and the stream's renditions "
            'are off; expected renditions = "auto"'
        )
