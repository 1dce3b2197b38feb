"""Which offered format carries which codec, and what the answer says about it: one row per codec.

Another codec (AV1) is another row in `VIDEO`: its name in SDP and a function that matches a format.
`negotiate.py` uses the table.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aiortc.sdp import H264Profile, parse_h264_profile_level_id

from transport.errors import WireError
from transport.media import Codec, Track, h265
from transport.webrtc.wire import Format, OfferedMedia

OPUS_FMTP = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"


class Fit(enum.IntEnum):
    """How well an offered format suits a track; smaller is better."""

    EXACT = 0
    LIKELY = 10
    LAST_RESORT = 100


@dataclass(frozen=True, slots=True)
class Match:
    """A format that can carry a track.

    Attributes:
        rank: a `Fit`, plus the place in the profile's order of preference.
        fmtp: what the answer says, "" for no fmtp line.
    """

    rank: int
    fmtp: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One codec.

    Attributes:
        name: in rtpmap, compared without case.
        match: says whether a format can carry a track, of which only the codec may be known yet.
        describe: the track in words, for whoever has to find out why a viewer was refused.
    """

    name: str
    match: Callable[[Format, Track], Match | None]
    describe: Callable[[Track], str]


_P = H264Profile
#: Which other profile to answer with when the stream's own is not offered: first those whose decoders can
#: decode it by definition, then those that browsers under-state (Firefox offers 42e01f and plays High).
_NEXT_BEST: Mapping[H264Profile | None, tuple[H264Profile, ...]] = {
    _P.PROFILE_CONSTRAINED_BASELINE: (
        _P.PROFILE_BASELINE,
        _P.PROFILE_MAIN,
        _P.PROFILE_CONSTRAINED_HIGH,
        _P.PROFILE_HIGH,
    ),
    _P.PROFILE_BASELINE: (_P.PROFILE_CONSTRAINED_BASELINE, _P.PROFILE_MAIN, _P.PROFILE_HIGH),
    _P.PROFILE_MAIN: (_P.PROFILE_HIGH, _P.PROFILE_CONSTRAINED_HIGH, _P.PROFILE_CONSTRAINED_BASELINE),
    _P.PROFILE_CONSTRAINED_HIGH: (_P.PROFILE_HIGH, _P.PROFILE_MAIN, _P.PROFILE_CONSTRAINED_BASELINE),
    _P.PROFILE_HIGH: (_P.PROFILE_CONSTRAINED_HIGH, _P.PROFILE_MAIN, _P.PROFILE_CONSTRAINED_BASELINE),
    None: (
        _P.PROFILE_HIGH,
        _P.PROFILE_CONSTRAINED_HIGH,
        _P.PROFILE_MAIN,
        _P.PROFILE_CONSTRAINED_BASELINE,
        _P.PROFILE_BASELINE,
    ),
}


def _h264_profile(profile_level_id: str) -> H264Profile | None:
    """The profile in a profile-level-id, whatever its level; None if there is no such profile."""
    try:
        return parse_h264_profile_level_id(profile_level_id[:4] + "1f")[0]
    except ValueError:
        return None


def _match_h264(offered: Format, track: Track) -> Match | None:
    """RFC 6184 section 8.2.2: the profile decides, the level may differ (level-asymmetry-allowed)."""
    parameters = offered.parameters
    if parameters.get("packetization-mode") != "1":  # FU-A needs non-interleaved mode
        return None
    profile_level_id = parameters.get("profile-level-id", "42000a").lower()
    theirs, ours = _h264_profile(profile_level_id), _h264_profile(track.profile)
    if ours is not None and theirs is ours:
        if parameters.get("level-asymmetry-allowed") != "1":
            return Match(Fit.EXACT, offered.fmtp)
        # The offered spelling of the profile (Chromium compares that) with the level that is sent.
        real = profile_level_id[:4] + track.profile[4:6].lower()
        fmtp = f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={real}"
        return Match(Fit.EXACT, fmtp)
    order = _NEXT_BEST.get(ours, ())
    rank = Fit.LIKELY + order.index(theirs) if theirs in order else int(Fit.LAST_RESORT)
    return Match(rank, offered.fmtp)


def _h265_sps(track: Track) -> h265.Sps | None:
    """The track's sequence parameter set, None while it is unknown or unreadable."""
    for unit in track.parameter_sets:
        if unit and h265.nal_type(unit) == h265.NAL_SPS:
            try:
                return h265.parse_sps(unit)
            except WireError:
                return None
    return None


def _match_h265(offered: Format, track: Track) -> Match | None:
    """RFC 7798 section 7.2.2: a profile that decodes ours, at least our level, one RTP stream.

    The tier is not compared: an encoder that is told a level claims the high tier (x265), at any bit rate.
    """
    parameters = offered.parameters
    if parameters.get("tx-mode", "SRST").upper() != "SRST":
        return None
    try:
        profile = int(parameters.get("profile-id", "1"))
        level = int(parameters.get("level-id", "93"))
    except ValueError:
        return None
    sps = _h265_sps(track)
    if sps is None:
        return Match(Fit.LIKELY if profile == 1 else Fit.LAST_RESORT, offered.fmtp)
    if level < sps.level_idc:
        return None
    if profile == sps.profile_idc:
        tier = parameters.get("tier-flag", "0")
        said = f"level-id={sps.level_idc};profile-id={profile};tier-flag={tier};tx-mode=SRST"
        return Match(Fit.EXACT, said)
    # A Main 10 decoder decodes Main as well.
    return Match(Fit.LIKELY, offered.fmtp) if (sps.profile_idc, profile) == (1, 2) else None


def _describe_h264(track: Track) -> str:
    return f"H.264 {track.profile}".rstrip()


def _describe_h265(track: Track) -> str:
    sps = _h265_sps(track)
    return "H.265" if sps is None else f"H.265 profile {sps.profile_idc} level {sps.level_idc / 30:.1f}"


VIDEO: Mapping[Codec, Rule] = {
    Codec.H264: Rule("H264", _match_h264, _describe_h264),
    Codec.H265: Rule("H265", _match_h265, _describe_h265),
}


def find_opus(media: Iterable[OfferedMedia]) -> tuple[OfferedMedia, Format] | None:
    """The first m-line and format for Opus (RFC 7587 section 7: always 48 000 Hz and two channels)."""
    for line in media:
        if line.kind != "audio":
            continue
        for offered in line.formats:
            if (offered.name.lower(), offered.clock_rate, offered.channels) == ("opus", 48_000, 2):
                return line, offered
    return None
