"""What is in a track, in a word for a playlist or a page (RFC 6381 section 3.3)."""

from __future__ import annotations

from collections.abc import Callable

from transport.errors import WireError
from transport.media import Codec, Track, h264, h265
from transport.media.annexb import unescape
from transport.media.bits import BitReader

# Of a sequence parameter set, up to all that the name is made of.
_LEAST_BYTES = {Codec.H264: 4, Codec.H265: 16}


def codec_string(track: Track) -> str:
    """As `avc1.640028`, `hvc1.1.6.L93.B0`, `mp4a.40.2` or `opus`.

    Raises:
        WireError: its parameter sets are not known, or malformed; or it is in no coding that `mux` carries.
    """
    if track.codec is Codec.H264:
        return f"avc1.{_first(track, h264.nal_type, h264.NAL_SPS)[1:4].hex()}"
    if track.codec is Codec.H265:
        return _hevc(unescape(_first(track, h265.nal_type, h265.NAL_SPS)))
    if track.codec is Codec.AAC:
        if not track.parameter_sets:
            raise WireError("aac: no name without its AudioSpecificConfig")
        bits = BitReader(track.parameter_sets[0])
        object_type = bits.u(5)
        return f"mp4a.40.{32 + bits.u(6) if object_type == 31 else object_type}"
    if track.codec is Codec.OPUS:
        return "opus"
    raise WireError(f"{track.codec.label} is not carried in CMAF here")


def _first(track: Track, nal_type: Callable[[bytes], int], wanted: int) -> bytes:
    for nal in track.parameter_sets:
        if nal_type(nal) == wanted and len(nal) >= _LEAST_BYTES[track.codec]:
            return nal
    raise WireError(f"{track.codec}: no name without a sequence parameter set")


def _hevc(sps: bytes) -> str:
    """ISO/IEC 14496-15 annex E.3: profile, compatibility, tier and level, constraints."""
    space, tier, profile = sps[3] >> 6, sps[3] >> 5 & 1, sps[3] & 31
    compatible = int(f"{int.from_bytes(sps[4:8], 'big'):032b}"[::-1], 2)
    constraints = sps[8:14].rstrip(b"\0")
    parts = [
        f"hvc1.{'ABC'[space - 1] if space else ''}{profile}",
        f"{compatible:X}",
        f"{'H' if tier else 'L'}{sps[14]}",
        *(f"{each:X}" for each in constraints),
    ]
    return ".".join(parts)
