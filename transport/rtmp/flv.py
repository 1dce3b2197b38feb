"""FLV: what an RTMP message of sound or picture has in it (Adobe's "Video File Format", 10.1, annex E).

H.264 and AAC as every platform takes them; H.265 in the way of Enhanced RTMP, version 1 (Veovera). The other
direction, `parse_video` and `parse_audio`, says of a tag only what a receiver decides on; `demux.py` makes
access units of it, `enhanced.py` knows version 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track, h264
from transport.media.configuration import length_prefixed, video_configuration
from transport.rtmp.amf0 import Value
from transport.rtmp.enhanced import (
    AUDIO_MULTITRACK,
    CODED_FRAMES,
    CODED_FRAMES_X,
    SEQUENCE_END,
    SEQUENCE_START,
    VIDEO_MULTITRACK,
    Part,
    parse_parts,
)

#: Audio tag of AAC: these bits say 44 kHz and stereo, whatever the configuration says (E.4.2.1).
_AAC: Final = 0xAF
_AAC_SOUND_FORMAT: Final = 10
#: In its place a FourCC follows, and the low bits are a packet type.
_EXTENDED_SOUND_FORMAT: Final = 9
_AVC: Final = 7
#: H.265 in AVC's way, as Chinese encoders send it; they have no FourCC.
_HEVC: Final = 12
_KEY, _INTER, _COMMAND = 1, 2, 5
#: Set in the first byte of a video tag: a FourCC follows and the low bits are a packet type.
_ENHANCED: Final = 0x80

FOUR_CCS: Final = {Codec.H265: b"hvc1"}
_FOUR_CC_NAMES = {
    **{b"hvc1": "h265", b"avc1": "h264", b"vvc1": "h266", b"av01": "av1", b"vp09": "vp9", b"vp08": "vp8"},
    **{b"mp4a": "aac", b"Opus": "opus", b"ac-3": "ac3", b"ec-3": "eac3", b".mp3": "mp3", b"fLaC": "flac"},
}
#: Whose coded frames stand behind a composition time.
_DELAYED: Final = (b"hvc1", b"avc1", b"vvc1")
_VIDEO_NAMES = {2: "h263", 3: "screen", 4: "vp6", 5: "vp6a", 6: "screen", _AVC: "h264", _HEVC: "h265"}
_SOUND_NAMES = {
    **{0: "pcm", 1: "adpcm", 2: "mp3", 3: "pcm", 4: "nellymoser", 5: "nellymoser", 6: "nellymoser"},
    **{7: "pcma", 8: "pcmu", 10: "aac", 11: "speex", 14: "mp3"},
}

_FILE_HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


def accepts(track: Track, *, enhanced: bool) -> bool:
    """Whether a track can be carried: H.264 and AAC, H.265 with Enhanced RTMP."""
    return track.codec in (Codec.H264, Codec.AAC) or (enhanced and track.codec in FOUR_CCS)


def sequence_header(track: Track) -> bytes | None:
    """The tag body that configures the decoder; None while the track's parameters are unknown.

    Raises:
        WireError: malformed parameter sets.
    """
    if not track.parameter_sets:
        return None
    if track.codec is Codec.AAC:
        return bytes((_AAC, 0)) + track.parameter_sets[0]
    if track.codec is Codec.H264:
        return bytes((_KEY << 4 | _AVC, 0, 0, 0, 0)) + video_configuration(track)
    first = bytes((_ENHANCED | _KEY << 4 | SEQUENCE_START,))
    return first + FOUR_CCS[track.codec] + video_configuration(track)


def tag_body(unit: AccessUnit) -> bytes:
    """The tag body of one unit, of a track that `accepts` lets through."""
    codec = unit.track.codec
    if codec is Codec.AAC:
        return bytes((_AAC, 1)) + unit.data
    kind = (_KEY if unit.keyframe else _INTER) << 4
    delay_ms = (unit.pts - unit.dts) * 1000 // unit.track.clock_rate
    # A signed field of 24 bits; what does not fit is a broken clock, not a picture shown two hours later.
    delay = (delay_ms if -0x800000 <= delay_ms < 0x800000 else 0) & 0xFFFFFF
    data = length_prefixed(unit.data, codec)
    if codec is Codec.H264:
        return bytes((kind | _AVC, 1)) + delay.to_bytes(3, "big") + data
    if delay == 0:
        return bytes((_ENHANCED | kind | CODED_FRAMES_X,)) + FOUR_CCS[codec] + data
    return bytes((_ENHANCED | kind | CODED_FRAMES,)) + FOUR_CCS[codec] + delay.to_bytes(3, "big") + data


def metadata(tracks: tuple[Track, ...]) -> dict[str, Value]:
    """Values for onMetaData, as far as they are known."""
    values: dict[str, Value] = {}
    for track in tracks:
        if not track.is_video:
            values["audiocodecid"] = float(_AAC_SOUND_FORMAT)
            values["audiosamplesize"] = 16.0
            if track.sample_rate:
                values["audiosamplerate"] = float(track.sample_rate)
            if track.channels:
                values["audiochannels"] = float(track.channels)
                values["stereo"] = track.channels > 1
            continue
        four_cc = FOUR_CCS.get(track.codec)
        values["videocodecid"] = float(int.from_bytes(four_cc, "big") if four_cc else _AVC)
        if track.width and track.height:
            values["width"], values["height"] = float(track.width), float(track.height)
        if rate := _frame_rate(track):
            values["framerate"] = rate
    return {**values, "encoder": "Streamer"}


@dataclass(frozen=True, slots=True)
class VideoTag:
    """What a video tag says, of one track.

    Attributes:
        codec: "h264", "h265", "av1" …; "codec 9" where the number has no name here; "" for a command.
        keyframe: a decoder can start here.
        is_header: the decoder's configuration, no picture.
        is_end: the end of the sequence, no picture.
        delay_ms: from decoding to showing.
        data: configuration or coded picture.
        track_id: of a numbered track, otherwise 0.
        is_other: neither configuration, picture nor end: what colours it has, a command to a player.
    """

    codec: str
    keyframe: bool
    is_header: bool
    is_end: bool
    delay_ms: int
    data: bytes
    track_id: int = 0
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class AudioTag:
    """What an audio tag says; as `VideoTag`.

    Attributes:
        channels: of codecs without a configuration (G.711), otherwise 0.
    """

    codec: str
    is_header: bool
    data: bytes
    is_end: bool = False
    track_id: int = 0
    is_other: bool = False
    channels: int = 0


def parse_video(body: bytes) -> VideoTag:
    """Read a video tag's body; of several tracks the first.

    Raises:
        WireError: truncated.
    """
    return parse_video_tracks(body)[0]


def parse_video_tracks(body: bytes) -> list[VideoTag]:
    """Read a video tag's body, a track at a time; one at least.

    Raises:
        WireError: truncated.
    """
    if body and body[0] >> 4 & 7 == _COMMAND:
        return [VideoTag("", False, False, False, 0, body[1:], is_other=True)]
    if len(body) < 5:
        raise WireError(f"flv: video tag of {len(body)} bytes")
    first = body[0]
    if first & _ENHANCED:
        keyframe = first >> 4 & 7 == _KEY
        return [_extended_video(part, keyframe) for part in parse_parts(body, VIDEO_MULTITRACK)]
    codec, kind = _VIDEO_NAMES.get(first & 15, f"codec {first & 15}"), body[1]
    with_type = first & 15 in (_AVC, _HEVC)
    tag = VideoTag(
        codec=codec,
        keyframe=first >> 4 == _KEY,
        is_header=with_type and kind == 0,
        is_end=with_type and kind == 2,
        delay_ms=_signed(body[2:5]) if with_type else 0,
        data=body[5:] if with_type else body[1:],
        is_other=with_type and kind > 2,
    )
    return [tag]


def parse_audio(body: bytes) -> AudioTag:
    """Read an audio tag's body; of several tracks the first.

    Raises:
        WireError: truncated.
    """
    return parse_audio_tracks(body)[0]


def parse_audio_tracks(body: bytes) -> list[AudioTag]:
    """Read an audio tag's body, a track at a time; one at least.

    Raises:
        WireError: truncated.
    """
    if not body or (body[0] >> 4 == _AAC_SOUND_FORMAT and len(body) < 2):
        raise WireError(f"flv: audio tag of {len(body)} bytes")
    kind = body[0] >> 4
    if kind == _EXTENDED_SOUND_FORMAT:
        return [_extended_audio(part) for part in parse_parts(body, AUDIO_MULTITRACK)]
    codec = _SOUND_NAMES.get(kind, f"codec {kind}")
    if kind == _AAC_SOUND_FORMAT:
        return [AudioTag(codec, body[1] == 0, body[2:], is_other=body[1] > 1)]
    channels = (body[0] & 1) + 1 if codec in ("pcma", "pcmu") else 0
    return [AudioTag(codec, False, body[1:], channels=channels)]


def _extended_video(part: Part, keyframe: bool) -> VideoTag:
    delayed = part.packet_type == CODED_FRAMES and part.four_cc in _DELAYED
    if delayed and len(part.data) < 3:
        raise WireError(f"flv: video tag with {len(part.data)} bytes of a picture")
    return VideoTag(
        codec=_four_cc_name(part.four_cc),
        keyframe=keyframe,
        is_header=part.packet_type == SEQUENCE_START,
        is_end=part.packet_type == SEQUENCE_END,
        delay_ms=_signed(part.data[:3]) if delayed else 0,
        data=part.data[3:] if delayed else part.data,
        track_id=part.track_id,
        is_other=part.packet_type > CODED_FRAMES_X,
    )


def _extended_audio(part: Part) -> AudioTag:
    return AudioTag(
        codec=_four_cc_name(part.four_cc),
        is_header=part.packet_type == SEQUENCE_START,
        data=part.data,
        is_end=part.packet_type == SEQUENCE_END,
        track_id=part.track_id,
        is_other=part.packet_type > SEQUENCE_END,
    )


def _four_cc_name(four_cc: bytes) -> str:
    return _FOUR_CC_NAMES.get(four_cc, f"codec {four_cc.hex()}")


def file_header() -> bytes:
    """What a file of sound and picture begins with (E.2)."""
    return _FILE_HEADER


def file_tag(kind: int, timestamp: int, body: bytes) -> bytes:
    """One tag in a file (E.4.1).

    Args:
        kind: the RTMP message's type: 8, 9 or 18.
        timestamp: milliseconds, modulo 2**32.
        body: of the message.
    """
    timestamp &= 0xFFFFFFFF
    head = bytes((kind,)) + len(body).to_bytes(3, "big") + (timestamp & 0xFFFFFF).to_bytes(3, "big")
    return head + bytes((timestamp >> 24, 0, 0, 0)) + body + (11 + len(body)).to_bytes(4, "big")


def _signed(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _frame_rate(track: Track) -> float:
    """From the sequence parameter set, 0.0 where it does not say."""
    if track.codec is not Codec.H264:
        return 0.0
    for nal in track.parameter_sets:
        if h264.nal_type(nal) == h264.NAL_SPS:
            try:
                return round(h264.parse_sps(nal).frame_rate, 3)
            except WireError:
                return 0.0
    return 0.0
