"""Sound out of PES packets: frames cut by their own headers and dated by counting samples.

A PES packet holds any number of frames and may end inside one. Its timestamp is that of the first frame that
begins in it (2.4.3.7); the others follow by their length in samples, so no rounding adds up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, ac3, mpegaudio, opus
from transport.media.adts import AdtsReader
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.latm import LatmReader
from transport.media.programclock import MAX_HELD, TICKS_PER_S
from transport.mpegts.counters import DemuxCounters

# The largest frame length of ADTS and LOAS is 8 KiB, of Opus control headers far less in practice.
_MAX_FRAME_BYTES = 8192 + 16
# Headers of something that is not carried, with no frame between them; and frames until it is carried again.
_MAX_REFUSALS = 3
_MIN_CARRIED = 3


class Framing(Protocol):
    """Where a coding's frames begin and end."""

    @property
    def sync(self) -> bytes:
        """The first byte of every frame, to search for."""
        ...

    def parse(self, data: bytes, position: int) -> AudioHeader | None:
        """Parse the frame header at `position`; None when more bytes are needed.

        Raises:
            WireError: no frame begins there.
            UnsupportedAudio: one that cannot be carried.
        """
        ...

    def unpack(self, header: AudioHeader, frame: bytes) -> tuple[AudioHeader, bytes] | None:
        """Give the whole frame's payload and what it says; None for a frame that nobody could decode yet.

        Raises:
            WireError: broken inside.
            UnsupportedAudio: cannot be carried.
        """
        ...


class AudioTrack:
    """The access units of one sound PID.

    After missing packets the rest of the PES packet is dropped: how many frames are missing cannot be known,
    and sound with a wrong time would be worse than the few frames until the next timestamp.
    """

    def __init__(self, track: Track, framing: Framing, counters: DemuxCounters) -> None:
        self.track = track
        self._framing = framing
        self._counters = counters
        self._rest = b""
        self._base: int | None = None
        self._samples = 0
        self._last_pts: int | None = None
        self._refusals = 0
        self._carried = 0
        self.reason = ""

    def relabel(self, language: str) -> None:
        """Change the track's language."""
        if language != self.track.language:
            self.track = replace(self.track, language=language)

    def take(
        self, segments: list[bytes], pts: int | None, dts: int | None, now: float, *, broken: bool
    ) -> list[AccessUnit]:
        """Take one PES packet's payload; arguments as `VideoTrack.take`."""
        data = self._rest + segments[0]
        units, end = self._cut(data, len(self._rest), pts, now)
        if broken or len(segments) > 1:
            self._counters.dropped_units += 1
            end = len(data)
        self._rest = data[end:] if len(data) - end <= _MAX_FRAME_BYTES else b""
        return units

    def interrupt(self) -> None:
        """Packets are missing before the next PES packet: half a frame from before must not meet its data."""
        self._rest = b""

    def flush(self, now: float) -> list[AccessUnit]:
        """Forget half a frame."""
        self._rest = b""
        return []

    def _cut(self, data: bytes, fresh_at: int, pts: int | None, now: float) -> tuple[list[AccessUnit], int]:
        """Cut frames from the front; return them and where the first incomplete one begins."""
        units: list[AccessUnit] = []
        position, synced = 0, True
        while position < len(data):
            try:
                header = self._framing.parse(data, position)
                is_sure = synced and (header is None or self._is_usual(header))
                if header is not None and not is_sure and not self._is_followed(data, position, header):
                    raise WireError("mpegts: a sync word inside sound")
            except (WireError, UnsupportedAudio) as error:
                if isinstance(error, UnsupportedAudio):
                    self._refuse(error)
                if synced:
                    self._counters.malformed += not self.reason
                    synced = False
                found = data.find(self._framing.sync, position + 1)
                position = found if found >= 0 else len(data)
                continue
            if header is None or position + header.frame_bytes > len(data):
                break
            if pts is not None and position >= fresh_at:
                self._base, self._samples, pts = pts, 0, None
            synced = True
            frame = data[position : position + header.frame_bytes]
            position += header.frame_bytes
            if header.continues:
                self._continue(units, frame)
                continue
            unit = self._unit(header, frame, now)
            if unit is not None:
                units.append(unit)
        if pts is not None and position >= fresh_at:
            # The frame that begins here ends in the next PES packet, but this timestamp is its own.
            self._base, self._samples = pts, 0
        return units, position

    def _is_usual(self, header: AudioHeader) -> bool:
        """Whether it is coded as the frames before: a corrupt header may look like one of another layer."""
        return header.codec in (None, self.track.codec) or not self.track.sample_rate

    def _is_followed(self, data: bytes, position: int, header: AudioHeader) -> bool:
        following = position + header.frame_bytes
        if following >= len(data):
            return following == len(data)
        other = self._framing.parse(data, following)
        return other is None or other.codec is header.codec

    def _continue(self, units: list[AccessUnit], frame: bytes) -> None:
        """Put a frame to the one that it belongs to: a PES packet holds both (ETSI TS 101 154)."""
        if units:
            units[-1] = replace(units[-1], data=units[-1].data + frame)
        elif not self.reason:
            self._counters.dropped_units += 1

    def _unit(self, header: AudioHeader, frame: bytes, now: float) -> AccessUnit | None:
        try:
            unpacked = self._framing.unpack(header, frame)
        except WireError:
            self._counters.malformed += 1
            return None
        except UnsupportedAudio as error:
            self._refuse(error)
            return None
        if unpacked is None or self._base is None:
            self._counters.dropped_units += 1
            return None
        self._carry()
        if self.reason:
            return None
        header, payload = unpacked
        pts = self._base + (self._samples * TICKS_PER_S + header.sample_rate // 2) // header.sample_rate
        if header.sample_rate != self.track.sample_rate and self.track.sample_rate:
            # Counted samples of another length no longer add up.
            self._base, self._samples = pts, 0
        self._samples += header.samples
        self._describe(header)
        if self._last_pts is not None and 0 < self._last_pts - pts <= MAX_HELD:
            self._counters.clamped_timestamps += 1
            pts = self._last_pts
        self._last_pts = pts
        return AccessUnit(self.track, pts, pts, payload, True, now)

    def _carry(self) -> None:
        """Take the track up again when such sound is back; one frame alone may be one by chance."""
        self._refusals = 0
        self._carried += 1
        if self._carried >= _MIN_CARRIED:
            self.reason = ""

    def _refuse(self, error: UnsupportedAudio) -> None:
        """Give the track up when nothing else comes; one header alone may be a corrupt one."""
        self._refusals += 1
        self._carried = 0
        if self._refusals >= _MAX_REFUSALS:
            self.reason = f"{error} is not supported"

    def _describe(self, header: AudioHeader) -> None:
        track = self.track
        codec = header.codec or track.codec
        config = (header.config,) if header.config else ()
        if (track.codec, track.sample_rate, track.channels, track.parameter_sets) != (
            codec,
            header.sample_rate,
            header.channels,
            config,
        ):
            self.track = replace(
                track,
                codec=codec,
                sample_rate=header.sample_rate,
                channels=header.channels,
                parameter_sets=config,
            )


class SelfFramed:
    """MPEG audio, AC-3 and E-AC-3: a header of fixed size says how long its frame is."""

    def __init__(self, parse: Callable[[bytes, int], AudioHeader], header_bytes: int, sync: bytes) -> None:
        self._parse = parse
        self._header_bytes = header_bytes
        self.sync = sync

    def parse(self, data: bytes, position: int) -> AudioHeader | None:
        """As `Framing.parse`."""
        if len(data) - position < self._header_bytes:
            return None
        return self._parse(data, position)

    def unpack(self, header: AudioHeader, frame: bytes) -> tuple[AudioHeader, bytes]:
        """As `Framing.unpack`."""
        return header, frame[header.header_bytes :]


class OpusFramed:
    """Opus packets behind control headers (ETSI TS 103 491 section 3.3).

    Args:
        channels: of the PMT's descriptor; 0 believes the packets.
    """

    sync = b"\x7f"

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def parse(self, data: bytes, position: int) -> AudioHeader | None:
        """As `Framing.parse`."""
        end = len(data)
        if end - position < 3:
            return None
        if data[position] != 0x7F or data[position + 1] & 0xE0 != 0xE0:
            raise WireError("opus: no control header here")
        flags = data[position + 1]
        at, size = position + 2, 0
        while at < end and data[at] == 0xFF:
            size += 255
            at += 1
        if at >= end:
            return None
        size += data[at]
        at += 1 + (2 if flags & 0x10 else 0) + (2 if flags & 0x08 else 0)
        if flags & 0x04:
            if at >= end:
                return None
            at += 1 + data[at]
        if not 0 < size <= _MAX_FRAME_BYTES:
            raise WireError(f"opus: packet of {size} bytes")
        return AudioHeader(at - position + size, at - position, 0, opus.CLOCK_RATE, self._channels)

    def unpack(self, header: AudioHeader, frame: bytes) -> tuple[AudioHeader, bytes]:
        """As `Framing.unpack`."""
        packet = frame[header.header_bytes :]
        channels = header.channels or opus.packet_channels(packet)
        # Not `replace`, which takes several times as long.
        found = AudioHeader(
            header.frame_bytes, header.header_bytes, opus.packet_samples(packet), opus.CLOCK_RATE, channels
        )
        return found, packet


def audio_track(
    pid: int, codec: Codec, counters: DemuxCounters, *, latm: bool, channels: int, language: str
) -> AudioTrack:
    """Make the track for one sound PID; its rate is unknown until the first frame, except for Opus."""
    framing: Framing
    if codec is Codec.OPUS:
        framing = OpusFramed(channels)
    elif codec in (Codec.MP2, Codec.MP3):
        framing = SelfFramed(mpegaudio.parse_header, mpegaudio.HEADER_BYTES, b"\xff")
    elif codec in (Codec.AC3, Codec.EAC3):
        framing = SelfFramed(ac3.parse_header, ac3.HEADER_BYTES, b"\x0b")
    elif latm:
        framing = LatmReader()
    else:
        framing = AdtsReader()
    sample_rate = opus.CLOCK_RATE if codec is Codec.OPUS else 0
    track = Track(pid, codec, TICKS_PER_S, sample_rate=sample_rate, channels=channels, language=language)
    return AudioTrack(track, framing, counters)
