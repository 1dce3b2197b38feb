"""What a camera offers, as tracks, and who assembles each of its streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from av.audio.codeccontext import AudioCodecContext
from av.container.input import InputContainer
from av.stream import Stream

from transport.errors import LinkError, WireError
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import parameter_sets_from_extradata
from transport.rtsp.assemble import JpegAssembler, PictureAssembler, SoundAssembler

_CODECS = {
    "h264": Codec.H264,
    "hevc": Codec.H265,
    "mjpeg": Codec.MJPEG,
    "aac": Codec.AAC,
    "aac_latm": Codec.AAC,
    "opus": Codec.OPUS,
    "libopus": Codec.OPUS,
    "mp2": Codec.MP2,
    "mp2float": Codec.MP2,
    "mp3": Codec.MP3,  # RTP calls all layers of MPEG audio the same; the frames tell them apart
    "mp3float": Codec.MP3,
    "ac3": Codec.AC3,
    "pcm_alaw": Codec.PCMA,
    "pcm_mulaw": Codec.PCMU,
    "pcm_s16be": Codec.L16,
    "g722": Codec.G722,
    "g726le": Codec.G726,
    "g726": Codec.AAL2_G726,
}


class StreamAssembler(Protocol):
    """What makes units of one of the camera's streams."""

    malformed: int
    reason: str

    def push(self, packet: bytes, pts: int | None, received_at: float) -> list[AccessUnit]:
        """Take a packet, return the units that are complete."""
        ...

    def flush(self) -> list[AccessUnit]:
        """Take what is there as complete."""
        ...


@dataclass(frozen=True, slots=True)
class Description:
    """What will be received.

    Attributes:
        tracks: in the camera's order; ids count from 0.
        assemblers: by libav's stream index.
        warnings: what is left out.
    """

    tracks: tuple[Track, ...]
    assemblers: dict[int, StreamAssembler] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def describe(container: InputContainer) -> Description:
    """Choose the first picture and the first sound that can be carried.

    Raises:
        LinkError: reason `unsupported`: there is neither.
    """
    tracks: list[Track] = []
    assemblers: dict[int, StreamAssembler] = {}
    warnings: list[str] = []
    for stream in container.streams:
        name = _codec_name(stream)
        codec = _CODECS.get(name)
        kind = {"video": "pictures", "audio": "sound"}.get(stream.type, stream.type)
        if codec is None:
            warnings.append(f"{kind} in {name} is not supported")
        elif any(track.is_video == codec.is_video for track in tracks):
            warnings.append(f"a second stream of {kind} is left out")
        else:
            time_base = stream.time_base or Fraction(1, 90_000)
            track, assembler = _assembler(len(tracks), codec, time_base.denominator, stream.codec_context)
            tracks.append(track)
            assemblers[stream.index] = assembler
    if not tracks:
        raise LinkError("unsupported", "; ".join(warnings) or "the camera offers no media")
    return Description(tuple(tracks), assemblers, tuple(warnings))


def _assembler(track_id: int, codec: Codec, clock_rate: int, context: Any) -> tuple[Track, StreamAssembler]:
    extradata = bytes(context.extradata or b"")
    if codec is Codec.MJPEG:
        jpegs = JpegAssembler(track_id, clock_rate)
        return jpegs.track, jpegs
    if codec.is_video:
        pictures = PictureAssembler(track_id, codec, clock_rate)
        try:
            pictures.normalizer.learn(parameter_sets_from_extradata(codec, extradata))
        except WireError:
            pictures.malformed += 1  # the camera's description is broken; the stream may still be sound
        return pictures.normalizer.track, pictures
    assert isinstance(context, AudioCodecContext)
    track = Track(
        id=track_id,
        codec=codec,
        clock_rate=clock_rate,
        parameter_sets=(extradata,) if codec is Codec.AAC and extradata else (),
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        coded_bits=_coded_bits(context) if codec in (Codec.G726, Codec.AAL2_G726) else 0,
    )
    return track, SoundAssembler(track)


def _coded_bits(context: AudioCodecContext) -> int:
    """Bits of a sample in G.726, which four bit rates tell apart (RFC 3551 section 4.5.4); 0 for others."""
    bits, rest = divmod(context.bit_rate or 0, context.sample_rate or 1)
    return bits if not rest and 2 <= bits <= 5 else 0


def _codec_name(stream: Stream) -> str:
    context = stream.codec_context
    return context.name if context is not None else "an unknown coding"
