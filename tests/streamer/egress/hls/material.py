"""Coded pictures and sounds as a stream's outputs get them, and what comes out read back."""

from __future__ import annotations

import functools
import io
from dataclasses import replace

import av

from streamer.egress.hls.window import Segment, Window
from streamer.hub.segmenter import Segmenter
from tests.transport.media.sources import picture_units, sound_units, tone
from transport.media import AccessUnit, Codec


@functools.cache
def pictures(seconds: float, *, gop: int = 50, b_frames: int = 0) -> tuple[AccessUnit, ...]:
    """25 a second, from one second on."""
    options = {"g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "bf": str(b_frames)}
    return tuple(picture_units(Codec.H264, round(seconds * 25), options=options))


@functools.cache
def sounds(seconds: float, rate: int = 48_000) -> tuple[AccessUnit, ...]:
    """AAC, from one second on."""
    return tuple(sound_units(Codec.AAC, tone(seconds, rate), rate))


def later(units: tuple[AccessUnit, ...], seconds: float) -> list[AccessUnit]:
    """The same, at another time."""
    return [
        replace(
            unit,
            pts=unit.pts + round(seconds * unit.track.clock_rate),
            dts=unit.dts + round(seconds * unit.track.clock_rate),
        )
        for unit in units
    ]


class Cut:
    """A segmenter that is written to in the order of time; `window` is what came of it."""

    def __init__(self, *, picture: bool = True, sound: bool = True) -> None:
        self.window = Window()
        self.segmenter = Segmenter(self.window, part_s=0.5, segment_s=2.0, epoch_s=1_700_000_000.0)
        self.segmenter.expect(picture=picture, sound=sound)

    def write(self, *units: AccessUnit) -> Cut:
        """In decoding order, each when its time comes."""
        for unit in sorted(units, key=lambda unit: unit.dts_s):
            self.segmenter.write(unit, unit.dts_s)
        return self

    def packets(self, segments: list[Segment] | None = None) -> list[tuple[str, int, bool]]:
        """Kind, dts and whether it is a keyframe, of all that a player finds in complete segments."""
        segments = list(self.window.complete) if segments is None else segments
        header = self.window.header(segments[0].header)
        assert header is not None
        file = header + b"".join(part.data for segment in segments for part in segment.parts)
        with av.open(io.BytesIO(file), format="mp4") as container:
            return [
                (packet.stream.type, int(packet.dts or 0), packet.is_keyframe)
                for packet in container.demux()
                if packet.size
            ]
