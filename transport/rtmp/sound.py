"""Sound out of audio tags, dated by counting samples.

A tag's timestamp is in whole milliseconds and a frame of AAC lasts 21.33 of them. So sound stays on the grid
of its own samples for as long as the timestamps agree, and no rounding is to be heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, aac, ac3, mpegaudio, opus
from transport.media.audioframe import UnsupportedAudio
from transport.media.programclock import TICKS_PER_S

_G711_RATE = 8_000
_FRAMED = (Codec.MP3, Codec.AC3, Codec.EAC3)
# An AudioSpecificConfig with every channel described has some hundred.
_MAX_CONFIGURATION_BYTES = 1024
# AAC of eight channels stays below 8 KiB, AC-3 too; four seconds of G.711.
_MAX_SOUND_BYTES = 1 << 16
# Rounding takes a millisecond, an encoder's own clock some more; a frame that is missing 20 and upwards.
_AGREES_S = 0.010
_NO_CONFIGURATION = "the sound comes without its configuration (AudioSpecificConfig)"


@dataclass(frozen=True, slots=True)
class Frame:
    """One coded frame and what it says of itself.

    Attributes:
        samples: per channel, at `sample_rate`.
        config: AudioSpecificConfig of AAC.
    """

    codec: Codec
    data: bytes
    samples: int
    sample_rate: int
    channels: int
    config: bytes = b""


class SoundTrack:
    """The access units of one sound track; its clock counts samples.

    Attributes:
        track: as known so far; None until a sampling rate is.
        reason: why no sound is given out, in words; "" when it is or may soon be.
        clamped: times that went back a little, and were held.
    """

    def __init__(self, track_id: int) -> None:
        self.track: Track | None = None
        self.reason = ""
        self.clamped = 0
        self._id = track_id
        self._aac: tuple[bytes, aac.AudioSpecificConfig] | None = None
        self._opus_channels = 0
        self._refused: Codec | None = None  # as its configuration asks for what is not supported
        self._grid = SampleGrid()
        self._last_pts: int | None = None

    @property
    def last(self) -> int | None:
        """Time of the latest unit, ticks of 90 kHz; None before the first."""
        if self.track is None or self._last_pts is None:
            return None
        return self._last_pts * TICKS_PER_S // self.track.clock_rate

    def configure(self, codec: Codec, data: bytes) -> None:
        """Take a decoder configuration: AudioSpecificConfig, or the identification header of Opus.

        Raises:
            WireError: malformed; the one before stays in force.
        """
        if len(data) > _MAX_CONFIGURATION_BYTES:
            raise WireError(f"flv: decoder configuration of {len(data)} bytes")
        try:
            if codec is Codec.AAC:
                self._aac = (data, aac.parse_config(data))
                config = self._aac[1]
                self._describe(Frame(codec, b"", config.samples, config.sample_rate, config.channels, data))
            elif codec is Codec.OPUS:
                self._opus_channels = opus.header_channels(data)
                self._describe(Frame(codec, b"", 0, opus.CLOCK_RATE, self._opus_channels))
        except UnsupportedAudio as error:
            self._aac, self._refused = None, codec
            self.reason = f"{error} is not supported"
            return
        self._refused = None
        self.reason = ""

    def split(self, codec: Codec, data: bytes, channels: int) -> list[Frame]:
        """Cut a tag's data into frames; none where their configuration has not come or cannot be used.

        Args:
            codec: of the tag.
            data: coded sound.
            channels: of G.711.

        Raises:
            WireError: no frames of this codec.
        """
        if not 0 < len(data) <= _MAX_SOUND_BYTES:
            raise WireError(f"flv: sound of {len(data)} bytes")
        if codec is self._refused:
            return []
        try:
            frames = self._frames(codec, data, channels)
        except UnsupportedAudio as error:
            self.reason = f"{error} is not supported"
            return []
        self.reason = "" if frames else _NO_CONFIGURATION
        return frames

    def units(self, frames: list[Frame], at: int, now: float) -> list[AccessUnit]:
        """Date the frames of one tag.

        Args:
            frames: one at least, from `split`.
            at: where the tag's timestamp puts the first of them, ticks of 90 kHz, unwrapped.
            now: arrival, time.monotonic().
        """
        units: list[AccessUnit] = []
        for frame in frames:
            track = self._describe(frame)
            pts = self._grid.place(at, frame.samples)
            at += frame.samples * TICKS_PER_S // frame.sample_rate
            if self._last_pts is not None and pts < self._last_pts:
                self.clamped += 1
                pts = self._last_pts
            self._last_pts = pts
            units.append(AccessUnit(track, pts, pts, frame.data, True, now))
        return units

    def _frames(self, codec: Codec, data: bytes, channels: int) -> list[Frame]:
        if codec is Codec.AAC:
            if self._aac is None:
                return []
            raw, config = self._aac
            return [Frame(codec, data, config.samples, config.sample_rate, config.channels, raw)]
        if codec is Codec.OPUS:
            count = self._opus_channels or opus.packet_channels(data)
            return [Frame(codec, data, opus.packet_samples(data), opus.CLOCK_RATE, count)]
        if codec in _FRAMED:
            return _split_by_headers(codec, data)
        return _whole_samples(codec, data, channels)

    def _describe(self, frame: Frame) -> Track:
        track = self.track
        config = (frame.config,) if frame.config else ()
        if track is None or (track.codec, track.sample_rate, track.channels, track.parameter_sets) != (
            frame.codec,
            frame.sample_rate,
            frame.channels,
            config,
        ):
            track = Track(
                id=self._id,
                codec=frame.codec,
                clock_rate=frame.sample_rate,
                parameter_sets=config,
                sample_rate=frame.sample_rate,
                channels=frame.channels,
            )
            if self.track is not None and self._last_pts is not None:
                # Rounded up, or the first unit could fall by a fraction.
                self._last_pts = -(-self._last_pts * track.clock_rate // self.track.clock_rate)
            if self.track is None or self.track.clock_rate != track.clock_rate:
                self._grid = SampleGrid(track.clock_rate)
            self.track = track
        return track


class SampleGrid:
    """Where frames of sound lie, by their samples and by timestamps that are rounded.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int = TICKS_PER_S) -> None:
        self._rate = sample_rate
        self._tolerance = round(_AGREES_S * sample_rate)
        self._next: int | None = None

    def place(self, at: int, samples: int) -> int:
        """Time of a frame in samples: behind the one before, or where its timestamp says if that is apart.

        Args:
            at: by its timestamp, ticks of 90 kHz.
            samples: how long it is.
        """
        stamped = (at * self._rate + TICKS_PER_S // 2) // TICKS_PER_S
        if self._next is None or abs(stamped - self._next) > self._tolerance:
            self._next = stamped
        found, self._next = self._next, self._next + samples
        return found


def _split_by_headers(codec: Codec, data: bytes) -> list[Frame]:
    """Frames that say what they are, and how long; a tag may name the older of two codings that are alike."""
    parser = mpegaudio if codec is Codec.MP3 else ac3
    frames: list[Frame] = []
    at = 0
    while at < len(data):
        if len(data) - at < parser.HEADER_BYTES:
            raise WireError(f"flv: {len(data) - at} bytes behind a frame of sound")
        header = parser.parse_header(data, at)
        coded = data[at : at + header.frame_bytes]
        if len(coded) < header.frame_bytes:
            raise WireError(f"flv: a frame of {header.frame_bytes} bytes does not fit its tag")
        if header.continues and frames:
            frames[-1] = replace(frames[-1], data=frames[-1].data + coded)
        else:
            found = header.codec or codec
            frames.append(Frame(found, coded, header.samples, header.sample_rate, header.channels))
        at += header.frame_bytes
    return frames


def _whole_samples(codec: Codec, data: bytes, channels: int) -> list[Frame]:
    count, rest = divmod(len(data), max(channels, 1))
    if not count:
        raise WireError(f"flv: {len(data)} bytes are no sample of {channels} channels")
    return [Frame(codec, data[: len(data) - rest], count, _G711_RATE, max(channels, 1))]
