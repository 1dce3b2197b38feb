"""A viewer's or publisher's half of the SDP: offers like Chromium's from a template, answers for who offers.

What comes back is read with a few regular expressions: a thousand joins leave no time for more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from transport.rtp import transport_cc

#: Payload types of the picture and the sound in `offer`.
VIDEO_TYPE, AUDIO_TYPE = 108, 111
_SESSION = "v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
_OFFER = (
    _SESSION
    + """\
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=video 9 UDP/TLS/RTP/SAVPF 108 109
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
{candidate}{transport}a=setup:actpass
a=mid:0
a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
{extension}a={direction}
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:108 H264/90000
a=rtcp-fb:108 goog-remb
a=rtcp-fb:108 ccm fir
a=rtcp-fb:108 nack
a=rtcp-fb:108 nack pli
{feedback_108}a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
{transport}a=setup:actpass
a=mid:1
a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:mid
{extension}a={direction}
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
{feedback_111}a=fmtp:111 minptime=10;useinbandfec=1
""".replace("\n", "\r\n")
)
_TRANSPORT = "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {fingerprint}\r\n"
_CANDIDATE = "a=candidate:1 1 udp 2122260223 {host} {port} typ host\r\n"

#: What a publisher's packets are numbered with, and how it says that it wants to hear of their arrivals.
_EXTENSION_ID = 3
_EXTENSION = f"a=extmap:{_EXTENSION_ID} {transport_cc.URI}\r\n"
_FEEDBACK = "a=rtcp-fb:{type} transport-cc\r\n"

_UFRAG = re.compile(r"^a=ice-ufrag:(\S+)", re.MULTILINE)
_PWD = re.compile(r"^a=ice-pwd:(\S+)", re.MULTILINE)
_SETUP = re.compile(r"^a=setup:(\w+)", re.MULTILINE)
_HOST = re.compile(r"^a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", re.MULTILINE | re.IGNORECASE)
_RTX = re.compile(r"^a=rtpmap:(\d+) rtx/", re.MULTILINE)
#: Of an offer, what an answer that takes everything repeats.
_REPEATED = ("m=", "c=", "a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=rtcp-mux", "a=rtcp-rsize")
_EXTENSIONS = ("urn:ietf:params:rtp-hdrext:sdes:mid",)


@dataclass(frozen=True, slots=True)
class Local:
    """What a viewer says about itself."""

    ufrag: str
    pwd: str
    fingerprint: str
    address: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Remote:
    """What the server said about itself.

    Attributes:
        address: of its first host candidate over UDP and IPv4.
        speaks_first: in DTLS it is the client.
        rtx_types: payload types of retransmissions.
        transport_cc: id of the header extension that numbers packets, 0 if it was not agreed on.
    """

    ufrag: str
    pwd: str
    address: tuple[str, int]
    speaks_first: bool
    rtx_types: frozenset[int]
    transport_cc: int = 0


def offer(local: Local, session: int, direction: str = "recvonly") -> str:
    """An offer to receive H.264 with RTX and Opus, or to send them ("sendonly")."""
    host, port = local.address
    publishes = direction == "sendonly"
    feedback = {
        f"feedback_{each}": _FEEDBACK.format(type=each) if publishes else ""
        for each in (VIDEO_TYPE, AUDIO_TYPE)
    }
    return _OFFER.format(
        session=session,
        direction=direction,
        extension=_EXTENSION if publishes else "",
        **feedback,
        candidate=_CANDIDATE.format(host=host, port=port),
        transport=_transport(local),
    )


def answer(offered: str, local: Local, session: int) -> str:
    """Accept all that a peer offers to send; the viewer is DTLS client."""
    lines = [_SESSION.format(session=session)]
    host, port = local.address
    for line in offered.splitlines():
        if line.startswith("a=group:"):
            lines.append(f"{line}\r\n")
        elif line.startswith(_REPEATED) or (line.startswith("a=extmap:") and line.endswith(_EXTENSIONS)):
            lines.append(f"{line}\r\n")
            if line.startswith("m="):
                lines.append(_CANDIDATE.format(host=host, port=port))
                lines.append(f"{_transport(local)}a=setup:active\r\na=recvonly\r\n")
    return "".join(lines)


def parse(text: str) -> Remote:
    """Read a server's offer or answer.

    Raises:
        ValueError: something a viewer needs is missing.
    """
    ufrag, pwd, host, setup = (pattern.search(text) for pattern in (_UFRAG, _PWD, _HOST, _SETUP))
    if ufrag is None or pwd is None or setup is None:
        raise ValueError(f"sdp: no ICE credentials or no setup in {text!r}")
    if host is None:
        raise ValueError(f"sdp: no host candidate over UDP and IPv4 in {text!r}")
    return Remote(
        ufrag[1],
        pwd[1],
        (host[1], int(host[2])),
        setup[1] == "active",
        frozenset(map(int, _RTX.findall(text))),
        _EXTENSION_ID if _EXTENSION in text else 0,
    )


def _transport(local: Local) -> str:
    return _TRANSPORT.format(ufrag=local.ufrag, pwd=local.pwd, fingerprint=local.fingerprint)
