"""Writing the answer that `negotiate.py` or `receiving.py` decided on."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transport.webrtc.simulcast import accepted_layers
from transport.webrtc.wire import Candidate, Fingerprint, Format, OfferedMedia


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """This server's side of one session.

    Attributes:
        candidates: the preferred address first.
    """

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    candidates: tuple[Candidate, ...]

    @classmethod
    def fresh(cls, fingerprint: Fingerprint, candidates: Sequence[Candidate]) -> LocalParameters:
        """New ICE credentials: 48 and 144 random bits (RFC 8839 section 5.4: ice-chars are Base64's)."""
        ufrag, pwd = (base64.b64encode(secrets.token_bytes(size)).decode() for size in (6, 18))
        return cls(ufrag, pwd, fingerprint, tuple(candidates))


@dataclass(frozen=True, slots=True)
class Identity:
    """What names the session in the answer; random, the same for sound and picture."""

    stream: str
    cname: str
    session_id: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """An m-line that was agreed on, and how.

    Attributes:
        fmtp: of the chosen format, "" for none.
        rtx_payload_type: of what is sent again, None for no RTX.
        feedback: the rtcp-fb values that are echoed.
        extensions: (id, uri), in the order of the ids.
        direction: "sendonly", "recvonly", or "inactive": agreed on, but nothing is sent.
        ssrcs: of what we send: the media's, and that of its retransmissions.
        layers: rids of the layers that are taken.
    """

    media: OfferedMedia
    format: Format
    fmtp: str
    rtx_payload_type: int | None
    feedback: tuple[str, ...]
    extensions: tuple[tuple[int, str], ...] = ()
    direction: str = "sendonly"
    ssrcs: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()


def serialize(
    sections: Sequence[tuple[OfferedMedia, Accepted | None]],
    has_bundle: bool,
    local: LocalParameters,
    identity: Identity,
    role: str,
) -> str:
    """The answer's text.

    Args:
        sections: the offer's m-lines in their order, None for those that are refused; at least one is not.
        has_bundle: the offer had a BUNDLE group.
        local: credentials, fingerprint and candidates.
        identity: names that sound and picture share.
        role: ours in DTLS, "server" or "client".
    """
    mids = [media.mid for media, accepted in sections if accepted is not None]
    lines = [
        "v=0",
        f"o=- {identity.session_id} 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
    ]
    if has_bundle:
        lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines.append(f"a=msid-semantic: WMS {identity.stream}")
    first = True
    for media, accepted in sections:
        if accepted is None:
            lines.extend(_refused(media))
        else:
            lines.extend(_section(accepted, local, identity, role))
            if first:
                # RFC 8843 section 7.3: the bundle's candidates belong to its first accepted m-line.
                lines.extend(_candidates(local))
                first = False
    return "\r\n".join(lines) + "\r\n"


def serialize_restart(line: str, mids: Sequence[str], local: LocalParameters) -> str:
    """The fragment that answers an ICE restart (RFC 8840 section 9).

    Args:
        line: the first accepted m-line, as in the answer.
        mids: of all accepted m-lines.
        local: with the new credentials.
    """
    lines = ["a=ice-lite"]
    if mids[0]:
        lines.append(f"a=group:BUNDLE {' '.join(mids)}")
    lines.append(line)
    if mids[0]:
        lines.append(f"a=mid:{mids[0]}")
    lines += [f"a=ice-ufrag:{local.ufrag}", f"a=ice-pwd:{local.pwd}", *_candidates(local)]
    return "\r\n".join(lines) + "\r\n"


def media_line(accepted: Accepted) -> str:
    """The `m=` line of an accepted section; port 9 also where the offer was bundle-only with port 0."""
    types = [accepted.format.payload_type, accepted.rtx_payload_type]
    formats = " ".join(str(number) for number in types if number is not None)
    return f"m={accepted.media.kind} 9 {accepted.media.protocol} {formats}"


def _section(accepted: Accepted, local: LocalParameters, identity: Identity, role: str) -> Iterator[str]:
    media, chosen, rtx = accepted.media, accepted.format, accepted.rtx_payload_type
    sends = accepted.direction == "sendonly"
    yield media_line(accepted)
    yield "c=IN IP4 0.0.0.0"
    yield "a=rtcp:9 IN IP4 0.0.0.0"
    yield f"a=ice-ufrag:{local.ufrag}"
    yield f"a=ice-pwd:{local.pwd}"
    yield f"a=fingerprint:{local.fingerprint.algorithm} {local.fingerprint.value}"
    yield f"a=setup:{'active' if role == 'client' else 'passive'}"
    if media.mid:
        yield f"a=mid:{media.mid}"
    for number, uri in accepted.extensions:
        yield f"a=extmap:{number} {uri}"
    yield f"a={accepted.direction}"
    if sends:
        yield f"a=msid:{identity.stream} {media.kind}"
    yield "a=rtcp-mux"
    if media.rtcp_rsize:
        yield "a=rtcp-rsize"
    if media.rtcp_xr.startswith("rcvr-rtt=") and accepted.direction != "recvonly":
        yield "a=rtcp-xr:rcvr-rtt=all"
    channels = f"/{chosen.channels}" if media.kind == "audio" else ""
    yield f"a=rtpmap:{chosen.payload_type} {chosen.name}/{chosen.clock_rate}{channels}"
    for value in accepted.feedback:
        yield f"a=rtcp-fb:{chosen.payload_type} {value}"
    if accepted.fmtp:
        yield f"a=fmtp:{chosen.payload_type} {accepted.fmtp}"
    if rtx is not None:
        yield f"a=rtpmap:{rtx} rtx/{chosen.clock_rate}"
        yield f"a=fmtp:{rtx} apt={chosen.payload_type}"
    yield from accepted_layers(accepted.layers)
    if sends:
        if len(accepted.ssrcs) > 1:
            yield f"a=ssrc-group:FID {' '.join(map(str, accepted.ssrcs))}"
        for ssrc in accepted.ssrcs:
            yield f"a=ssrc:{ssrc} cname:{identity.cname}"


def _refused(media: OfferedMedia) -> Iterator[str]:
    # Of a refused line no format counts (RFC 3264 section 6), but pion, as in MediaMTX, gives up the whole
    # answer over one without its rtpmap, unless it is 0, as in answers of browsers.
    token = "0" if media.tokens[0].isdigit() else media.tokens[0]
    yield f"m={media.kind} 0 {media.protocol} {token}"
    yield "c=IN IP4 0.0.0.0"
    if media.mid:
        yield f"a=mid:{media.mid}"
    yield "a=inactive"


def _candidates(local: LocalParameters) -> Iterator[str]:
    for index, candidate in enumerate(local.candidates):
        yield f"a=candidate:{candidate.serialize(index)}"
    yield "a=end-of-candidates"
