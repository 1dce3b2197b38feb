"""A transcoder that costs nothing: passes units on under another codec; fails or waits when told."""

from __future__ import annotations

import dataclasses
import threading

from tests.fakes.units import H264
from transport.media import AccessUnit, Codec, Track


class FakeTranscoder:
    """Passes units on as the rendition's track; fails or waits when told."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.keyframes_wanted = 0
        self.late: list[bool] = []
        self.go = threading.Event()
        self.go.set()
        self.fails = 0
        self.seen: list[AccessUnit] = []

    def transcode(self, unit: AccessUnit, *, late: bool = False) -> list[AccessUnit]:
        assert self.go.wait(20)
        self.seen.append(unit)
        self.late.append(late)
        if self.fails:
            self.fails -= 1
            raise ValueError("a surprise")
        made = H264 if unit.track.is_video else dataclasses.replace(unit.track, codec=Codec.OPUS)
        return [dataclasses.replace(unit, track=made)]

    def request_keyframe(self) -> None:
        self.keyframes_wanted += 1


class TranscoderMaker:
    def __init__(self) -> None:
        self.made: list[FakeTranscoder] = []
        self.fails = 0

    def __call__(self, track: Track) -> FakeTranscoder:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("no encoder")
        self.made.append(FakeTranscoder(track))
        return self.made[-1]
