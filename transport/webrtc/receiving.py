"""A publisher's offer, answered so that it sends what can be passed on: H.264 or H.265, and Opus. No I/O.

The counterpart of `negotiate.py`, which is about sending. RFC 9725 section 4.4: one picture and one sound at
most, over one transport; of a picture in several layers (simulcast) all are taken, and the best is passed on.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from transport.errors import WireError
from transport.media import Codec
from transport.rtp import transport_cc
from transport.rtp.incoming import IncomingTrack, LayerIds
from transport.webrtc import answer, simulcast
from transport.webrtc.answer import Accepted, Identity, LocalParameters
from transport.webrtc.codecs import OPUS_FMTP, find_opus
from transport.webrtc.offered import NoUsableCodec, Offered
from transport.webrtc.wire import Fingerprint, Format, Offer, OfferedMedia

#: Feedback that `RtpReceiver` gives, and one of two more. Chromium obeys REMB only where there is no better.
_FEEDBACK = frozenset({"nack", "nack pli"})
_TRANSPORT_CC, _REMB = "transport-cc", "goog-remb"
_EXPECTED = "H264 with packetization-mode=1, or H265; and opus/48000/2 for sound"
_VIDEO_ID, _AUDIO_ID = 1, 2


@dataclass(frozen=True, slots=True)
class Receiving:
    """What was agreed.

    Attributes:
        answer: SDP.
        tracks: what will come, by payload type.
        fingerprints: of the publisher's certificate.
        transport_cc: id of the header extension that numbers the packets of all tracks, 0 for none.
        role: ours in DTLS, "server" or "client".
        remote_ufrag: the publisher's; connectivity checks carry `<local>:<remote>`.
        media_line: the m-line that carries the transport, for `restart_answer`.
        mids: the accepted m-lines', in order; the first carries the transport.
    """

    answer: str
    tracks: tuple[IncomingTrack, ...]
    fingerprints: tuple[Fingerprint, ...]
    transport_cc: int
    role: str
    remote_ufrag: str
    media_line: str
    mids: tuple[str, ...]


def receive(offer: Offer, local: LocalParameters) -> Receiving:
    """Choose formats for one publisher and write the answer (RFC 3264, RFC 8829).

    A sound that cannot be taken is refused alone, a picture refuses the whole: nobody wants to find out from
    an empty player that only sound arrives.

    Raises:
        NoUsableCodec: nothing that is offered can be taken, or not its picture.
        WireError: the publisher wants to send nothing, or formats that cannot be told apart.
    """
    sendable = [media for media in offer.media if media.is_sendable]
    if not sendable:
        raise WireError("sdp: no m-line sends audio or video over the bundled transport")
    picture = _find_video(sendable)
    sound = find_opus(sendable)
    wants_video = any(media.kind == "video" for media in sendable)
    if (wants_video and picture is None) or (picture is None and sound is None):
        raise NoUsableCodec(Offered.by(sendable), _EXPECTED)
    accepted: list[Accepted] = []
    tracks: list[IncomingTrack] = []
    numbered_by = _transport_cc([each[:2] for each in (picture, sound) if each is not None])
    if picture is not None:
        media, chosen, codec = picture
        rtx = media.rtx_of(chosen)
        layers = _layers(media)
        tracks.append(_track(_VIDEO_ID, codec, chosen, rtx, layers))
        accepted.append(_accepted(media, chosen, chosen.fmtp, rtx, numbered_by, layers))
    if sound is not None:
        media, chosen = sound
        tracks.append(_track(_AUDIO_ID, Codec.OPUS, chosen, None))
        accepted.append(_accepted(media, chosen, OPUS_FMTP, None, numbered_by))
    _check_distinct(tracks)
    by_media = {id(item.media): item for item in accepted}
    sections = [(media, by_media.get(id(media))) for media in offer.media]
    role = "client" if offer.setup == "passive" else "server"
    identity = Identity(
        stream=secrets.token_hex(8), cname=secrets.token_hex(8), session_id=secrets.randbits(62)
    )
    first = next(item for _, item in sections if item is not None)
    return Receiving(
        answer=answer.serialize(sections, offer.has_bundle, local, identity, role),
        tracks=tuple(tracks),
        fingerprints=offer.fingerprints,
        transport_cc=numbered_by,
        role=role,
        remote_ufrag=offer.ufrag,
        media_line=answer.media_line(first),
        mids=tuple(media.mid for media, item in sections if item is not None),
    )


def _find_video(sendable: Sequence[OfferedMedia]) -> tuple[OfferedMedia, Format, Codec] | None:
    """The publisher's first choice of H.264, which every browser plays; else of H.265."""
    formats = [(media, each) for media in sendable if media.kind == "video" for each in media.formats]
    for media, each in formats:
        mode = each.parameters.get("packetization-mode", "0")
        if each.name.upper() == "H264" and each.clock_rate == 90_000 and mode == "1":
            return media, each, Codec.H264
    for media, each in formats:
        tx_mode = each.parameters.get("tx-mode", "SRST").upper()
        if each.name.upper() == "H265" and each.clock_rate == 90_000 and tx_mode == "SRST":
            return media, each, Codec.H265
    return None


def _layers(media: OfferedMedia) -> LayerIds | None:
    rid, repaired = media.extension(simulcast.RID_URI), media.extension(simulcast.REPAIRED_RID_URI)
    return LayerIds(media.layers, rid, repaired) if media.layers and rid else None


def _track(
    id: int, codec: Codec, chosen: Format, rtx: Format | None, layers: LayerIds | None = None
) -> IncomingTrack:
    return IncomingTrack(
        id=id,
        codec=codec,
        payload_type=chosen.payload_type,
        clock_rate=chosen.clock_rate,
        rtx_payload_type=rtx.payload_type if rtx is not None else None,
        layers=layers,
    )


def _transport_cc(chosen: Sequence[tuple[OfferedMedia, Format]]) -> int:
    """The header extension's id, if all that is sent can be numbered: one that counts a part misleads."""
    ids = {
        media.extension(transport_cc.URI) if _TRANSPORT_CC in each.feedback else 0 for media, each in chosen
    }
    return ids.pop() if len(ids) == 1 else 0


def _accepted(
    media: OfferedMedia,
    chosen: Format,
    fmtp: str,
    rtx: Format | None,
    numbered_by: int,
    layers: LayerIds | None = None,
) -> Accepted:
    feedback = _FEEDBACK | {_TRANSPORT_CC if numbered_by else _REMB}
    extensions = [(numbered_by, transport_cc.URI)]
    if layers is not None:
        extensions += [
            (layers.extension, simulcast.RID_URI),
            (layers.repaired_extension, simulcast.REPAIRED_RID_URI),
        ]
    return Accepted(
        media=media,
        format=chosen,
        fmtp=fmtp,
        rtx_payload_type=rtx.payload_type if rtx is not None else None,
        feedback=tuple(value for value in chosen.feedback if value in feedback),
        extensions=tuple(sorted(each for each in extensions if each[0])),
        direction="recvonly",
        layers=layers.rids if layers is not None else (),
    )


def _check_distinct(tracks: Sequence[IncomingTrack]) -> None:
    """Payload types tell the tracks apart, as in any bundle without the MID extension (RFC 9143 9.2)."""
    numbers = [number for track in tracks for number in (track.payload_type, track.rtx_payload_type)]
    used = [number for number in numbers if number is not None]
    if len(set(used)) != len(used):
        raise WireError("sdp: one payload type for two formats within the bundle")
