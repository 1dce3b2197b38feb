"""Coded test material, made with libav in memory: units as a demultiplexer would hand them over."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from transport.media.unit import AccessUnit, Codec, Track

Samples = npt.NDArray[np.float32]

_ENCODERS = {Codec.AAC: "aac", Codec.MP2: "mp2", Codec.AC3: "ac3", Codec.OPUS: "libopus"}
_FORMATS = {Codec.AAC: "fltp", Codec.MP2: "s16", Codec.AC3: "fltp", Codec.OPUS: "flt"}


def tone(
    seconds: float, rate: int, *, hertz: float = 1000.0, channels: int = 2, level: float = 0.5
) -> Samples:
    """A sine in every channel, shape (channels, samples)."""
    time = np.arange(int(seconds * rate)) / rate
    row = (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return np.tile(row, (channels, 1))


def beeps(seconds: float, rate: int, at_s: Iterable[float], *, channels: int = 2) -> Samples:
    """Silence with 50 ms of 2 kHz at each of the given times."""
    samples = np.zeros((channels, int(seconds * rate)), dtype=np.float32)
    beep = tone(0.05, rate, hertz=2000.0, channels=channels)
    for start_s in at_s:
        start = int(start_s * rate)
        samples[:, start : start + beep.shape[1]] = beep
    return samples


def sound_units(
    codec: Codec,
    samples: Samples,
    rate: int,
    *,
    clock_rate: int = 90_000,
    start_s: float = 1.0,
    layout: str = "stereo",
) -> list[AccessUnit]:
    """Encode; a unit's pts says where its first decoded sample belongs, sample 0 being at `start_s`."""
    encoder = AudioCodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = rate
    encoder.layout = layout
    encoder.format = _FORMATS[codec]
    encoder.bit_rate = 192_000
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    size = encoder.frame_size
    packets = []
    for start in range(0, samples.shape[1], size):
        block = samples[:, start : start + size]
        if block.shape[1] < size:
            block = np.pad(block, ((0, 0), (0, size - block.shape[1])))
        frame = _frame(block, encoder.format.name, layout)
        frame.sample_rate = rate
        frame.pts = start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    track = Track(
        id=7,
        codec=codec,
        clock_rate=clock_rate,
        parameter_sets=(encoder.extradata,) if codec is Codec.AAC and encoder.extradata else (),
        sample_rate=rate,
        channels=samples.shape[0],
        language="deu",
    )
    units = []
    for packet in packets:
        assert packet.pts is not None
        pts = round((packet.pts / rate + start_s) * clock_rate)
        units.append(AccessUnit(track, pts, pts, bytes(packet), keyframe=True, received_at=pts / clock_rate))
    return units


def decoded_opus(units: Iterable[AccessUnit]) -> tuple[float, npt.NDArray[Any]]:
    """What a receiver hears that plays each packet at its timestamp: (time of sample 0, (samples, 2))."""
    decoder = AudioCodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate = 48_000
    decoder.layout = "stereo"
    units = list(units)
    first = units[0].pts
    heard = np.zeros((units[-1].pts - first + 960, 2), dtype=np.float64)
    for unit in units:
        for frame in decoder.decode(av.Packet(unit.data)):
            samples = frame.to_ndarray()
            if samples.dtype == np.int16:
                samples = samples / 32768
            samples = samples.reshape(-1, 2) if samples.shape[0] == 1 else samples.T
            at = unit.pts - first
            heard[at : at + len(samples)] = samples[: len(heard) - at]
    return first / 48_000, heard


def onsets_s(start_s: float, heard: npt.NDArray[Any], *, threshold: float = 0.1) -> list[float]:
    """When sound begins after at least 100 ms of silence, in seconds of the time line."""
    loud = np.flatnonzero(np.abs(heard[:, 0]) > threshold)
    if not len(loud):
        return []
    first_of_run = np.concatenate(([True], np.diff(loud) > 4800))
    return [start_s + at / 48_000 for at in loud[first_of_run]]


def _frame(block: Samples, fmt: str, layout: str) -> AudioFrame:
    if fmt == "fltp":
        return AudioFrame.from_ndarray(np.ascontiguousarray(block), format=fmt, layout=layout)
    packed = np.ascontiguousarray(block.T).reshape(1, -1)
    if fmt == "s16":
        packed = (packed * 32767).astype(np.int16)
    return AudioFrame.from_ndarray(packed, format=fmt, layout=layout)
