"""Steps: feeds, and what is written to them."""

from __future__ import annotations

import random
import time
from dataclasses import replace

from tests.fakes.media import AUDIO, VIDEO, VIDEO_H265, h264_unit
from tests.fuzz import nonsense
from tests.fuzz.scene import Scene
from transport.media import AccessUnit
from transport.plane.interface import Feed

_MAX_FEEDS = 4


class Feeds(Scene):
    """Opened, written to, closed."""

    def open_feed(self, rng: random.Random) -> None:
        if len(self._feeds) < _MAX_FEEDS:
            track = rng.choice((VIDEO, VIDEO, VIDEO_H265, AUDIO))
            rate = rng.choice((track.clock_rate, track.clock_rate, 1))
            self._feeds.append((self._plane.feed(track.codec, rate, epoch_s=time.time()), track))

    def write(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 1, 1, 3, 10))):
            for feed, track in self._feeds:
                pts = self._pts * track.clock_rate // 30
                unit = nonsense.unit(track, pts, rng)
                if track is VIDEO and rng.random() < 0.5:
                    unit = h264_unit(pts, keyframe=rng.random() < 0.3)
                feed.write(unit)
                if track is AUDIO and rng.random() < 0.5:
                    self._write_sounds(feed, pts + 960, rng)
            self._pts += rng.choice((1, 1, 1, 1, 0, -5, 30))

    def _write_sounds(self, feed: Feed, pts: int, rng: random.Random) -> None:
        """That follow each other, and may share packets."""
        for n in range(rng.randrange(2, 5)):
            data = b"\xfc" + rng.randbytes(rng.choice((0, 1, 80, 80, 90, 260)))
            feed.write(AccessUnit(AUDIO, pts + 960 * n, pts + 960 * n, data, keyframe=True, received_at=0.0))

    def write_strangely_timed(self, rng: random.Random) -> None:
        for feed, track in self._feeds:
            pts = rng.choice((0, 1, -1, 1 << 31, 1 << 33, -(1 << 33), 1 << 45, rng.getrandbits(40)))
            feed.write(nonsense.unit(replace(track, clock_rate=rng.choice((1, 1000, 90_000))), pts, rng))

    def close_feed(self, rng: random.Random) -> None:
        if self._feeds:
            feed, _ = self._feeds.pop(rng.randrange(len(self._feeds)))
            feed.close()
