"""A viewer's offer and what the stream has: which formats, which extensions, which source. No I/O.

Choosing is here, writing it down is in `answer.py`, what fits which codec in `codecs.py`.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import Codec, Track
from transport.plane.interface import Subscription
from transport.webrtc import answer
from transport.webrtc.answer import Accepted, Identity, LocalParameters
from transport.webrtc.codecs import OPUS_FMTP, VIDEO, Match, find_opus
from transport.webrtc.offered import NoCommonCodec, Offered
from transport.webrtc.wire import Fingerprint, Format, Offer, OfferedMedia

__all__ = [
    "LocalParameters",
    "Negotiated",
    "NoCommonCodec",
    "Offered",
    "VideoChoice",
    "Wanted",
    "negotiate",
    "restart_answer",
]

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
PLAYOUT_DELAY_URI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

#: Feedback the plane understands. No transport-cc: with one rendition its reports cost more than they tell.
_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "rrtr"})
#: A one-byte header extension carries at most 16 bytes (RFC 8285 section 4.2).
_MAX_MID_BYTES = 16


class VideoChoice(enum.Enum):
    """Which of a stream's pictures a viewer needs."""

    SOURCE = "source"
    RENDITION_H264 = "rendition_h264"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the stream has.

    Attributes:
        video: the source's track, None while nothing is known of it.
        rendition_profile: profile-level-id of the H.264 rendition that can be had instead, "" if none can.
        sound_only: the viewer gets no picture, whatever it asks for.
    """

    video: Track | None = None
    rendition_profile: str = ""
    sound_only: bool = False


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What was agreed.

    Attributes:
        answer: SDP, below 8 KiB.
        video: how to send the pictures, None if the viewer wants none.
        video_codec: what `video` was negotiated for, None without.
        choice: which pictures, None without.
        audio: how to send the sound (always Opus), None if the viewer wants none.
        fingerprints: of the viewer's certificate.
        role: ours in DTLS, "server" or "client".
        remote_ufrag: the viewer's; connectivity checks carry `<local>:<remote>`.
        media_line: the m-line that carries the transport, for `restart_answer`.
        mids: the accepted m-lines', in order; the first carries the transport.
    """

    answer: str
    video: Subscription | None
    video_codec: Codec | None
    choice: VideoChoice | None
    audio: Subscription | None
    fingerprints: tuple[Fingerprint, ...]
    role: str
    remote_ufrag: str
    media_line: str
    mids: tuple[str, ...]
    offered: Offered


@dataclass(frozen=True, slots=True)
class _Picture:
    media: OfferedMedia
    format: Format
    match: Match
    codec: Codec
    choice: VideoChoice


def negotiate(offer: Offer, wanted: Wanted, local: LocalParameters) -> Negotiated:
    """Choose formats for one viewer and write the answer (RFC 3264, RFC 8829; WHEP).

    An unknown video track is taken to be H.264; Opus is accepted whether or not the stream has sound yet.

    Raises:
        NoCommonCodec: the viewer wants pictures (or only sound) in no form that can be had.
        WireError: the viewer does not want to receive anything.
    """
    receivable = [media for media in offer.media if media.is_receivable]
    offered = Offered.by(receivable)
    if not receivable:
        raise WireError("sdp: no m-line receives audio or video over the bundled transport")
    videos = [media for media in receivable if media.kind == "video"]
    picture = _choose_video(videos, wanted)
    if videos and picture is None and not wanted.sound_only:
        raise _refusal(offered, wanted)
    sound = find_opus(receivable)
    if sound is None and (picture is None or wanted.sound_only):
        why = "nothing else may be sent to it" if wanted.sound_only else "nothing else is asked for"
        raise NoCommonCodec(offered, "Opus sound", why)

    identity = Identity(
        stream=secrets.token_hex(8), cname=secrets.token_hex(8), session_id=secrets.randbits(62)
    )
    ssrcs = _distinct_ssrcs(3)
    accepted: list[Accepted] = []
    video = audio = None
    if picture is not None:
        rtx = picture.media.rtx_of(picture.format)
        video = _subscription(picture.media, picture.format, rtx, (ssrcs[0], ssrcs[1]), identity.cname)
        accepted.append(
            _accepted(picture.media, picture.format, picture.match.fmtp, video, wanted.sound_only)
        )
    if wanted.sound_only:
        # Its m-line stays, idle: a browser whose first one is refused does not find the others' transport.
        picture = video = None
    if sound is not None:
        media, format_ = sound
        audio = _subscription(media, format_, None, (ssrcs[2], 0), identity.cname)
        accepted.append(_accepted(media, format_, OPUS_FMTP, audio))

    by_media = {id(item.media): item for item in accepted}
    sections = [(media, by_media.get(id(media))) for media in offer.media]
    role = "client" if offer.setup == "passive" else "server"
    first = next(item for _, item in sections if item is not None)
    return Negotiated(
        answer=answer.serialize(sections, offer.has_bundle, local, identity, role),
        video=video,
        video_codec=picture.codec if picture else None,
        choice=picture.choice if picture else None,
        audio=audio,
        fingerprints=offer.fingerprints,
        role=role,
        remote_ufrag=offer.ufrag,
        media_line=answer.media_line(first),
        mids=tuple(media.mid for media, item in sections if item is not None),
        offered=offered,
    )


def restart_answer(negotiated: Negotiated, local: LocalParameters) -> str:
    """Answer an ICE restart: the fragment that a WHEP PATCH is answered with (RFC 8840; RFC 9725 4.3.2).

    Args:
        negotiated: what the session runs on.
        local: with the new credentials; fingerprint and DTLS session stay as they are.
    """
    return answer.serialize_restart(negotiated.media_line, negotiated.mids, local)


def _choose_video(videos: Sequence[OfferedMedia], wanted: Wanted) -> _Picture | None:
    source = wanted.video or Track(id=0, codec=Codec.H264, clock_rate=90_000)
    # What hinders only some browsers is sent as it is where there is nothing better.
    is_better_made = source.has_b_frames or (source.hindrance and wanted.rendition_profile)
    options = [] if is_better_made else [(VideoChoice.SOURCE, source)]
    if wanted.rendition_profile:
        rendition = Track(id=0, codec=Codec.H264, clock_rate=90_000, profile=wanted.rendition_profile)
        options.append((VideoChoice.RENDITION_H264, rendition))
    for choice, track in options:
        rule = VIDEO.get(track.codec)
        if rule is None:
            continue
        matches = [
            _Picture(media, offered, match, track.codec, choice)
            for media in videos
            for offered in media.formats
            if offered.name.upper() == rule.name
            and offered.clock_rate == 90_000
            and (match := rule.match(offered, track)) is not None
        ]
        if matches:
            return min(matches, key=lambda picture: picture.match.rank)
    return None


def _refusal(offered: Offered, wanted: Wanted) -> NoCommonCodec:
    if wanted.video is None:
        return NoCommonCodec(
            offered, "not known yet", "H.264 with packetization-mode=1 is the least it needs"
        )
    rule = VIDEO.get(wanted.video.codec)
    stream = rule.describe(wanted.video) if rule else wanted.video.codec.label
    rendition = "" if wanted.rendition_profile else ", and this stream has no H.264 rendition"
    if rule is None:
        return NoCommonCodec(offered, stream, f"no browser plays {stream} over WebRTC{rendition}")
    if wanted.video.has_b_frames:
        return NoCommonCodec(
            offered, f"{stream} with B-frames", f"no browser plays B-frames over WebRTC{rendition}"
        )
    return NoCommonCodec(offered, stream, f"none of them carries it{rendition}")


def _subscription(
    media: OfferedMedia, chosen: Format, rtx: Format | None, ssrcs: tuple[int, int], cname: str
) -> Subscription:
    mid_extension = media.extension(MID_URI) if 0 < len(media.mid.encode()) <= _MAX_MID_BYTES else 0
    return Subscription(
        payload_type=chosen.payload_type,
        ssrc=ssrcs[0],
        rtx_payload_type=rtx.payload_type if rtx else None,
        rtx_ssrc=ssrcs[1] if rtx else None,
        mid=media.mid,
        mid_extension=mid_extension,
        playout_delay_extension=media.extension(PLAYOUT_DELAY_URI),
        cname=cname,
    )


def _accepted(
    media: OfferedMedia, chosen: Format, fmtp: str, subscription: Subscription, is_idle: bool = False
) -> Accepted:
    extensions = (
        (MID_URI, subscription.mid_extension),
        (PLAYOUT_DELAY_URI, subscription.playout_delay_extension),
    )
    return Accepted(
        media=media,
        format=chosen,
        fmtp=fmtp,
        rtx_payload_type=subscription.rtx_payload_type,
        feedback=tuple(value for value in chosen.feedback if value in _FEEDBACK),
        extensions=tuple(sorted((number, uri) for uri, number in extensions if number)),
        direction="inactive" if is_idle else "sendonly",
        ssrcs=tuple(ssrc for ssrc in (subscription.ssrc, subscription.rtx_ssrc) if ssrc is not None),
    )


def _distinct_ssrcs(count: int) -> list[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(secrets.randbelow(0xFFFFFFFF) + 1)
    return list(found)
