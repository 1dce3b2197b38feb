"""Coded test material, made with libav in memory: units as a demultiplexer would hand them over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from transport.media.mpeg2 import Mpeg2Normalizer
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import VideoNormalizer

Samples = npt.NDArray[np.float32]

_ENCODERS = {
    Codec.AAC: "aac",
    Codec.MP2: "mp2",
    Codec.MP3: "libmp3lame",
    Codec.AC3: "ac3",
    Codec.EAC3: "eac3",
    Codec.OPUS: "libopus",
    Codec.PCMA: "pcm_alaw",
    Codec.PCMU: "pcm_mulaw",
    Codec.L16: "pcm_s16be",
    Codec.G722: "g722",
    Codec.G726: "g726le",
    Codec.AAL2_G726: "g726",
}
_PICTURE_ENCODERS = {Codec.H264: "libx264", Codec.H265: "libx265", Codec.MPEG2: "mpeg2video"}
_FORMATS = {Codec.AAC: "fltp", Codec.AC3: "fltp", Codec.EAC3: "fltp", Codec.MP3: "fltp", Codec.OPUS: "flt"}
# Of codings without frames as many samples go into a packet as cameras send: 20 ms.
_PACKETS_PER_S = 50


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
    coded_bits: int = 4,
) -> list[AccessUnit]:
    """Encode; a unit's pts says where its first decoded sample belongs, sample 0 being at `start_s`."""
    encoder = AudioCodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = rate
    encoder.layout = layout
    encoder.format = _FORMATS.get(codec, "s16")
    is_g726 = codec in (Codec.G726, Codec.AAL2_G726)
    encoder.bit_rate = coded_bits * rate if is_g726 else 192_000
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    size = encoder.frame_size or rate // _PACKETS_PER_S
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
        coded_bits=coded_bits if is_g726 else 0,
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


def picture(index: int, width: int, height: int) -> VideoFrame:
    """A red and blue picture with a bright bar, whose place says which picture it is."""
    rgb = np.zeros((height, width, 3), dtype=np.uint8)
    rgb[: height // 2] = (200, 30, 30)
    rgb[height // 2 :] = (30, 30, 200)
    left = (index * 8) % (width - width // 8)
    rgb[:, left : left + width // 8] = (230, 230, 230)
    return VideoFrame.from_ndarray(rgb, format="rgb24")


def picture_units(
    codec: Codec,
    count: int,
    *,
    width: int = 320,
    height: int = 240,
    rate: int = 25,
    fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
    interlaced: bool = False,
    start_s: float = 1.0,
    clock_rate: int = 90_000,
    draw: Callable[[int, int, int], VideoFrame] = picture,
) -> list[AccessUnit]:
    """Encode `count` of `draw`, in decoding order; picture 0 is shown at `start_s`."""
    encoder = VideoCodecContext.create(_PICTURE_ENCODERS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width = width
    encoder.height = height
    encoder.pix_fmt = fmt
    # MPEG-2 knows no other times than those of pictures.
    encoder.time_base = Fraction(1, rate if codec is Codec.MPEG2 else clock_rate)
    encoder.framerate = Fraction(rate)
    encoder.gop_size = rate
    encoder.thread_count = 1  # or x264 cuts as many slices as there are processors
    encoder.options = (
        {"preset": "ultrafast", **(options or {})} if codec is not Codec.MPEG2 else options or {}
    )
    if codec is Codec.H265:
        encoder.options = {**encoder.options, "x265-params": "log-level=none:bframes=3"}
    if interlaced:
        encoder.flags |= Flags.interlaced_dct
        encoder.field_order = 2  # top field first, as FieldOrder of libav
    if pixel_aspect is not None:
        encoder.sample_aspect_ratio = pixel_aspect
    packets = []
    for index in range(count):
        frame = draw(index, width, height).reformat(format=fmt)
        frame.pict_type = PictureType.NONE
        frame.pts = round((start_s + index / rate) * clock_rate)
        frame.time_base = Fraction(1, clock_rate)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    normalizer = (
        Mpeg2Normalizer(3, clock_rate) if codec is Codec.MPEG2 else VideoNormalizer(3, codec, clock_rate)
    )
    ticks = int(clock_rate * encoder.time_base)
    units = []
    for packet in packets:
        assert packet.pts is not None
        assert packet.dts is not None
        pts, dts = packet.pts * ticks, packet.dts * ticks
        unit = normalizer.unit(bytes(packet), pts, dts, dts / clock_rate)
        assert unit is not None
        units.append(unit)
    return units


def jpeg_units(count: int, *, width: int = 320, height: int = 240, rate: int = 25) -> list[AccessUnit]:
    """As `picture_units`, of a camera that sends MJPEG."""
    encoder = VideoCodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, rate)
    encoder.qmin = encoder.qmax = 3
    track = Track(3, Codec.MJPEG, 90_000, width=width, height=height)
    units = []
    for index in range(count):
        frame = picture(index, width, height).reformat(format="yuvj420p", dst_color_range="JPEG")
        frame.pts, frame.time_base = index, encoder.time_base
        (packet,) = encoder.encode(frame)
        pts = round((1 + index / rate) * track.clock_rate)
        units.append(AccessUnit(track, pts, pts, bytes(packet), keyframe=True, received_at=pts / 90_000))
    return units


def decoded_pictures(units: Iterable[AccessUnit]) -> list[VideoFrame]:
    """What a player shows."""
    decoder = VideoCodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    shown: list[VideoFrame] = []
    for unit in units:
        packet: av.Packet[Any] = av.Packet(unit.data)
        packet.pts = unit.pts
        packet.time_base = Fraction(1, unit.track.clock_rate)
        shown += decoder.decode(packet)
    return shown + decoder.decode(None)


def psnr(shown: VideoFrame, expected: VideoFrame) -> float:
    """Peak signal to noise ratio over red, green and blue, in dB."""
    difference = shown.to_ndarray(format="rgb24").astype(float) - expected.to_ndarray(format="rgb24")
    return float(10 * np.log10(255**2 / max(float(np.mean(difference**2)), 1e-9)))
