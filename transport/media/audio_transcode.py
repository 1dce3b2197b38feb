"""Any sound to Opus, which every browser receives over WebRTC, or to AAC, which every platform takes.

The work is libav's (decode, resample, encode); what is decided here is time. Packets are cut from a row of
samples, so their timestamps would follow the sample count and not the source; see `_Timeline`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import av.error
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from transport.media import opus
from transport.media.decode import TolerantDecoder
from transport.media.unit import AccessUnit, Codec, Track

_RATE = 48_000
_SAMPLE_BYTES = 4  # two channels of 16 bits

_JUMP_SAMPLES = _RATE * 40 // 1000
_STEP_SAMPLES = _RATE * 10 // 1000

_DECODERS = {
    Codec.AAC: "aac",
    Codec.MP2: "mp2float",
    Codec.MP3: "mp3float",
    Codec.AC3: "ac3",
    Codec.EAC3: "eac3",
    Codec.OPUS: "opus",
    Codec.PCMA: "pcm_alaw",
    Codec.PCMU: "pcm_mulaw",
    Codec.L16: "pcm_s16be",
    Codec.G722: "g722",
    Codec.G726: "g726le",
    Codec.AAL2_G726: "g726",
}


@dataclass(frozen=True, slots=True)
class _Coding:
    """What differs between the codings that are made.

    Attributes:
        packet_samples: per channel.
        lookahead_samples: the encoder's; a packet's timestamp is earlier by as much, so that a receiver that
            plays what it decodes at the packet's time is exact.
        planar: the encoder takes floats, a plane for each channel, instead of interleaved 16 bits.
    """

    codec: Codec
    packet_samples: int
    lookahead_samples: int
    open: Callable[[int], AudioCodecContext]
    planar: bool


class _SoundTranscoder:
    """Turns one sound track into another coding: 48 kHz, stereo.

    Surround is mixed down at -4.6 dB for the front and -7.6 dB for centre and rear channels, a compromise
    between clipping when all are loud (0 dB) and sounding too quiet beside a stereo programme (-7.7 dB). Mono
    goes to both sides at full level.

    Not safe for use from several threads at once.

    Attributes:
        track: what comes out; the input's id, clock rate 48000.
    """

    def __init__(self, track: Track, coding: _Coding, bit_rate: int) -> None:
        if track.codec not in _DECODERS:
            raise ValueError(f"{track.codec} is not sound")
        self._coding = coding
        self._packet_bytes = coding.packet_samples * _SAMPLE_BYTES
        self._encoder = coding.open(bit_rate)
        self.track = Track(
            id=track.id,
            codec=coding.codec,
            clock_rate=_RATE,
            parameter_sets=(bytes(self._encoder.extradata or b""),) if coding.codec is Codec.AAC else (),
            sample_rate=_RATE,
            channels=2,
            language=track.language,
        )
        self._source = track
        self._decoder: TolerantDecoder[AudioFrame] = TolerantDecoder(_open_decoder)
        self._encoded = 0
        self._encoding: deque[int] = deque()  # where what is in the encoder belongs
        self._timeline = _Timeline()
        self._resampler: AudioResampler | None = None
        self._resampler_input: tuple[str, str, int] | None = None
        self._samples = bytearray()  # interleaved stereo
        self._samples_at = 0  # where the first of them belongs
        self._skip = 0  # that many samples overlap what was there before
        self._received_at = 0.0

    @property
    def errors(self) -> int:
        """Units that could not be decoded."""
        return self._decoder.errors

    @property
    def jumps(self) -> int:
        """How often timestamps left the row of samples by more than 40 ms and the output followed."""
        return self._timeline.jumps

    def request_keyframe(self) -> None:
        """Nothing to do: a receiver can start at any packet."""

    def transcode(self, unit: AccessUnit, *, late: bool = False) -> list[AccessUnit]:
        """Give it one unit, take the packets that are full.

        Args:
            unit: the next one of the source.
            late: more of the source is waiting; ignored, sound is caught up with in no time.

        Returns:
            Units, pts equal to dts and increasing, in 1/48000 s on the input's time line.
        """
        if _coded_as(unit.track) != _coded_as(self._source):
            self._source = unit.track
            self._decoder.restart()
        self._received_at = unit.received_at
        units: list[AccessUnit] = []
        for frame in self._decoder.decode(unit):
            pts = unit.pts if frame.pts is None else frame.pts
            units += self._place(pts * _RATE // unit.track.clock_rate, frame)
            try:
                self._append(frame)
            except av.error.FFmpegError:
                # Channels or a rate that libav cannot convert: a broken frame can claim anything.
                self._decoder.errors += 1
                self._resampler = None
            units += self._encode_full()
        return units

    def flush(self) -> list[AccessUnit]:
        """End: what is left, padded with silence. A unit given later starts a new time line."""
        self._drain_resampler()
        # One packet more than the samples need: the encoder still holds its look-ahead.
        self._samples += bytes(self._packet_bytes - len(self._samples) % self._packet_bytes)
        units = self._encode_full() if self._timeline.started else []
        self._restart_at(0)
        self._timeline.started = False
        return units

    def _place(self, position: int, frame: AudioFrame) -> list[AccessUnit]:
        """Make the next appended sample belong where the source says, if the time line asks for it."""
        was_started = self._timeline.started
        step = self._timeline.place(position, frame.samples, frame.sample_rate)
        if not was_started:
            self._restart_at(position)
        elif step == 0:
            return []
        elif abs(step) <= _JUMP_SAMPLES:
            self._samples_at += max(step, 0)
            self._skip += max(-step, 0)
        else:
            return self._jump(position)
        return []

    def _jump(self, position: int) -> list[AccessUnit]:
        end = self._samples_at + len(self._samples) // _SAMPLE_BYTES
        if 0 <= end - position < _RATE:
            self._skip = end - position
            return []
        units: list[AccessUnit] = []
        if self._samples and position > end:
            self._samples += bytes(self._packet_bytes - len(self._samples))
            units = self._encode_full()
        self._restart_at(position)
        return units

    def _restart_at(self, position: int) -> None:
        self._samples.clear()
        self._samples_at = position
        self._skip = 0
        self._resampler = None

    def _append(self, frame: AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or source != self._resampler_input:
            self._drain_resampler()
            self._resampler_input = source
            self._resampler = AudioResampler(
                format="s16",
                layout="mono" if frame.layout.nb_channels == 1 else "stereo",
                rate=_RATE,
                options={"rematrix_maxval": "1.414"},
            )
        for resampled in self._resampler.resample(frame):
            self._append_resampled(resampled)

    def _drain_resampler(self) -> None:
        if self._resampler is not None:
            for tail in self._resampler.resample(None):
                self._append_resampled(tail)
            self._resampler = None

    def _append_resampled(self, frame: AudioFrame) -> None:
        skipped = min(self._skip, frame.samples)
        self._skip -= skipped
        self._samples += _interleaved_stereo(frame)[skipped * _SAMPLE_BYTES :]

    def _encode_full(self) -> list[AccessUnit]:
        units = []
        while len(self._samples) >= self._packet_bytes:
            pcm = np.frombuffer(bytes(self._samples[: self._packet_bytes]), dtype=np.int16).reshape(1, -1)
            self._encoding.append(self._samples_at - self._coding.lookahead_samples)
            for data in self._encode(pcm):
                pts = self._encoding.popleft()
                units.append(
                    AccessUnit(self.track, pts, pts, data, keyframe=True, received_at=self._received_at)
                )
            del self._samples[: self._packet_bytes]
            self._samples_at += self._coding.packet_samples
        return units

    def _encode(self, pcm: npt.NDArray[np.int16]) -> list[bytes]:
        frame = (
            AudioFrame.from_ndarray(_planar(pcm), format="fltp", layout="stereo")
            if self._coding.planar
            else AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
        )
        frame.sample_rate = _RATE
        # libav wants a row without gaps; the packets' real time is the time line's.
        frame.pts = self._encoded
        self._encoded += self._coding.packet_samples
        return [bytes(packet) for packet in self._encoder.encode(frame)]


class OpusTranscoder(_SoundTranscoder):
    """Turns one sound track into Opus: 48 kHz, stereo, 20 ms a packet.

    libopus runs with application=audio: `lowdelay` would save 4 ms of look-ahead but switches off the SILK
    layer, and with it in-band error correction, which speech profits from when packets get lost. Latency
    besides the look-ahead is what is missing to a full packet: 20 ms at most.
    """

    def __init__(self, track: Track, *, bit_rate: int = 128_000) -> None:
        """Make a transcoder.

        Args:
            track: the source; its clock rate must be the units'.
            bit_rate: bits per second of the Opus packets.

        Raises:
            ValueError: not a sound track.
        """
        super().__init__(track, _OPUS, bit_rate)


class AacTranscoder(_SoundTranscoder):
    """Turns one sound track into AAC-LC: 48 kHz, stereo, 1024 samples a packet, one packet later."""

    def __init__(self, track: Track, *, bit_rate: int = 160_000) -> None:
        """Make a transcoder.

        Args:
            track: the source; its clock rate must be the units'.
            bit_rate: bits per second.

        Raises:
            ValueError: not a sound track.
        """
        super().__init__(track, _AAC, bit_rate)


class _Timeline:
    """Where samples belong, in 1/48000 s: smooth as the sample count, never far from the source's timestamps.

    Timestamps of real sources jitter (whole milliseconds in Matroska and FLV, packets of 90 kHz that do not
    divide a frame of sound), so a sample goes where the count puts it. Two things correct the count: a
    timestamp more than 40 ms away is a gap or a restart, and is followed at once; and an average (over about
    a second) more than 10 ms away is a clock that drifts or a single lost frame, made good in one step.
    """

    def __init__(self) -> None:
        self.jumps = 0
        self.started = False
        self._anchor = 0
        self._counted = 0
        self._rate = _RATE
        self._mean_error = 0.0

    def place(self, position: int, samples: int, rate: int) -> int:
        """Count samples of the given rate that say they belong at `position`.

        Returns:
            By how much the next sample belongs later than the count says; mostly 0.
        """
        expected = self._anchor + self._counted * _RATE // self._rate
        step = 0
        if not self.started or abs(position - expected) > _JUMP_SAMPLES:
            self.jumps += self.started
            self.started = True
            self._mean_error = 0.0
            step = position - expected
        else:
            self._mean_error += (position - expected - self._mean_error) * min(samples / rate, 1.0)
            if abs(self._mean_error) > _STEP_SAMPLES:
                step = round(self._mean_error)
                self._mean_error = 0.0
        if step or rate != self._rate:
            self._anchor, self._counted, self._rate = expected + step, 0, rate
        self._counted += samples
        return step


def _interleaved_stereo(frame: AudioFrame) -> bytes:
    samples = frame.to_ndarray()
    if frame.layout.nb_channels == 1:
        # libav's own mono to stereo would cost 3 dB.
        return np.repeat(samples.reshape(-1), 2).tobytes()
    return samples.tobytes()


def _planar(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(pcm.reshape(-1, 2).T, dtype=np.float32) / np.float32(32768)


def _coded_as(track: Track) -> tuple[object, ...]:
    """What a decoder is told."""
    sampled = (track.sample_rate, track.sample_bits) if track.codec.is_sampled else ()
    channels = track.channels if track.codec is Codec.OPUS or sampled else 0
    return track.codec, track.parameter_sets, channels, sampled


def _open_decoder(track: Track) -> AudioCodecContext:
    context = AudioCodecContext.create(_DECODERS[track.codec], "r")
    assert isinstance(context, AudioCodecContext)
    if track.codec is Codec.AAC and track.parameter_sets:
        context.extradata = track.parameter_sets[0]
    if track.codec is Codec.OPUS and track.channels > 2:
        context.extradata = opus.surround_header(track.channels)
    if track.codec.is_sampled:
        context.sample_rate = track.sample_rate
        context.layout = "mono" if track.channels == 1 else "stereo"
    if track.coded_bits:
        context.options = {"bits_per_coded_sample": str(track.coded_bits)}
    return context


def _open_opus(bit_rate: int) -> AudioCodecContext:
    context = _make_encoder("libopus", "s16", bit_rate)
    context.options = {
        "application": "audio",
        "frame_duration": "20",
        "vbr": "constrained",
        "fec": "1",
        "packet_loss": "5",
    }
    context.open()
    return context


def _open_aac(bit_rate: int) -> AudioCodecContext:
    context = _make_encoder("aac", "fltp", bit_rate)
    context.open()
    return context


def _make_encoder(name: str, sample_format: str, bit_rate: int) -> AudioCodecContext:
    context = AudioCodecContext.create(name, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = _RATE
    context.layout = "stereo"
    context.format = sample_format
    context.bit_rate = bit_rate
    return context


# 20 ms is what browsers expect and RFC 7587 section 4.2 recommends; libopus looks 312 samples ahead with
# application=audio.
_OPUS = _Coding(Codec.OPUS, 960, 312, _open_opus, planar=False)
# Every AAC frame overlaps the one before by half its window.
_AAC = _Coding(Codec.AAC, 1024, 1024, _open_aac, planar=True)
