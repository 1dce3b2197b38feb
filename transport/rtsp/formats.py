"""How tracks are called in a description (SDP): payload formats and their parameters."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from transport.errors import TransportError
from transport.media import Codec, Track, h265
from transport.rtp.sound import AAC_INDEX_BITS, AAC_SIZE_BITS

_VIDEO_CLOCK = 90_000
#: What RTP has always called so (RFC 3551 section 6).
_STATIC = {(Codec.PCMU, 8000, 1): 0, (Codec.PCMA, 8000, 1): 8, (Codec.MP2, 90_000, 0): 14}
_STATIC |= {(Codec.MP3, 90_000, 0): 14, (Codec.G722, 8000, 1): 9}
_NAMES = {
    Codec.H264: "H264",
    Codec.H265: "H265",
    Codec.AAC: "mpeg4-generic",
    Codec.OPUS: "opus",
    Codec.MP2: "MPA",
    Codec.MP3: "MPA",
    Codec.AC3: "ac3",
    Codec.EAC3: "eac3",
    Codec.PCMA: "PCMA",
    Codec.PCMU: "PCMU",
    Codec.L16: "L16",
    Codec.G722: "G722",
    Codec.G726: "G726",
    Codec.AAL2_G726: "AAL2-G726",
}
#: What goes out as it is.
CARRIED = frozenset(_NAMES)


class Undescribed(TransportError):
    """Of a track too little is known to describe it; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Format:
    """A payload format.

    Attributes:
        payload_type: of its packets.
        name: as SDP has it.
        clock_rate: ticks per second of the RTP timestamps.
        channels: of sound; 0 where nothing is said of them.
        parameters: of `a=fmtp`; "" for none.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 0
    parameters: str = ""


def format_of(track: Track, payload_type: int) -> Format:
    """How a track is described.

    Args:
        track: of a codec in `CARRIED`.
        payload_type: for what has none of its own.

    Raises:
        Undescribed: its units have not told enough yet.
    """
    codec, name = track.codec, _NAMES[track.codec]
    if codec.is_video:
        return Format(payload_type, name, _VIDEO_CLOCK, parameters=_picture_parameters(track))
    if not track.sample_rate or not track.channels:
        raise Undescribed(f"sound in {codec.label}, of which neither rate nor channels are known yet")
    if codec is Codec.OPUS:
        stereo = "sprop-stereo=1" if track.channels == 2 else "sprop-stereo=0"
        return Format(payload_type, name, 48_000, 2, stereo)  # always so (RFC 7587 section 7)
    if codec is Codec.AAC:
        return Format(payload_type, name, track.sample_rate, track.channels, _aac_parameters(track))
    if codec in (Codec.MP2, Codec.MP3):
        return Format(_STATIC[codec, 90_000, 0], name, 90_000)
    if codec in (Codec.G726, Codec.AAL2_G726):
        if not track.coded_bits:
            raise Undescribed(f"sound in {codec.label} of an unknown bit rate")
        name = f"{name}-{track.coded_bits * 8}"
    # The clock of G.722 is half its rate, by an error that is kept (RFC 3551 section 4.5.2).
    clock_rate = 8000 if codec is Codec.G722 else track.sample_rate
    chosen = _STATIC.get((codec, clock_rate, track.channels), payload_type)
    return Format(chosen, name, clock_rate, track.channels)


def _picture_parameters(track: Track) -> str:
    sets = track.parameter_sets
    if track.codec is Codec.H264:
        parts = ["packetization-mode=1"]
        if track.profile:
            parts.append(f"profile-level-id={track.profile.upper()}")
        if sets:
            parts.append(f"sprop-parameter-sets={','.join(map(_base64, sets))}")
        return ";".join(parts)
    kinds = (("vps", h265.NAL_VPS), ("sps", h265.NAL_SPS), ("pps", h265.NAL_PPS))
    told = {name: [each for each in sets if h265.nal_type(each) == kind] for name, kind in kinds}
    return ";".join(f"sprop-{name}={','.join(map(_base64, found))}" for name, found in told.items() if found)


def _aac_parameters(track: Track) -> str:
    if not track.parameter_sets:
        raise Undescribed("sound in AAC, whose configuration is not known yet")
    return (
        f"streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength={AAC_SIZE_BITS};indexlength={AAC_INDEX_BITS};"
        f"indexdeltalength={AAC_INDEX_BITS};config={track.parameter_sets[0].hex()}"
    )


def _base64(nal: bytes) -> str:
    return base64.b64encode(nal).decode()
