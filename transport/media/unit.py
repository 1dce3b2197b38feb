"""Tracks and access units: the only things that flow from an ingest to an output."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Codec(enum.StrEnum):
    """An elementary stream's coding, as the API and the configuration spell it."""

    H264 = "h264"
    H265 = "h265"
    MPEG2 = "mpeg2"
    MJPEG = "mjpeg"
    AAC = "aac"
    OPUS = "opus"
    MP2 = "mp2"
    MP3 = "mp3"
    AC3 = "ac3"
    EAC3 = "eac3"
    # Samples without frames, as cameras send them (RFC 3551): G.711 (A-law, mu-law), 16 bits, big-endian,
    # G.722, and G.726, whose samples begin at a byte's lowest bit or, as in AAL2, at its highest.
    PCMA = "pcma"
    PCMU = "pcmu"
    L16 = "l16"
    G722 = "g722"
    G726 = "g726"
    AAL2_G726 = "aal2-g726"

    @property
    def is_sampled(self) -> bool:
        """True for sound whose samples are coded one by one, without frames."""
        return self in _SAMPLED

    @property
    def is_video(self) -> bool:
        """True for a picture track, False for sound."""
        return self in _VIDEO

    @property
    def label(self) -> str:
        """As people write it."""
        return _LABELS.get(self, self.upper())

    @property
    def in_browsers(self) -> bool:
        """Whether there are browsers that receive it over WebRTC."""
        return self in _IN_BROWSERS


_VIDEO = frozenset({Codec.H264, Codec.H265, Codec.MPEG2, Codec.MJPEG})
_LABELS = {
    Codec.H264: "H.264",
    Codec.H265: "H.265",
    Codec.MPEG2: "MPEG-2",
    Codec.AC3: "AC-3",
    Codec.EAC3: "E-AC-3",
}
_IN_BROWSERS = frozenset({Codec.H264, Codec.H265, Codec.OPUS})
_SAMPLE_BITS = {Codec.PCMA: 8, Codec.PCMU: 8, Codec.L16: 16, Codec.G722: 4}
_SAMPLED = frozenset({*_SAMPLE_BITS, Codec.G726, Codec.AAL2_G726})
# First byte of the profile-level-id: Baseline, Main, Extended and High, all of 4:2:0 and 8 bits.
_PLAIN_PROFILES = frozenset({"42", "4d", "58", "64"})
# Nobody sees that a pixel is no square by so little.
_SQUARE_ENOUGH = 0.02


@dataclass(frozen=True, slots=True)
class Track:
    """One elementary stream. Immutable: when a parameter changes, units carry a new Track with the same id.

    Attributes:
        id: stays the same for the track's life within its stream.
        clock_rate: ticks per second of the units' pts and dts.
        parameter_sets: H.264: (SPS, PPS…); H.265: (VPS, SPS, PPS…), NAL units without start codes;
            MPEG-2: (sequence header with its extensions and start codes,); AAC: (AudioSpecificConfig,); empty
            while unknown.
        profile: H.264: profile-level-id in lower-case hexadecimal ("42e01f"); otherwise "".
        width: pixels after cropping, 0 while unknown or for sound.
        height: as width.
        sample_rate: Hz, 0 for pictures or while unknown.
        channels: of sound, 0 for pictures or while unknown.
        coded_bits: of a sample in G.726, where they are 2 to 5; otherwise 0.
        has_b_frames: pictures arrive in another order than they are shown.
        interlaced: pictures may be fields, or have been.
        pixel_aspect: width of a pixel by its height, where the stream says it.
        gradual: after a keyframe the picture is whole only once a few others have refreshed it part by part.
        language: ISO 639 code from the container, or "".
    """

    id: int
    codec: Codec
    clock_rate: int
    parameter_sets: tuple[bytes, ...] = ()
    profile: str = ""
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    coded_bits: int = 0
    has_b_frames: bool = False
    interlaced: bool = False
    pixel_aspect: float = 1.0
    gradual: bool = False
    language: str = ""

    @property
    def is_video(self) -> bool:
        """True for a picture track, False for sound."""
        return self.codec.is_video

    @property
    def sample_bits(self) -> int:
        """How long one channel's sample is where each is coded by itself; 0 where they are not."""
        return self.coded_bits or _SAMPLE_BITS.get(self.codec, 0)

    @property
    def is_plain(self) -> bool:
        """False for H.264 of 4:2:2 or more than 8 bits, which decoders of browsers and televisions refuse."""
        return self.codec is not Codec.H264 or not self.profile or self.profile[:2] in _PLAIN_PROFILES

    @property
    def hindrance(self) -> str:
        """What keeps browsers that know its codec from playing it over WebRTC; "" for nothing."""
        if self.has_b_frames:
            return "B-frames"
        if self.gradual:
            return "gradual refreshes in the place of keyframes"
        if self.interlaced:
            return "interlaced lines"
        if abs(self.pixel_aspect - 1) > _SQUARE_ENOUGH:
            return "pixels that are not square"
        if not self.is_plain:
            return "a profile for 4:2:2 or more than 8 bits"
        if self.codec is Codec.OPUS and self.channels > 2:
            return "more than two channels"
        return ""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture or one coded audio frame. Shared by every reader, never copied.

    Attributes:
        track: what it belongs to, with the parameters in force for this unit.
        pts: presentation time in ticks of `track.clock_rate`, unwrapped (never jumps back at 2**33).
        dts: decoding time in the same ticks; non-decreasing within a track.
        data: H.264 and H.265: Annex B with 4-byte start codes, no access unit delimiters or filler, and on
            a keyframe the parameter sets first. MPEG-2: one picture (of one in two fields, one or both), on a
            keyframe the sequence header first. MJPEG: one JPEG. AAC: raw frame without ADTS header. Opus: one
            packet. MP2, MP3, AC-3 and E-AC-3: one whole frame with its header, and what continues it.
        keyframe: a decoder can start here (IDR; for H.265 any IRAP, for MPEG-2 an I picture), though what it
            shows may be whole only later, see `Track.gradual`. True for every unit of MJPEG and of sound.
        received_at: time.monotonic() when its last byte arrived, seconds.
    """

    track: Track
    pts: int
    dts: int
    data: bytes
    keyframe: bool
    received_at: float

    @property
    def pts_s(self) -> float:
        """Presentation time in seconds."""
        return self.pts / self.track.clock_rate

    @property
    def dts_s(self) -> float:
        """Decoding time in seconds."""
        return self.dts / self.track.clock_rate
